//go:build !linux

package queue

import "testing"

func smallDisk(t *testing.T, _ int) string {
	t.Helper()
	t.Skip("skipped: a small disk is only mounted on Linux")
	return ""
}
