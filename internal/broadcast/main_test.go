package broadcast

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// Most tests that run side by side wait for a service to look at its record: three for each processor.
func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		_ = given.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0)))
	}
	os.Exit(m.Run())
}
