package main

import (
	"context"
	"fmt"
	"net"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
)

// TestKillDigest kills a weekly digest five times on its way: everybody gets one mail with exactly what they had not seen,
// whoever has seen everything gets none. DIGEST_PEOPLE says for how many.
func TestKillDigest(t *testing.T) {
	t.Parallel()
	people := number("DIGEST_PEOPLE", 1000)
	c := newChild(t, newWorld(t), 0)
	address := freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	for name, v := range map[string]string{
		"CRIEUR_CHANNELS": "email", "CRIEUR_EMAIL_HOST": host, "CRIEUR_EMAIL_PORT": port, "CRIEUR_EMAIL_TLS": "none", "CRIEUR_EMAIL_USERNAME": "",
		"CRIEUR_EMAIL_PASSWORD": "", "CRIEUR_EMAIL_CONNECTIONS": "8", "CRIEUR_LOG_LEVEL": "warn",
	} {
		c.vars[name] = v
	}
	for name := range c.vars { // of channels that are not switched on here
		if strings.HasPrefix(name, "CRIEUR_") && strings.Contains(name, "_API") {
			delete(c.vars, name)
		}
	}
	ctx := context.Background()
	w, err := openWeek(ctx, c.vars, &session{streams: streams{err: c.log}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.fill(ctx, people); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex
	got := map[string][]string{}
	known := map[string]bool{} // Message-IDs: what a kill cut between a mail and its answer is sent once more, as a copy that receivers drop
	titles := regexp.MustCompile(`n° \d{4}`)
	server := newSink()
	server.taken = func(to string, raw []byte) {
		text, id := "", ""
		if m, err := mail.ReadMessage(strings.NewReader(string(raw))); err == nil {
			text, _, _ = strings.Cut(decoded(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body), "text/html")
			id = m.Header.Get("Message-Id")
		}
		mu.Lock()
		defer mu.Unlock()
		if known[id] {
			return
		}
		known[id] = true
		said := titles.FindAllString(text, -1)
		slices.Sort(said)
		got[to] = append(got[to], strings.Join(said, ", "))
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go server.serve(l)
	defer func() { _ = l.Close() }()

	for _, fault := range []string{"after-edition:20", "after-edition:90", "after-edition:170", "after-page:1", "after-result:150"} {
		_, dead := c.start(fault)
		<-dead
	}
	cmd, dead := c.start("")
	var runs []web.DigestRun
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("as it stood: %+v", runs)
		}
	})
	c.until("the digest is with everybody", ample+time.Duration(people)*5*time.Millisecond, func() bool {
		runs, err = c.client.DigestRuns(t.Context(), "weekly", 5)
		if err != nil || len(runs) != 1 {
			return false
		}
		return runs[0].State == store.RunDone && runs[0].Late && runs[0].Counts[announce.Published] == runs[0].Letters
	})
	_ = cmd.Process.Kill()
	<-dead

	mu.Lock()
	defer mu.Unlock()
	wrong := 0
	for i := range people {
		var want []string
		for _, n := range made() {
			if hears(i, n) {
				want = append(want, weekTitle(n))
			}
		}
		mails := got[fmt.Sprintf("reader%d@d%d.example.org", i, i%40)]
		if len(want) == 0 && len(mails) == 0 || len(mails) == 1 && mails[0] == strings.Join(want, ", ") {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("reader %d got %q, not %q", i, mails, want)
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d people got something else than what was new to them", wrong, people)
	}
}
