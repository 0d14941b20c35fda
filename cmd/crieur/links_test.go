package main

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var personalLink = regexp.MustCompile(`http://[^\s"<>]+/(unsubscribe|preferences)/[\w-]+`)

// The links of a mail that was sent stay good when the key is rotated; when it leaked, only that which unsubscribes.
func TestRotatedLinks(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	a, _, err := d.Submit(ctx, numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	_, text := d.letter(t, "grace@example.com", "Annonce")
	links := map[string]string{}
	for _, m := range personalLink.FindAllStringSubmatch(text, -1) {
		links[m[1]] = m[0]
	}
	if len(links) != 2 {
		t.Fatalf("%v in\n%s", links, text)
	}
	for _, c := range []struct {
		args        []string
		preferences int
	}{{[]string{"links", "rotate"}, http.StatusOK}, {[]string{"links", "rotate", "--leaked"}, http.StatusNotFound}} {
		var out, errs bytes.Buffer
		if code := run(ctx, c.args, []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}, streams{strings.NewReader(""), &out, &errs}); code != exitDone {
			t.Fatal(code, errs.String())
		}
		for what, want := range map[string]int{"unsubscribe": http.StatusOK, "preferences": c.preferences} {
			r, err := visitor.Get(links[what])
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			if r.StatusCode != want {
				t.Errorf("%v: %s is %d", c.args, what, r.StatusCode)
			}
		}
	}
}
