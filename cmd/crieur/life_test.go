package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/world"
	"github.com/crieur/crieur/publishers/sim"
)

func newWorld(t *testing.T) *world.World {
	t.Helper()
	w, err := world.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	unlimited(w)
	return w
}

// submit accepts announcements from to to-1 and returns their IDs.
func (c *child) submit(from, to int) []announce.ID {
	c.t.Helper()
	var ids []announce.ID
	for n := from; n < to; n++ {
		a, _, err := c.client.Submit(context.Background(), numbered(n), fmt.Sprintf("key-%d", n))
		if err != nil {
			c.t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	return ids
}

// published waits until every announcement is on every channel, and checks that each is there once.
func (c *child) published(w *world.World, ids []announce.ID, from int) {
	c.t.Helper()
	c.until("everything is published", ample, func() bool {
		for i, id := range ids {
			st, err := c.client.Status(context.Background(), id)
			if err != nil || tell(context.Background(), c.t, c.client, w, st, from+i) || st.State != "published" || !settled(st) {
				return false
			}
		}
		return true
	})
	for n := from; n < from+len(ids); n++ {
		for _, account := range public(w) {
			if got := live(w, account, n); got != 1 {
				c.t.Errorf("announcement %d is %d times on %s", n, got, account)
			}
		}
	}
}

// SIGTERM under load ends the server in order: exit 0, and no call is left unknown when the platforms answer.
func TestTermUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 200)
	cmd, dead := c.start("")
	ids := c.submit(0, 6)
	began := time.Now()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-dead; err != nil {
		t.Fatalf("%v\n%s", err, c.log.String())
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	for _, id := range ids {
		var st broadcast.Status
		if err := json.Unmarshal([]byte(c.run("status", string(id), "--json")), &st); err != nil {
			t.Fatal(err)
		}
		for _, d := range st.Deliveries {
			if (d.State == announce.CallingNow || d.State == announce.Unknown) && d.Channel != "assisted" {
				t.Errorf("a call was left behind: %+v", d)
			}
		}
		for _, p := range st.People {
			if p.Counts[announce.CallingNow]+p.Counts[announce.Unknown] > 0 {
				t.Errorf("a mail was left behind: %+v", p)
			}
		}
	}
	cmd, dead = c.start("")
	c.published(w, ids, 0)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
	mails := map[string]int{}
	for _, p := range w.Platform("email").Posts() {
		mails[p.To+p.Subject]++
	}
	if len(mails) != 6*200 {
		t.Errorf("%d of %d mails", len(mails), 6*200)
	}
	for who, n := range mails {
		if n != 1 {
			t.Errorf("%s: %d copies", who, n)
		}
	}
}

// A stream of events does not keep the server from stopping, and a second server on the same state refuses to start.
func TestOneServerAndItsStreams(t *testing.T) {
	t.Parallel()
	c := newChild(t, newWorld(t), 0)
	cmd, dead := c.start("")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	stream, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("the stream answers %d", stream.StatusCode)
	}
	second := exec.Command(c.binary, "serve")
	second.Env = environList(c.vars)
	out, err := second.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), fmt.Sprint(cmd.Process.Pid)) {
		t.Errorf("a second server: %v\n%s", err, out)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if _, err := io.Copy(io.Discard, stream.Body); err != nil {
		t.Errorf("the stream was cut, not ended: %v", err)
	}
	if err := <-dead; err != nil {
		t.Errorf("stopping with an open stream: %v", err)
	}
}

// The queue can be wiped: what waits is in the record.
func TestQueueDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 3)
	for _, channel := range []string{"twitter", "slack"} {
		w.Platform(channel).Script().Push(sim.Fault{Kind: sim.Answer, Status: 429, Header: map[string]string{"Retry-After": "1", "x-rate-limit-reset": fmt.Sprint(time.Now().Unix() + 1)}, OnlyMethod: "POST"})
	}
	cmd, dead := c.start("")
	ids := c.submit(0, 5)
	_ = cmd.Process.Signal(syscall.SIGKILL)
	<-dead
	if err := os.RemoveAll(filepath.Join(c.vars["CRIEUR_STATE"], "nats")); err != nil {
		t.Fatal(err)
	}
	cmd, dead = c.start("")
	c.published(w, ids, 0)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
}

// A full disk refuses new announcements and loses none; when there is room again everything goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := shortDir(t)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted here (%v %s): not root?", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	c := newChildIn(t, w, 3, dir)
	cmd, dead := c.start("")
	ids := c.submit(0, 2)
	ballast := filepath.Join(dir, "ballast")
	fill := func() {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 1<<20)
		for err == nil {
			_, err = f.Write(block)
		}
		_ = f.Close()
	}
	fill()
	refused := 0
	for n := 2; n < 8; n++ {
		_, _, err := c.client.Submit(context.Background(), numbered(n), fmt.Sprintf("key-%d", n))
		if status(err, http.StatusInsufficientStorage) || status(err, http.StatusServiceUnavailable) {
			refused++
		} else {
			t.Errorf("announcement %d on a full disk: %v", n, err)
		}
	}
	all, err := c.client.List(context.Background(), "", 100)
	if err != nil || len(all) != 2 {
		t.Errorf("%d announcements are listed, %v", len(all), err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	c.until("announcements are accepted again", ample, func() bool {
		_, _, err := c.client.Submit(context.Background(), numbered(2), "key-2")
		return err == nil
	})
	ids = append(ids, c.submit(2, 6)...)
	c.published(w, ids, 0)
	t.Logf("%d refused while the disk was full, %d published after", refused, len(ids))
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-dead; err != nil {
		t.Errorf("%v\n%s", err, c.log.String())
	}
}

// Two servers share one Postgres: each announcement is published once, whoever accepted it and whoever dies.
func TestTwoServersOnPostgres(t *testing.T) {
	t.Parallel()
	if os.Getenv("CRIEUR_TEST_POSTGRES") == "" {
		t.Skip("CRIEUR_TEST_POSTGRES is not set: there is no Postgres to share")
	}
	w := newWorld(t)
	a := newChild(t, w, 20)
	b := newChild(t, w, 0)
	a.home() // one volunteer is enough
	aCmd, aDead := a.start("")
	bCmd, bDead := b.start("")
	ids := append(a.submit(9000, 9004), b.submit(9004, 9008)...)
	_ = aCmd.Process.Signal(syscall.SIGKILL)
	<-aDead
	aCmd, aDead = a.start("")
	b.published(w, ids, 9000)
	all := map[string]int{}
	for _, p := range w.Platform("email").Posts() {
		all[p.To+p.Subject]++
	}
	if len(all) != 8*20 {
		t.Errorf("%d of %d mails", len(all), 8*20)
	}
	for _, cmd := range []*exec.Cmd{aCmd, bCmd} {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	for name, dead := range map[string]chan error{"the first": aDead, "the second": bDead} {
		if err := <-dead; err != nil {
			t.Errorf("%s server: %v", name, err)
		}
	}
}

// A connection on which nobody asks anything, as browsers open them, does not turn an orderly end into a failure.
func TestIdleConnectionAndTheEnd(t *testing.T) {
	t.Parallel()
	c := newChild(t, newWorld(t), 0)
	cmd, dead := c.start("")
	idle, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-dead; err != nil {
		t.Errorf("%v\n%s", err, c.log.String())
	}
}

// What a platform refused to take costs nothing, and what would pass the budget waits.
func TestBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 0)
	c.vars["CRIEUR_TWITTER_BUDGET"], c.vars["CRIEUR_CHANNELS"] = "0.3", "twitter"
	for range 3 {
		w.Platform("twitter").Script().Push(sim.Fault{Kind: sim.Answer, Status: 429, Header: map[string]string{"x-rate-limit-reset": fmt.Sprint(time.Now().Unix())}, OnlyMethod: "POST"})
	}
	cmd, dead := c.start("")
	ids := c.submit(0, 2) // each costs 0.20 $, for its link
	c.until("one post is out and the other waits for money", ample, func() bool {
		out, held := 0, 0
		for _, id := range ids {
			st, err := c.client.Status(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if d := st.Deliveries[0]; d.State == announce.Published {
				out++
			} else if strings.Contains(d.Fault, "budget") {
				held++
			}
		}
		return out == 1 && held == 1
	})
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
}

// A channel that is not switched on any more does not keep an announcement going for ever: a person is told.
func TestChannelSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 0)
	cmd, dead := c.start("")
	ids := c.submit(0, 1)
	c.published(w, ids, 0)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
	c.home() // whoever takes the post down by hand would leave nothing to be told
	c.vars["CRIEUR_CHANNELS"] = "feed"
	cmd, dead = c.start("")
	if err := c.client.Retract(t.Context(), ids[0], 1); err != nil {
		t.Fatal(err)
	}
	c.until("the rest is left to a person", ample, func() bool {
		st, err := c.client.Status(t.Context(), ids[0])
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, d := range st.Deliveries {
			if d.Person && strings.Contains(d.Fault, "not switched on") {
				told++
			}
		}
		return told == len(public(w)) && st.State == "needs_attention" && settled(st)
	})
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
}

// A long mailing keeps nobody waiting: what is urgent goes out beside it.
func TestUrgentMailBesideALongOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const people = 6000
	c := newChild(t, w, 0)
	c.vars["CRIEUR_CHANNELS"] = "email"
	var list strings.Builder
	for i := range people {
		fmt.Fprintf(&list, "reader%d@example.org\n", i)
	}
	c.runWith(list.String(), "subscribers", "add", "-")
	cmd, dead := c.start("")
	mails := func(n int) int { return len(titled(w.Platform("email").Posts(), n)) }
	c.submit(0, 1)
	c.until("the long mailing has begun", ample, func() bool { return len(w.Platform("email").Posts()) > 20 })
	c.submit(1, 2)
	c.until("the urgent one begins", ample, func() bool { return mails(1) > 0 })
	if long := mails(0); long == people {
		t.Errorf("the urgent mail came after all %d of the long mailing", long)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-dead; err != nil {
		t.Errorf("SIGTERM in the middle of a mailing: %v", err)
	}
}
