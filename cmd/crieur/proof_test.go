package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/proof"
	"github.com/crieur/crieur/internal/world"
)

// What was announced on every simulated platform is proven: each post with its address and time, people as counts.
func TestProof(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	a, _, err := d.Submit(context.Background(), world.Sample(time.Now()), "")
	if err != nil {
		t.Fatal(err)
	}
	st := d.settle(t, a.ID)
	vars := []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}
	call := func(want int, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := run(context.Background(), append([]string{"proof"}, args...), vars, streams{strings.NewReader(""), &out, &errs}); code != want {
			t.Fatalf("crieur proof %v: exit %d\n%s%s", args, code, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	document := call(0, string(a.ID), "--json")
	var p proof.Proof
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Statement.Places) != len(st.Deliveries) || len(st.Deliveries) == 0 || len(p.Statement.People) != len(st.People) {
		t.Errorf("%d places of %d, %d personal of %d", len(p.Statement.Places), len(st.Deliveries), len(p.Statement.People), len(st.People))
	}
	for _, place := range p.Statement.Places {
		if place.State == announce.Published && (place.Rev != 1 || place.At == nil || place.Attempts == 0 || len(place.History) == 0) {
			t.Errorf("%+v", place)
		}
	}
	for _, x := range p.Statement.People {
		if x.Account == "email" && x.Counts[announce.Published] != 3 {
			t.Errorf("%+v", x)
		}
	}
	for _, s := range []string{"@example", d.token} {
		if strings.Contains(document, s) {
			t.Errorf("the proof holds %q", s)
		}
	}

	path := filepath.Join(t.TempDir(), "proof.json")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(document)
	if out := call(0, "--verify", path); !strings.Contains(out, "The signature is good") || !strings.Contains(out, string(a.ID)) {
		t.Error(out)
	}
	put(strings.Replace(document, `"state": "published"`, `"state": "retracted"`, 1))
	if out := call(1, "--verify", path); !strings.Contains(out, "changed after it was signed") {
		t.Error(out)
	}
	noKey := filepath.Join(t.TempDir(), "meetup.md")
	if err := os.WriteFile(noKey, []byte("kind: event\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := call(2, "--verify", path, "--key", noKey); !strings.Contains(out, noKey+": this is not the public key") || strings.Contains(out, path) {
		t.Error(out)
	}
	if out := call(2, string(a.ID), "--verify", path); !strings.Contains(out, "leave the announcement") {
		t.Error(out)
	}
	put("no proof")
	call(2, "--verify", path)
	call(2)
	if out := call(0, string(a.ID)); !strings.Contains(out, p.Page) || !strings.Contains(out, "submitted by token") {
		t.Error(out)
	}
	r, err := visitor.Get(p.Page)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("the page answers %d", r.StatusCode)
	}
	if err := d.Retract(context.Background(), a.ID, 1); err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	if out := strings.Join(strings.Fields(call(0, string(a.ID))), " "); !strings.Contains(out, "slack fr retracted - ") {
		t.Errorf("what nobody can see any more has a revision:\n%s", out)
	}
}
