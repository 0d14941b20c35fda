package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/web/client"
	"github.com/crieur/crieur/internal/world"
	"github.com/crieur/crieur/publishers/sim"
)

// child is a crieur process on simulated platforms that outlive it.
type child struct {
	home   func() // sends the volunteer home
	t      *testing.T
	binary string
	vars   map[string]string
	url    string
	client *client.Client
	token  string
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tail is the end of the log, where what went wrong is.
func (l *lockedBuffer) tail() string {
	log := l.String()
	return log[max(0, len(log)-6000):]
}

// ample is what a condition is waited for: only a broken program takes so long, not a busy machine.
const ample = 2 * time.Minute

// visitor is anybody on the web.
var visitor = &http.Client{Timeout: ample}

// newChild prepares a state directory with a token and a mailing list.
func newChild(t *testing.T, w *world.World, people int) *child {
	t.Helper()
	return newChildIn(t, w, people, shortDir(t))
}

// newChildIn is newChild in a given state directory.
func newChildIn(t *testing.T, w *world.World, people int, dir string) *child {
	t.Helper()
	binary, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, binary: binary, log: &lockedBuffer{}}
	address := freeAddress(t)
	c.url = "http://" + address
	c.vars = map[string]string{
		"CRIEUR_STATE": dir, "CRIEUR_LISTEN": address, "CRIEUR_UNDO": "0s", "CRIEUR_SETTLE_GAP": "200ms",
		"CRIEUR_CHANNELS": strings.Join(w.Accounts(), ","), "CRIEUR_LOG_FORMAT": "json", "CRIEUR_LOG_LEVEL": "debug",
	}
	if url := os.Getenv("CRIEUR_TEST_POSTGRES"); url != "" && strings.Contains(t.Name(), "Postgres") {
		c.vars["CRIEUR_DATABASE_URL"] = url
	}
	maps.Copy(c.vars, w.Environ())
	c.token = strings.TrimSpace(c.run("token", "create", "--name", "test", "--scope", "admin"))
	if people > 0 {
		args := []string{"subscribers", "add"}
		for i := range people {
			args = append(args, fmt.Sprintf("reader%d@example.org", i))
		}
		c.run(args...)
	}
	c.client = client.New(c.url, announce.NewSecret(c.token), &http.Transport{DisableKeepAlives: true})
	ctx, home := context.WithCancel(context.Background())
	left := make(chan struct{})
	go func() { defer close(left); volunteer(ctx, c.client, w) }()
	c.home = func() { home(); <-left }
	t.Cleanup(c.home)
	return c
}

// freeAddress is an address on which a server may listen again and again. Its port is below those that the system gives
// away, so that nobody takes it while the server is dead.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15_000+rand.IntN(15_000)))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// shortDir is a temporary directory whose path leaves room for a Unix socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "crieur")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// run executes a command in this process and returns what it printed.
func (c *child) run(args ...string) string {
	c.t.Helper()
	return c.runWith("", args...)
}

// runWith is run with something to read.
func (c *child) runWith(in string, args ...string) string {
	c.t.Helper()
	var out, err bytes.Buffer
	if code := run(context.Background(), args, environList(c.vars), streams{strings.NewReader(in), &out, &err}); code != 0 {
		c.t.Fatalf("crieur %s: exit %d\n%s%s", strings.Join(args, " "), code, out.String(), err.String())
	}
	return out.String()
}

func environList(vars map[string]string) []string {
	var list []string
	for k, v := range vars {
		list = append(list, k+"="+v)
	}
	return list
}

// start runs the server until it is killed or told to stop, and waits until it is ready. It may be dead already where a fault
// was to kill it.
func (c *child) start(fault string) (*exec.Cmd, chan error) {
	c.t.Helper()
	cmd := exec.Command(c.binary, "serve")
	cmd.Env = append(environList(c.vars), "FAULT="+fault)
	cmd.Stderr = c.log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = cmd.Process.Kill() }) // when the test ended before it
	dead := make(chan error, 1)
	go func() { dead <- cmd.Wait() }()
	c.until("the server is ready", ample, func() bool {
		select {
		case err := <-dead:
			dead <- err
			if killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled(); fault == "" || !killed {
				c.t.Fatalf("the server ended before it was ready: %v\n%s", err, c.log.tail())
			}
			return true
		default:
		}
		r, err := visitor.Get(c.url + "/readyz")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return cmd, dead
}

// until waits for a condition; the log of the server explains a failure.
func (c *child) until(what string, limit time.Duration, ok func() bool) {
	c.t.Helper()
	if !within(limit, ok) {
		c.t.Fatalf("not within %s: %s\n%s", limit, what, c.log.tail())
	}
}

// within waits for a condition and reports whether it came about.
func within(limit time.Duration, ok func() bool) bool {
	began := time.Now()
	for ; !ok(); time.Sleep(nextLook(began)) {
		if time.Since(began) > limit {
			return false
		}
	}
	return true
}

var numberOf = regexp.MustCompile(`n° (\d{4})`)

func numbered(n int) announce.Draft {
	title := fmt.Sprintf("Annonce n° %04d – l’été à l’île", n)
	return announce.Draft{Kind: announce.KindNews, Texts: map[announce.Language]announce.Text{"fr": {Title: title, Body: "Un texte avec des accents : é, à, ï et un emoji 🎉."}}, Link: fmt.Sprintf("https://example.org/%04d", n)}
}

func titled(posts []sim.Post, n int) []sim.Post {
	var out []sim.Post
	for _, p := range posts {
		if strings.Contains(plain(p.Subject+p.Text), fmt.Sprintf("n° %04d", n)) {
			out = append(out, p)
		}
	}
	return out
}

// TestKill kills the server at every named point and at random, and checks that every accepted announcement is
// everywhere exactly once. CRASH_LOOPS sets the number of kills.
func TestKill(t *testing.T) {
	t.Parallel()
	loops := 6
	if s := os.Getenv("CRASH_LOOPS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		loops = n
	} else if testing.Short() {
		loops = 2
	}
	w, err := world.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	unlimited(w)
	const people = 3
	c := newChild(t, w, people)
	ctx := context.Background()

	points := append(broadcast.Points(), "")
	accepted := map[int]announce.ID{}
	kills := 0
	for i := range loops {
		point := points[i%len(points)]
		fault := point
		if point != "" {
			fault = fmt.Sprintf("%s:%d", point, 1+rand.IntN(4))
		}
		cmd, dead := c.start(fault)
		for j := range 2 {
			n := 2*i + j
			a, _, err := c.client.Submit(ctx, numbered(n), fmt.Sprintf("key-%d", n))
			if err == nil {
				accepted[n] = a.ID
			}
		}
		after := time.Duration(rand.IntN(1500)) * time.Millisecond
		select {
		case <-dead:
		case <-time.After(after):
			_ = cmd.Process.Signal(syscall.SIGKILL)
			<-dead
		}
		kills++
	}
	cmd, dead := c.start("")
	total := 2 * loops
	for n := range total {
		a, _, err := c.client.Submit(ctx, numbered(n), fmt.Sprintf("key-%d", n))
		if err != nil {
			t.Fatalf("the key of announcement %d: %v", n, err)
		}
		if id, ok := accepted[n]; ok && id != a.ID {
			t.Errorf("announcement %d was accepted twice: %s and %s", n, id, a.ID)
		}
		accepted[n] = a.ID
	}
	lost, asked := 0, 0
	still, quiet := "", map[int]bool{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the last that was waited for:", still)
		}
	})
	c.until("everything is everywhere", ample+time.Duration(total)*3*time.Second, func() bool {
		for n, id := range accepted {
			if quiet[n] {
				continue
			}
			st, err := c.client.Status(ctx, id)
			if err != nil || !settled(st) {
				still = fmt.Sprintf("%v %+v", err, st)
				return false
			}
			if tell(ctx, t, c.client, w, st, n) {
				asked++
				continue
			}
			if slices.ContainsFunc(st.Deliveries, func(d broadcast.Row) bool { return d.Channel == "assisted" && d.State != announce.Published }) {
				still = fmt.Sprintf("%+v", st)
				return false // the volunteer is on their way
			}
			for _, d := range st.Deliveries {
				if d.State != announce.Published {
					t.Fatalf("%s of %s is %s: %s\n%s", d.Channel, id, d.State, d.Fault, c.log.String())
				}
			}
			for _, p := range st.People {
				if p.Planned != people || p.Counts[announce.Published]+p.Counts[announce.Unknown] != people {
					return false
				}
				lost += p.Counts[announce.Unknown]
			}
			quiet[n] = true
		}
		return len(quiet) == len(accepted)
	})
	for _, account := range public(w) {
		seen := map[int]int{}
		for _, p := range w.Platform(account).Posts() {
			if m := numberOf.FindStringSubmatch(plain(p.Subject + p.Text)); m != nil && !p.Deleted {
				n, _ := strconv.Atoi(m[1])
				seen[n]++
			}
		}
		for n := range total {
			if seen[n] != 1 {
				t.Errorf("announcement %d is %d times on %s", n, seen[n], account)
			}
		}
	}
	doubles := 0
	for n := range total {
		by := map[string][]sim.Post{}
		for _, p := range titled(w.Platform("email").Posts(), n) {
			by[p.To] = append(by[p.To], p)
		}
		if len(by) != people {
			t.Errorf("announcement %d reached %d of %d people", n, len(by), people)
		}
		for to, copies := range by {
			doubles += len(copies) - 1
			for _, p := range copies {
				if header(p.Raw, "Message-ID") != header(copies[0].Raw, "Message-ID") || header(p.Raw, "Date") != header(copies[0].Raw, "Date") {
					t.Errorf("copies for %s of announcement %d differ in Message-ID or Date", to, n)
				}
			}
		}
	}
	feed := c.get("/feeds/fr/atom.xml")
	for n := range total {
		if got := strings.Count(feed, fmt.Sprintf("<title>Annonce n° %04d", n)) + strings.Count(feed, fmt.Sprintf("<title type=\"text\">Annonce n° %04d", n)); got != 1 && total <= 50 {
			t.Errorf("announcement %d is %d times in the feed", n, got)
		}
	}
	if connections := 4; doubles > kills*connections || lost > kills*connections {
		t.Errorf("%d repeats and %d unknown mails after %d kills", doubles, lost, kills)
	}
	t.Logf("%d kills, %d announcements, %d mails sent twice with the same Message-ID and Date, %d mails unknown, %d announcements with a question for a person, nothing lost, nothing doubled on %d platforms", kills, total, doubles, lost, asked, len(public(w))+1)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-dead; err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, c.log.String())
	}
}

func (c *child) get(path string) string {
	c.t.Helper()
	r, err := visitor.Get(c.url + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		c.t.Fatal(err)
	}
	return b.String()
}

func header(raw, name string) string {
	for line := range strings.SplitSeq(strings.ReplaceAll(raw, "\r\n", "\n"), "\n") {
		if strings.HasPrefix(strings.ToLower(line), strings.ToLower(name)+":") {
			return line
		}
		if line == "" {
			break
		}
	}
	return ""
}
