package main

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/publishers"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/webhook/webhooktest"
	"github.com/crieur/crieur/templates"
)

// halt ends a server in order.
func (c *child) halt(cmd *exec.Cmd, dead chan error) {
	c.t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-dead; err != nil {
		c.t.Errorf("%v\n%s", err, c.log.String())
	}
}

// zoneFile is the data of a time zone, as Go brings it.
func zoneFile(t *testing.T, name string) []byte {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	all, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all.Close() }()
	f, err := all.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A time zone gets other rules while an announcement waits: the wall time that its author wrote stays and its instant moves,
// that of somebody who gave an offset stays and its wall time moves; the log and organisers are told, once.
func TestTimeZoneRulesChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 2)
	c.vars["CRIEUR_CHANNELS"], c.vars["CRIEUR_NOTICES"], c.vars["CRIEUR_SLACK_ASIDE"] = "email,feed,slack", "slack", "true"
	cmd, dead := c.start("")
	submit := func(title, at, zone string, event *announce.DraftEvent) announce.ID {
		d := announce.Draft{Kind: announce.KindNews, TimeZone: zone, PublishAt: at, Texts: map[announce.Language]announce.Text{"fr": {Title: title}}, Event: event}
		if event != nil {
			d.Kind = announce.KindEvent
		}
		a, _, err := c.client.Submit(t.Context(), d, "")
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	year := time.Now().Year() + 1
	at := func(format string) string { return fmt.Sprintf(format, year) }
	meant := submit("Heure écrite", at("%d-01-20T18:30"), "", &announce.DraftEvent{StartsAt: at("%d-01-27T18:30")})
	fixed := submit("Moment donné", at("%d-01-20T18:30:00-05:00"), "", nil)
	other := submit("Ailleurs", at("%d-01-20T18:30"), "Europe/Paris", nil)
	c.halt(cmd, dead)

	zones := t.TempDir()
	if err := os.MkdirAll(filepath.Join(zones, "America"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(zones, "America", "Toronto"), zoneFile(t, "America/Vancouver"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.vars["ZONEINFO"] = zones
	for range 2 {
		cmd, dead = c.start("")
		for _, x := range []struct {
			id   announce.ID
			rev  int
			want map[string]announce.When
		}{
			{meant, 2, map[string]announce.When{
				"publish_at":      {Wall: at("%d-01-20T18:30:00"), Zone: "America/Toronto", Instant: time.Date(year, 1, 21, 2, 30, 0, 0, time.UTC)},
				"event.starts_at": {Wall: at("%d-01-27T18:30:00"), Zone: "America/Toronto", Instant: time.Date(year, 1, 28, 2, 30, 0, 0, time.UTC)},
			}},
			{fixed, 2, map[string]announce.When{"publish_at": {Wall: at("%d-01-20T15:30:00"), Zone: "America/Toronto", Instant: time.Date(year, 1, 20, 23, 30, 0, 0, time.UTC), Fixed: true}}},
			{other, 1, map[string]announce.When{"publish_at": {Wall: at("%d-01-20T18:30:00"), Zone: "Europe/Paris", Instant: time.Date(year, 1, 20, 17, 30, 0, 0, time.UTC)}}},
		} {
			var st broadcast.Status
			c.until("its times are computed anew", ample, func() (ok bool) {
				var err error
				st, err = c.client.Status(t.Context(), x.id)
				return err == nil && st.Rev == x.rev
			})
			for name, want := range x.want {
				if got := st.Times[name]; got != want {
					t.Errorf("%s: %s is %+v, want %+v", st.Title, name, got, want)
				}
			}
			if next := st.Deliveries[0].Next; st.State != broadcast.Scheduled || next == nil || !next.Equal(x.want["publish_at"].Instant) {
				t.Errorf("%s is %s, next %v", st.Title, st.State, next)
			}
		}
		notices := func() (n int) {
			for _, p := range w.Platform("slack").Posts() {
				n += strings.Count(p.Text, "Fuseau horaire changé")
			}
			return n
		}
		c.until("organisers are told of both", ample, func() bool { return notices() >= 2 })
		if n := notices(); n != 2 {
			t.Errorf("organisers were told %d times", n)
		}
		c.halt(cmd, dead)
	}
	if log := c.amendments(); len(log) != 2 || !strings.Contains(log[0], "time zone") || !strings.HasPrefix(log[0], "crieur ") {
		t.Errorf("the log says %q", log)
	}
}

// amendments are the lines of the audit log about amendments: who made them, and why.
func (c *child) amendments() (lines []string) {
	c.t.Helper()
	db, err := store.Open(c.t.Context(), store.Options{Dir: c.vars["CRIEUR_STATE"]})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all, err := db.Events(c.t.Context(), 0, 10_000)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range all {
		if e.What == "amended" {
			lines = append(lines, e.Actor+" "+e.Detail)
		}
	}
	return lines
}

// A thousand announcements due at once make a thousand posts.
func TestManyDue(t *testing.T) {
	t.Parallel()
	manyDue(t, 1)
}

// They do with two servers on one Postgres. Not beside the other tests that share it: publishing is stopped there meanwhile.
func TestManyDueOnPostgres(t *testing.T) {
	if os.Getenv("CRIEUR_TEST_POSTGRES") == "" {
		t.Skip("CRIEUR_TEST_POSTGRES is not set: there is no Postgres to share")
	}
	manyDue(t, 2)
}

func manyDue(t *testing.T, servers int) {
	w := newWorld(t)
	many := number("DUE", 100)
	var all []*child
	var stops []func()
	for range servers {
		c := newChild(t, w, 0)
		c.vars["CRIEUR_CHANNELS"] = "webhook"
		cmd, dead := c.start("")
		all = append(all, c)
		stops = append(stops, func() { c.halt(cmd, dead) })
	}
	if _, err := all[0].client.Stop(t.Context(), "until all are due"); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(2 * time.Second)
	ids := make([]announce.ID, many)
	var g sync.WaitGroup
	const lanes = 8
	for lane := range lanes {
		g.Go(func() {
			for n := lane; n < many; n += lanes {
				d := numbered(20_000 + n)
				d.PublishAt = at.Format(time.RFC3339Nano)
				a, _, err := all[n%servers].client.Submit(context.Background(), d, fmt.Sprintf("due-%d", n))
				if err != nil {
					t.Error(err)
					return
				}
				ids[n] = a.ID
			}
		})
	}
	g.Wait()
	all[0].until("all are due", ample, func() bool { return time.Now().After(at) })
	if n := len(w.Platform("webhook").Posts()); n > 0 {
		t.Fatalf("%d left while publishing was stopped", n)
	}
	if err := all[0].client.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	all[0].until("all are out", ample, func() bool {
		for _, id := range ids {
			if st, err := all[0].client.Status(t.Context(), id); err != nil || st.State != broadcast.Published {
				return false
			}
		}
		return true
	})
	for _, stop := range stops {
		stop()
	}
	seen := map[string]int{}
	for _, p := range w.Platform("webhook").Posts() {
		seen[p.Key]++
	}
	if posts := w.Platform("webhook").Posts(); len(posts) != many || len(seen) != many {
		t.Errorf("%d posts, %d different", len(posts), len(seen))
	}
	if n := w.Platform("webhook").(*webhooktest.Platform).Copies(); n > 0 {
		t.Errorf("%d were sent twice", n)
	}
}

// submitAt accepts a draft on the stopped record as if it were another time.
func (c *child) submitAt(now time.Time, d announce.Draft) announce.ID {
	c.t.Helper()
	db, err := store.Open(c.t.Context(), store.Options{Dir: c.vars["CRIEUR_STATE"], Clock: func() time.Time { return now }})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	config, err := load(c.vars)
	if err != nil {
		c.t.Fatal(err)
	}
	set, err := templates.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	accounts, err := publishers.Open(config.Channels, c.vars, publishers.Deps{Site: config.site(), Shelf: db.Shelf()})
	if err != nil {
		c.t.Fatal(err)
	}
	o := broadcast.Options{Store: db, Templates: set, Media: media.New(media.Options{}), Site: config.site(), Log: slog.New(slog.DiscardHandler), Metrics: broadcast.NewMetrics(prometheus.NewRegistry())}
	for _, a := range accounts {
		o.Accounts = append(o.Accounts, broadcast.Account(a))
	}
	a, _, err := broadcast.New(o).Submit(c.t.Context(), d, "test", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return a.ID
}

// Down while its time came: the announcement is held, the command line says so and releases it, with a server or without.
func TestReleaseFromTheCommandLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 0)
	c.vars["CRIEUR_CHANNELS"] = "webhook"
	now := time.Now()
	var ids []announce.ID
	for n := range 2 {
		d := numbered(n)
		d.PublishAt = now.Add(-2 * time.Hour).Format(time.RFC3339)
		ids = append(ids, c.submitAt(now.Add(-3*time.Hour), d))
	}
	cmd, dead := c.start("")
	for _, id := range ids {
		if said := c.run("status", string(id)); !strings.Contains(said, "held") || !strings.Contains(said, "crieur release "+string(id)) {
			t.Errorf("the status says %s", said)
		}
	}
	if said := c.run("release", string(ids[0])); !strings.Contains(said, "published now") {
		t.Errorf("release says %s", said)
	}
	c.until("it is out", ample, func() bool { return live(w, "webhook", 0) == 1 })
	var out, complaint strings.Builder
	if code := run(t.Context(), []string{"release", string(ids[0])}, environList(c.vars), streams{strings.NewReader(""), &out, &complaint}); code != exitInput || !strings.Contains(complaint.String(), "not held") {
		t.Errorf("releasing it twice: %d %s", code, complaint.String())
	}
	c.halt(cmd, dead)
	if n := live(w, "webhook", 1); n > 0 {
		t.Errorf("what is held is %d times out", n)
	}
	if said := c.run("release", string(ids[1])); !strings.Contains(said, "when one starts") {
		t.Errorf("release says %s", said)
	}
	cmd, dead = c.start("")
	c.until("the other is out as well", ample, func() bool { return live(w, "webhook", 1) == 1 })
	c.halt(cmd, dead)
}

// On every channel an announcement that waits is found well; what is wrong then is found, told to organisers and shown.
func TestRehearseOnEveryChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 2)
	var shut atomic.Bool
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if shut.Load() {
			rw.WriteHeader(http.StatusNotFound)
		}
	}))
	defer site.Close()
	c.vars["CRIEUR_FETCH_ALLOW"] = "127.0.0.1/32"
	c.vars["CRIEUR_CHANNELS"] = strings.Join(slices.DeleteFunc(w.Accounts(), func(a string) bool { return a == "feed" }), ",") // it says that it is on this machine only
	c.vars["CRIEUR_NOTICES"], c.vars["CRIEUR_MATTERMOST_ASIDE"] = "mattermost", "true"
	d := numbered(0)
	d.Link, d.PublishAt = site.URL, time.Now().Add(time.Hour).Format(time.RFC3339)
	cmd, dead := c.start("")
	a, _, err := c.client.Submit(t.Context(), d, "")
	if err != nil {
		t.Fatal(err)
	}
	c.until("it is rehearsed", ample, func() bool {
		st, err := c.client.Status(t.Context(), a.ID)
		return err == nil && st.Rehearsal != nil
	})
	if said := c.run("rehearse", string(a.ID)); !strings.Contains(said, "all is well") {
		t.Errorf("a rehearsal says %s", said)
	}
	shut.Store(true)
	w.Platform("slack").Script().Push(sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"ok": false, "error": "token_revoked"}`})
	var out, complaint strings.Builder
	if code := run(t.Context(), []string{"rehearse", string(a.ID)}, environList(c.vars), streams{strings.NewReader(""), &out, &complaint}); code != exitInput ||
		!strings.Contains(out.String(), "slack, account") || !strings.Contains(out.String(), "link: link (") {
		t.Errorf("exit %d: %s%s", code, out.String(), complaint.String())
	}
	if said := c.run("status", string(a.ID)); !strings.Contains(said, "slack, account") {
		t.Errorf("the status says %s", said)
	}
	d.Texts = map[announce.Language]announce.Text{"fr": {Title: "Annonce revue"}}
	if _, err := c.client.Amend(t.Context(), a.ID, 1, d); err != nil {
		t.Fatal(err)
	}
	c.until("organisers hear of the link", ample, func() bool {
		return slices.ContainsFunc(w.Platform("mattermost").Posts(), func(p sim.Post) bool {
			return strings.Contains(p.Text, "Annonce revue") && strings.Contains(p.Text, "ne répond pas")
		})
	})
	c.halt(cmd, dead)
}
