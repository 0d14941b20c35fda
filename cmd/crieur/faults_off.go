//go:build !faults || !unix

package main

// faultPoint is nil in real programs: faults are injected only in those built with -tags faults.
func faultPoint(map[string]string) func(string) { return nil }
