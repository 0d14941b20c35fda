package store

import "golang.org/x/sys/unix"

// mountSmall puts an empty file system of 6 MiB on dir until unmount is called.
func mountSmall(dir string) (unmount func() error, err error) {
	return func() error { return unix.Unmount(dir, 0) }, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m")
}
