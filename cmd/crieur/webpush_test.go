package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/crieur/crieur/publishers"
)

// TestWebPushKeys: what the command prints is a configuration that the channel takes, and another one each time.
func TestWebPushKeys(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		var out, failed bytes.Buffer
		if code := run(t.Context(), []string{"webpush", "keys"}, nil, streams{out: &out, err: &failed}); code != exitDone {
			t.Fatalf("%d: %s", code, failed.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		name, key, _ := strings.Cut(lines[len(lines)-1], "=")
		if seen[key] {
			t.Error("the same key again")
		}
		seen[key] = true
		if _, err := publishers.Open([]string{"webpush"}, map[string]string{name: key, "CRIEUR_WEBPUSH_CONTACT": "mailto:organisers@example.org"}, publishers.Deps{}); err != nil {
			t.Error(err)
		}
	}
}
