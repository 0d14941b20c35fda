//go:build faults && unix

package main

import (
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// faultPoint kills the process as kill -9 does at the n-th passing of a named point: FAULT=after-intent:3.
func faultPoint(environ map[string]string) func(string) {
	name, nth, _ := strings.Cut(environ["FAULT"], ":")
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		n = 1
	}
	var passed atomic.Int64
	return func(point string) {
		if point == name && passed.Add(1) == n {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {} // until the kernel has done it
		}
	}
}
