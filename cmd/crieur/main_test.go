package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// Most tests that run side by side wait most of the time: three for each processor.
func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		_ = given.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0)))
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// faulty builds the program with fault points, once for all tests; TestMain removes it.
var faulty = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "crieur-test-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "crieur")
	if out, err := exec.Command("go", "build", "-tags", "faults", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	built = dir
	return binary, nil
})

var built string
