//go:build !linux

package store

import "errors"

func mountSmall(string) (unmount func() error, err error) {
	return nil, errors.New("only Linux mounts one without a device")
}
