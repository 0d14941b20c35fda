package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/internal/web/client"
	"github.com/crieur/crieur/internal/world"
	"github.com/crieur/crieur/publishers/sim"
)

// startDemo runs the demo's server until the test ends.
func startDemo(t *testing.T) *demoServer {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	d, err := demo(ctx, "127.0.0.1:0", io.Discard)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := d.close(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return d
}

// settle waits until nothing more happens by itself to an announcement.
func (d *demoServer) settle(t *testing.T, id announce.ID) broadcast.Status {
	t.Helper()
	return d.settleWithin(t, id, ample)
}

func (d *demoServer) settleWithin(t *testing.T, id announce.ID, limit time.Duration) broadcast.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	st, err := d.everywhere(ctx, id, func(string, string, string) {})
	if err != nil {
		t.Fatalf("%v: %+v", err, st)
	}
	return st
}

func (d *demoServer) find(t *testing.T, st broadcast.Status, channel string) broadcast.Row {
	t.Helper()
	for _, r := range st.Deliveries {
		if r.Channel == channel {
			return r
		}
	}
	t.Fatalf("no delivery on %s: %+v", channel, st)
	return broadcast.Row{}
}

// raw makes a request as a program of any language would.
func (d *demoServer) raw(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestDemoOnce(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"demo", "--once", "--timeout", "5m"}, nil, streams{strings.NewReader(""), &out, &errs}); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out.String(), errs.String())
	}
	for _, want := range []string{"202 accepted", "feed", "email", "slack", "twitter", "3 people, 3 published"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b[") {
		t.Error("colours without a terminal")
	}
}

func TestAmendAndRetractEverywhere(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	draft := world.Sample(time.Now())
	a, _, err := d.Submit(ctx, draft, "")
	if err != nil {
		t.Fatal(err)
	}
	st := d.settle(t, a.ID)
	if st.State != broadcast.Published {
		t.Fatalf("%+v", st)
	}
	moved := st.Announcement
	moved.Event.Venue.Name = "Pacini Alma"
	if _, err := d.Amend(ctx, a.ID, 7, moved); !status(err, http.StatusPreconditionFailed) {
		t.Errorf("a stale amendment: %v", err)
	}
	if _, err := d.Amend(ctx, a.ID, 1, moved); err != nil {
		t.Fatal(err)
	}
	st = d.settle(t, a.ID)
	if r := d.find(t, st, "slack"); r.Rev != 2 {
		t.Errorf("slack shows revision %d: %s", r.Rev, r.Fault)
	}
	live := slices.DeleteFunc(d.world.Platform("slack").Posts(), func(p sim.Post) bool { return p.Deleted })
	if len(live) != 1 || live[0].Edited != 1 || !strings.Contains(live[0].HTML, "Pacini Alma") {
		t.Errorf("slack: %+v", live)
	}
	posts := d.world.Platform("twitter").Posts()
	if r := d.find(t, st, "twitter"); r.Rev != 2 || len(posts) != 2 || !posts[0].Deleted || posts[1].Deleted || !strings.Contains(posts[1].Text, "Pacini Alma") {
		t.Errorf("X, which cannot be edited, was not published anew: %+v %+v", r, posts)
	}
	if st.State != broadcast.Published || len(st.Followers) != 1 || st.Followers[0].Kind != announce.KindChange {
		t.Errorf("state %s, followed by %+v", st.State, st.Followers)
	}
	for id, want := range map[announce.ID]string{
		a.ID: fmt.Sprintf("What cannot be changed is told by %s (change)", st.Followers[0].ID), st.Followers[0].ID: fmt.Sprintf("It tells those who know of it what changed of %s.", a.ID),
	} {
		var out, errs strings.Builder
		if code := run(ctx, []string{"status", string(id)}, []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}, streams{strings.NewReader(""), &out, &errs}); code != exitDone || !strings.Contains(out.String(), want) {
			t.Errorf("exit %d: %q is not in\n%s%s", code, want, out.String(), errs.String())
		}
	}
	if _, body := d.raw(t, "GET", "/feeds/fr/atom.xml", ""); !strings.Contains(body, "Pacini Alma") {
		t.Error("the feed has the old place")
	}
	if err := d.Retract(ctx, a.ID, 2); err != nil {
		t.Fatal(err)
	}
	st = d.settle(t, a.ID)
	for _, channel := range []string{"slack", "twitter", "feed"} {
		if r := d.find(t, st, channel); r.State != announce.Retracted {
			t.Errorf("%s is %s: %s", channel, r.State, r.Fault)
		}
	}
	for _, channel := range []string{"slack", "twitter"} {
		for _, p := range d.world.Platform(channel).Posts() {
			if !p.Deleted {
				t.Errorf("still on %s: %s", channel, p.Text)
			}
		}
	}
	if r, _ := d.raw(t, "GET", "/a/"+string(a.ID), ""); r.StatusCode != http.StatusGone {
		t.Errorf("the entry's page answers %d", r.StatusCode)
	}
	if _, err := d.Cancel(ctx, a.ID, nil); !status(err, http.StatusConflict) || !strings.Contains(err.Error(), "a new announcement: of the kind cancellation") {
		t.Errorf("calling off what was taken back: %v", err)
	}
}

func status(err error, code int) bool {
	p, ok := err.(*client.Problem)
	return ok && p.Status == code
}

func TestFiftyAtOnceAreOne(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	body, err := json.Marshal(numbered(1))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ids := map[string]bool{}
	codes, first := map[int]int{}, 0
	var g sync.WaitGroup
	for range 50 {
		g.Go(func() {
			r, answer := d.raw(t, "POST", "/v1/announcements", string(body), "Idempotency-Key", "once")
			mu.Lock()
			defer mu.Unlock()
			codes[r.StatusCode]++
			if r.StatusCode == http.StatusAccepted {
				ids[answer] = true
				if r.Header.Get("Idempotency-Replayed") != "true" {
					first++
				}
			}
		})
	}
	g.Wait()
	if len(ids) != 1 || codes[202]+codes[409] != 50 || first != 1 {
		t.Errorf("answers %v, codes %v, %d of them not replayed", ids, codes, first)
	}
	all, err := d.List(context.Background(), "", 100)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d announcements, %v", len(all), err)
	}
	if r, _ := d.raw(t, "POST", "/v1/announcements", strings.Replace(string(body), "Annonce", "Autre", 1), "Idempotency-Key", "once"); r.StatusCode != 422 {
		t.Errorf("another body under the same key: %d", r.StatusCode)
	}
	other := strings.Replace(string(body), "0001", "0002", 1)
	_, one := d.raw(t, "POST", "/v1/announcements", other)
	r, second := d.raw(t, "POST", "/v1/announcements", other)
	if one != second || r.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the same body without a key: %s and %s", one, second)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	event := `{"kind":"event","texts":{"fr":{"title":"Soirée"}},"event":{"starts_at":"2031-03-14T18:30"%s}%s}`
	long := strings.TrimSpace(strings.Repeat("mot ", 74))
	for _, c := range []struct {
		name, body string
		code       int
		field      string
	}{
		{"invalid JSON", `{"kind":`, 400, ""},
		{"unknown field", `{"kind":"news","texts":{"fr":{"title":"x"}},"colour":"red"}`, 422, "body.colour"},
		{"missing alt text", fmt.Sprintf(event, "", `,"images":[{"url":"https://example.org/a.png","alt":{}}]`), 422, "body.images[0].alt.fr"},
		{"title too long for a channel", `{"kind":"news","texts":{"fr":{"title":"` + long + `"}}}`, 422, "body.texts.fr.title"},
		{"end before start", fmt.Sprintf(event, `,"ends_at":"2031-03-14T18:00"`, ""), 422, "body.event.ends_at"},
		{"unknown zone", fmt.Sprintf(event, "", `,"time_zone":"America/Chicoutimi"`), 422, "body.time_zone"},
		{"unknown channel", fmt.Sprintf(event, "", `,"channels":["fax"]`), 422, "body.channels[0]"},
		{"event in the past", strings.Replace(fmt.Sprintf(event, "", ""), "2031", "2021", 1), 422, "body.event.starts_at"},
		{"past event of a change", strings.NewReplacer("2031", "2021", `"kind":"event"`, `"kind":"change"`).Replace(fmt.Sprintf(event, "", "")), 422, "body.event.starts_at"},
		{"control characters", `{"kind":"news","texts":{"fr":{"title":"a\u0007b"}}}`, 422, "body.texts.fr.title"},
		{"header injection", `{"kind":"news","texts":{"fr":{"title":"x\r\nBcc: victim@example.org"}}}`, 422, "body.texts.fr.title"},
		{"header injection in a speaker's name", fmt.Sprintf(event, `,"talks":[{"title":"t","speakers":[{"name":"a\r\nTo: b@example.org"}]}]`, ""), 422, "body.event.talks[0].speakers[0].name"},
		{"ten megabytes", `{"kind":"news","texts":{"fr":{"title":"x","body":"` + strings.Repeat("a", 10<<20) + `"}}}`, 413, ""},
		{"no text", `{"kind":"news","texts":{}}`, 422, "body.texts"},
		{"wrong type", `{"kind":"news","texts":{"fr":{"title":7}}}`, 422, "body.texts.fr.title"},
		{"unknown kind", `{"kind":"party","texts":{"fr":{"title":"x"}}}`, 422, "body.kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, body := d.raw(t, "POST", "/v1/announcements", c.body)
			if r.StatusCode != c.code || r.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s\n%.600s", r.StatusCode, r.Header.Get("Content-Type"), body)
			}
			if c.field != "" && !strings.Contains(body, `"location":"`+c.field+`"`) {
				t.Errorf("the field %s is not named:\n%s", c.field, body)
			}
		})
	}
	all, err := d.List(context.Background(), "", 10)
	if err != nil || len(all) != 0 {
		t.Errorf("%d stored, %v", len(all), err)
	}
	for _, c := range []struct {
		method, path, token string
		code                int
	}{
		{"GET", "/v1/announcements/nothing", d.token, 404}, {"GET", "/v1/channels", "wrong", 401}, {"GET", "/v1/channels", "", 401},
		{"DELETE", "/v1/announcements/nothing", d.token, 428}, {"GET", "/v1/nothing", d.token, 404}, {"PATCH", "/v1/announcements", d.token, 405},
	} {
		if r, body := d.raw(t, c.method, c.path, "", "Authorization", "Bearer "+c.token); r.StatusCode != c.code || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d, want %d\n%s", c.method, c.path, r.StatusCode, c.code, body)
		}
	}
}

// What is wrong with the form of the wall names the field and leads to it.
func TestWallNamesTheField(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	r, page := d.raw(t, "POST", "/wall", "title=&body=x", "Content-Type", "application/x-www-form-urlencoded")
	if r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, `<a href="#title">title</a>: is required`) {
		t.Errorf("%d %.600s", r.StatusCode, page)
	}
}

// Many clients read the answer only after they have sent everything: they too are told that it was too much.
func TestTooMuchIsToldAfterItWasSent(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const size = 20 << 20
	_, err = fmt.Fprintf(conn, "POST /v1/announcements HTTP/1.1\r\nHost: crieur\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat(" ", size))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusRequestEntityTooLarge || r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Content-Type"))
	}
}

// After a platform accepted a post and cut the connection, there is exactly one post in the end.
func TestAcceptedThenCut(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for channel, path := range map[string]string{"slack": "chat.postMessage", "twitter": "/2/tweets"} {
		d.world.Platform(channel).Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyMethod: "POST", OnlyPath: path})
	}
	a, _, err := d.Submit(context.Background(), numbered(7), "")
	if err != nil {
		t.Fatal(err)
	}
	st := d.settle(t, a.ID)
	for _, channel := range []string{"slack", "twitter"} {
		if r := d.find(t, st, channel); r.State != announce.Published {
			t.Errorf("%s is %s: %s", channel, r.State, r.Fault)
		}
		if n := len(titled(d.world.Platform(channel).Posts(), 7)); n != 1 {
			t.Errorf("%d posts on %s", n, channel)
		}
		if left := d.world.Platform(channel).Script().Left(); left != 0 {
			t.Errorf("%s: the fault was not played", channel)
		}
	}
}

func TestStopFreezesEverything(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	a, _, err := d.Submit(ctx, numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	left, err := d.Stop(ctx, "an exercise")
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != len(public(d.world))+2 { // and the feed, and the mail
		t.Errorf("what left: %+v", left)
	}
	b, _, err := d.Submit(ctx, numbered(2), "")
	if err != nil {
		t.Fatal(err)
	}
	r, metrics := d.raw(t, "GET", "/metrics", "")
	if r.StatusCode != 200 || !strings.Contains(metrics, `crieur_account_stopped{account=""} 1`) {
		t.Error("the stop is not in the metrics")
	}
	deadline := time.Now().Add(700 * time.Millisecond)
	for time.Now().Before(deadline) {
		st, err := d.Status(ctx, b.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range st.Deliveries {
			if r.State != announce.Waiting {
				t.Fatalf("%s is %s during a stop", r.Channel, r.State)
			}
		}
	}
	if err := d.Resume(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if st := d.settle(t, b.ID); st.State != broadcast.Published {
		t.Errorf("after the stop: %+v", st)
	}
}

// Whoever waits for an announcement is told at once that all publishing is stopped.
func TestWaitingEndsAtAStop(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := d.Stop(ctx, "an exercise"); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	vars := []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}
	file := `{"kind":"news","texts":{"fr":{"title":"Bonjour"}}}`
	code := run(ctx, []string{"announce", "-", "--wait"}, vars, streams{strings.NewReader(file), &out, &errs})
	if code != exitFailed || !strings.Contains(out.String(), "crieur resume") || ctx.Err() != nil {
		t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
	}
}

// A channel with a dead token stops alone, keeps what waits, and goes on after a resume.
func TestDeadTokenStopsOneChannel(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	d.world.Platform("slack").Script().Push(sim.Fault{Kind: sim.Answer, Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"ok":false,"error":"token_revoked"}`, OnlyPath: "chat.postMessage"})
	a, _, err := d.Submit(ctx, numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	st := d.settle(t, a.ID)
	if r := d.find(t, st, "slack"); r.State != announce.Waiting || !r.Person || r.Fault == "" {
		t.Errorf("slack: %+v", r)
	}
	if r := d.find(t, st, "twitter"); r.State != announce.Published {
		t.Errorf("twitter: %+v", r)
	}
	if err := d.Resume(ctx, "slack"); err != nil {
		t.Fatal(err)
	}
	st = d.settle(t, a.ID)
	if r := d.find(t, st, "slack"); r.State != announce.Published {
		t.Errorf("slack after the resume: %+v", r)
	}
	if n := len(d.world.Platform("slack").Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

func TestRateLimitHonoured(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.world.Platform("slack").Script().Push(sim.Fault{Kind: sim.Answer, Status: 429, Header: map[string]string{"Retry-After": "1"}, OnlyPath: "chat.postMessage"})
	began := time.Now()
	a, _, err := d.Submit(context.Background(), numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	st := d.settle(t, a.ID)
	r := d.find(t, st, "slack")
	if r.State != announce.Published || r.Receipt.At.Sub(began) < time.Second {
		t.Errorf("%+v after %s", r, r.Receipt.At.Sub(began))
	}
}

// Undo: nothing leaves before the time to take it back is over, and what was taken back never leaves.
func TestUndo(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	draft := numbered(1)
	hour := 3600
	draft.UndoSeconds = &hour
	a, _, err := d.Submit(ctx, draft, "")
	if err != nil {
		t.Fatal(err)
	}
	st, err := d.Status(ctx, a.ID)
	if err != nil || st.State != broadcast.Scheduled {
		t.Fatalf("%s, %v", st.State, err)
	}
	if err := d.Retract(ctx, a.ID, 1); err != nil {
		t.Fatal(err)
	}
	if st = d.settle(t, a.ID); st.State != broadcast.Retracted {
		t.Errorf("%+v", st)
	}
	for _, channel := range []string{"slack", "twitter", "email"} {
		if n := len(d.world.Platform(channel).Posts()); n != 0 {
			t.Errorf("%d posts on %s", n, channel)
		}
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	a, _, err := d.Submit(ctx, numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	mail := d.world.Platform("email").Posts()[0]
	link := strings.Trim(strings.TrimPrefix(strings.SplitN(unfold(mail.Raw, "List-Unsubscribe"), ",", 2)[0], "List-Unsubscribe: "), "<> \r\n")
	path := strings.TrimPrefix(link, d.url)
	if !strings.HasPrefix(path, "/unsubscribe/") {
		t.Fatalf("link %q", link)
	}
	for range 3 { // scanners follow links
		if r, body := d.raw(t, "GET", path, "", "Authorization", ""); r.StatusCode != 200 || !strings.Contains(body, `method="post"`) {
			t.Fatalf("%d %s", r.StatusCode, body)
		}
	}
	if page, err := d.Subscribers(ctx, web.SubscriberFilter{}, "", 10); err != nil || len(page.Subscribers) != 3 {
		t.Fatalf("%d people, %v", len(page.Subscribers), err)
	}
	for range 2 {
		if r, _ := d.raw(t, "POST", path, "List-Unsubscribe=One-Click", "Authorization", "", "Content-Type", "application/x-www-form-urlencoded"); r.StatusCode != 200 {
			t.Fatalf("one-click: %d", r.StatusCode)
		}
	}
	b, _, err := d.Submit(ctx, numbered(2), "")
	if err != nil {
		t.Fatal(err)
	}
	if st := d.settle(t, b.ID); st.People[0].Planned != 2 {
		t.Errorf("planned %d", st.People[0].Planned)
	}
	for _, p := range titled(d.world.Platform("email").Posts(), 2) {
		if p.To == mail.To {
			t.Error("mail after the unsubscribe was answered")
		}
	}
}

// unfold returns a header line with its continuation lines.
func unfold(raw, name string) string {
	var out string
	for line := range strings.SplitSeq(strings.ReplaceAll(raw, "\r\n", "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, name+":"):
			out = line
		case out != "" && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")):
			out += line
		case out != "":
			return out
		}
	}
	return out
}

// A platform that answers nobody delays no other: everything else is out while it is still being called.
func TestSlowPlatformDelaysNobody(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	d.world.Platform("mastodon").Script().Push(sim.Fault{Kind: sim.Hang, OnlyMethod: "POST", OnlyPath: "/statuses"})
	a, _, err := d.Submit(ctx, numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; <-time.After(nextLook(began)) {
		st, err := d.Status(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		others, hangs := 0, false
		for _, r := range st.Deliveries {
			switch {
			case r.Channel == "mastodon":
				hangs = r.State == announce.CallingNow
			case r.State == announce.Published:
				others++
			}
		}
		if hangs && others == len(st.Deliveries)-1 && st.People[0].Counts[announce.Published] == st.People[0].Planned {
			break
		}
		if time.Since(began) > ample {
			t.Fatalf("mastodon hangs: %v, %d others are out: %+v", hangs, others, st)
		}
	}
	d.world.Platform("mastodon").Script().Release()
	if st := d.settle(t, a.ID); st.State != broadcast.Published || live(d.world, "mastodon", 1) != 1 {
		t.Errorf("%+v", st)
	}
}
