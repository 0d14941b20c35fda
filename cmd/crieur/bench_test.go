package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestBenchNeedsSomethingToMeasure(t *testing.T) {
	for _, flag := range []string{"--accept", "--everywhere", "--rows"} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), []string{"bench", flag, "0"}, nil, streams{strings.NewReader(""), &out, &errs}); code != exitInput || !strings.Contains(errs.String(), "1 or more") {
			t.Errorf("%s 0: exit %d\n%s%s", flag, code, out.String(), errs.String())
		}
	}
}
