package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crieur/crieur/internal/world"
)

const followSecret = "whsec_c2ltdWxhdGVkLXdlYmhvb2stcmVjZWl2ZXIh"

// follower is a community's own program that is told of the changes of subscribers.
type follower struct {
	mu    sync.Mutex
	hang  string // the first event of this type is not answered
	hung  chan struct{}
	over  chan struct{}
	ids   []string // of what came
	took  []string // types of what was answered, each once
	bad   []string
	known map[string]bool
}

func (f *follower) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(followSecret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(slices.Concat([]byte(id+"."+at+"."), body))
	var e struct{ Type string }
	err := json.Unmarshal(body, &e)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		f.bad = append(f.bad, r.Header.Get("webhook-signature")+string(body))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.ids = append(f.ids, id)
	if e.Type == f.hang {
		f.hang = ""
		close(f.hung)
		f.mu.Unlock()
		<-f.over
		f.mu.Lock()
		return
	}
	if !f.known[id] {
		f.known[id] = true
		f.took = append(f.took, e.Type)
	}
}

// Whoever follows the subscribers is told of every change, in order, although the server dies while it tells of one.
func TestFollowedThroughAKill(t *testing.T) {
	t.Parallel()
	w, err := world.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f := &follower{hang: "subscriber.removed", hung: make(chan struct{}), over: make(chan struct{}), known: map[string]bool{}}
	receiver := httptest.NewServer(f)
	defer receiver.Close()
	defer close(f.over)
	c := newChild(t, w, 0)
	c.vars["CRIEUR_SUBSCRIBER_WEBHOOK_URL"] = receiver.URL + "/hook?from=crieur"
	c.vars["CRIEUR_SUBSCRIBER_WEBHOOK_SECRET"] = followSecret
	c.vars["CRIEUR_SUBSCRIBER_WEBHOOK_ALLOW_PRIVATE"] = "true"
	cmd, dead := c.start("")
	c.until("it follows", ample, func() bool { return strings.Contains(c.log.String(), "whoever follows them") })
	took := func(n int) func() bool {
		return func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.took) >= n
		}
	}
	c.run("subscribers", "add", "ada@example.org", "bob@example.org")
	c.until("the server has told of them", ample, took(1))
	c.run("subscribers", "remove", "ada@example.org")
	<-f.hung
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-dead
	c.run("subscribers", "change", "bob@example.org", "--name", "Bob")
	c.run("subscribers", "erase", "bob@example.org")
	cmd, dead = c.start("")
	c.until("the rest was told", ample, took(4))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-dead
	want := []string{"subscribers.added", "subscriber.removed", "subscriber.changed", "subscriber.erased"}
	if !slices.Equal(f.took, want) || len(f.bad) > 0 {
		t.Errorf("it was told %q; not signed: %q", f.took, f.bad)
	}
	if len(f.ids) != 5 || f.ids[1] != f.ids[2] {
		t.Errorf("IDs %q: that of the event that was cut is not the same when it is told again", f.ids)
	}
}

// A receiver that cannot be one is named before the server starts, and its secret is not.
func TestFollowedWrongly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, secret string }{
		"SECRET": {"https://example.org/hook", "whsec_short"}, "URL": {"http://example.org/hook", followSecret}, "URL: is required": {"", followSecret},
	} {
		var out bytes.Buffer
		code := run(context.Background(), []string{"subscribers", "list"}, []string{
			"CRIEUR_STATE=" + shortDir(t), "CRIEUR_SUBSCRIBER_WEBHOOK_URL=" + c.url, "CRIEUR_SUBSCRIBER_WEBHOOK_SECRET=" + c.secret,
		}, streams{strings.NewReader(""), &out, &out})
		if code != exitInput || !strings.Contains(out.String(), "CRIEUR_SUBSCRIBER_WEBHOOK_"+name) || strings.Contains(out.String(), c.secret) {
			t.Errorf("%s: exit %d, %s", name, code, out.String())
		}
	}
}
