package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every answer is checked when it is given, so that what is written can be served.
func TestInitAsksAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "crieur.env")
	answers := []string{
		"Les amis d'Ada", "http://example.org", "https://example.org", "Mars/X", "America/Toronto", "fr,en", "1, rue X",
		"fax", "slack@", "feed,feed", "slack@a-b,slack@a_b", " feed , slack@partners,",
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"init", "--file", file}, nil, streams{strings.NewReader(strings.Join(answers, "\n") + "\n\n"), &out, &errs}); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out.String(), errs.String())
	}
	for _, want := range []string{"must begin with https://", "is not a time zone", `"fax" is not a channel`, `"slack@" is not the name`, "names feed twice", "the same variables"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`CRIEUR_NAME='Les amis d'\''Ada'`, "\n#CRIEUR_SLACK_PARTNERS_TOKEN="} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is not in\n%s", want, b)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
