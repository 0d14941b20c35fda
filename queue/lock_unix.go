//go:build unix

package queue

import (
	"fmt"
	"os"
	"syscall"
)

// hold takes the lock on path, or says that another process has it. It is free again when the file is closed or the
// process ends, however it ends.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: another process uses this directory: %w", path, err)
	}
	return f, nil
}
