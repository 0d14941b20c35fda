package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
)

// Digests over the API: set, chosen, previewed, started three times at once, removed.
func TestDigestsOverTheAPI(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	all, err := d.Digests(ctx)
	if err != nil || len(all) != 3 || all[1].Name != "weekly" || all[1].Next == nil || all[1].People != 0 {
		t.Fatalf("%+v %v", all, err)
	}
	for body, field := range map[string]string{
		`{"name": "rust", "schedule": "* * * * *"}`:                             "body.schedule",
		`{"name": "rust", "schedule": "0 8 * * 1", "time_zone": "Mars/Base"}`:   "body.time_zone",
		`{"name": "rust", "schedule": "0 8 * * 1", "channels": ["email"]}`:      "body.channels[0]",
		`{"name": "rust", "schedule": "0 8 * * 1", "topics": ["none"]}`:         "body.topics[0]",
		`{"name": "other", "schedule": "0 8 * * 1"}`:                            "body.name",
		`{"name": "rust", "schedule": "0 8 * * 1", "labels": {"!": "x"}}`:       "body.labels",
		`{"name": "rust", "schedule": "0 8 * * 1", "languages": ["fr", "???"]}`: "body.languages[1]",
	} {
		if r, got := d.raw(t, "PUT", "/v1/digests/rust", body); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got, `"`+field+`"`) {
			t.Errorf("%s: %d %s", body, r.StatusCode, got)
		}
	}
	if _, err := d.PutDigest(ctx, web.Digest{Name: "rust", Schedule: "0 8 1,15 * *", Labels: map[announce.Language]string{"fr": "Rust, en bref"}, Channels: []string{"slack"}, Place: 9}); err != nil {
		t.Fatal(err)
	}

	// What can be chosen is on the page, and is taken; what is not there is refused.
	if _, page := d.raw(t, "GET", "/subscribe?lang=fr", ""); !strings.Contains(page, "Rust, en bref") || !strings.Contains(page, "Un résumé par semaine") {
		t.Errorf("the choices are not on the page:\n%s", page)
	}
	if r, got := d.raw(t, "PATCH", "/v1/subscribers/grace@example.com", `{"frequency": "hourly"}`); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got, "body.frequency") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	if r, got := d.raw(t, "PATCH", "/v1/subscribers/grace@example.com", `{"frequency": "rust"}`); r.StatusCode != http.StatusOK || !strings.Contains(got, `"frequency":"rust"`) {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	a, _, err := d.Submit(ctx, numbered(7), "")
	if err != nil {
		t.Fatal(err)
	}
	if st := d.settle(t, a.ID); st.People[0].Planned != 2 {
		t.Errorf("planned for %d people, one of whom chose a digest", st.People[0].Planned)
	}
	p, err := d.PreviewDigest(ctx, "rust", "grace@example.com")
	if err != nil || len(p.Items) != 1 || !strings.Contains(p.Text, "n° 0007") || !strings.Contains(p.HTML, "n° 0007") || p.Subject == "" {
		t.Errorf("%+v %v", p, err)
	}

	var out, errs strings.Builder
	code := run(ctx, []string{"digest", "preview", "rust", "--for", "grace@example.com"}, []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}, streams{strings.NewReader(""), &out, &errs})
	if code != exitDone || strings.Contains(out.String(), ".invalid") || !strings.Contains(out.String(), "[each person’s own link]") {
		t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
	}

	var mu sync.Mutex
	var g sync.WaitGroup
	var codes []int
	for range 3 {
		g.Go(func() {
			r, body := d.raw(t, "POST", "/v1/digests/rust/runs", "")
			var run web.DigestRun
			mu.Lock()
			defer mu.Unlock()
			if codes = append(codes, r.StatusCode); json.Unmarshal([]byte(body), &run) != nil || run.Digest != "rust" || run.Period == "" {
				t.Errorf("%d %s", r.StatusCode, body)
			}
		})
	}
	g.Wait()
	slices.Sort(codes)
	if !slices.Equal(codes, []int{200, 200, 202}) {
		t.Errorf("started three times at once: %v", codes)
	}
	ended := within(ample, func() bool {
		runs, err := d.DigestRuns(ctx, "rust", 5)
		return err == nil && len(runs) == 1 && runs[0].State == store.RunSkipped // she chose it after that period
	})
	if !ended {
		runs, err := d.DigestRuns(ctx, "rust", 5)
		t.Errorf("%+v %v", runs, err)
	}
	if r, got := d.raw(t, "POST", "/v1/digests/rust/runs", `{"period": "2027-03-02T08:00"}`); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got, "body.period") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	if r, got := d.raw(t, "DELETE", "/v1/digests/rust", ""); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got, "chose this digest (1)") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	if err := d.RemoveDigest(ctx, "rust", "weekly"); err != nil {
		t.Fatal(err)
	}
	if r, got := d.raw(t, "GET", "/v1/subscribers/grace@example.com", ""); !strings.Contains(got, `"frequency":"weekly"`) {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	if p, err := d.PreviewDigest(ctx, "weekly", "grace@example.com"); err != nil || len(p.Items) != 1 {
		t.Errorf("what she has not heard of moved along: %+v %v", p, err)
	}
	for _, path := range []string{"/v1/digests/rust/runs", "/v1/digests/rust/preview?for=grace@example.com", "/v1/digests/weekly/preview?for=nobody@example.com"} {
		if r, got := d.raw(t, "GET", path, ""); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, r.StatusCode, got)
		}
	}
}

// When a digest is due is told in the zone that its schedule is read in, whatever the zone of the terminal.
func TestDigestsAreToldInTheirZone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	call := func(args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		vars := []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}
		if code := run(context.Background(), append([]string{"digest"}, args...), vars, streams{strings.NewReader(""), &out, &errs}); code != exitDone {
			t.Fatalf("%v: exit %d\n%s", args, code, errs.String())
		}
		return strings.Join(strings.Fields(out.String()), " ")
	}
	if out := call("set", "tokyo", "--schedule", "30 7 * * 1", "--zone", "Asia/Tokyo"); !strings.Contains(out, " 07:30 JST.") || !strings.Contains(out, "on Mon ") {
		t.Error(out)
	}
	out := call("list")
	for _, want := range []string{"30 7 * * 1 Asia/Tokyo Mon ", " 07:30 JST ", "0 8 * * 1 America/Toronto Mon ", " 08:00 E"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
}
