package queue

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// hold takes the lock on path, or says that another process has it. It is free again when the file is closed or the
// process ends, however it ends.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	flags := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY)
	if err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: another process uses this directory: %w", path, err)
	}
	return f, nil
}
