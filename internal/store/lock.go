package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const lockName = "lock"

// acquire takes the lock of a state directory until release or the end of the process, whichever comes first.
func acquire(dir string, now time.Time) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the state directory: %w", err)
	}
	held, err := lockFile(f)
	if held || err != nil {
		_ = f.Close()
		if held {
			return nil, &LockedError{Dir: dir, Holder: lockHolder(dir)}
		}
		return nil, fmt.Errorf("cannot lock the state directory %s: %w", dir, err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	holder := fmt.Sprintf("process %d on %s since %s\n", os.Getpid(), host, now.Format(time.RFC3339))
	// The lock is held whether or not the disk has room for its holder's name.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(holder), 0)
	return f, nil
}

// release forgets the holder and lets go of the lock.
func release(f *os.File) error { return errors.Join(f.Truncate(0), f.Close()) }

// lockHolder names the process that holds a state directory, or held it when it died. It takes no lock. Empty: nobody
// since a clean close.
func lockHolder(dir string) string {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
