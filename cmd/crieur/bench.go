package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

type benchCmd struct {
	All    benchAllCmd    `cmd:"" default:"withargs" help:"Acceptance, the way to every platform, memory and starting."`
	Email  benchEmailCmd  `cmd:"" help:"A mailing over SMTP, beside the least that it could take."`
	Import benchImportCmd `cmd:"" help:"A long list taken in."`
	Digest benchDigestCmd `cmd:"" help:"A digest for many people with different interests."`
	Sink   sinkCmd        `cmd:"" hidden:""`
}

func (benchCmd) Help() string {
	return "Example:\n  crieur bench email --people 10000"
}

type benchAllCmd struct {
	Accept     int `default:"2000" help:"Announcements to accept, to measure acceptance."`
	Everywhere int `default:"30" help:"Announcements to carry to every simulated platform, one after another."`
	Rows       int `default:"100000" help:"Deliveries in the database whose start is measured."`
}

func (benchAllCmd) Help() string {
	return "Measures this machine with the embedded defaults: durable acceptance, the way to every simulated platform, memory at rest, and starting. " +
		"Nothing leaves the machine.\n\n" +
		"Example:\n  crieur bench all"
}

// Validate is called by the parser.
func (c benchAllCmd) Validate() error {
	if c.Accept < 1 || c.Everywhere < 1 || c.Rows < 1 {
		return errors.New("--accept, --everywhere and --rows must be 1 or more")
	}
	return nil
}

func (c benchAllCmd) Run(ctx context.Context, s *session) error {
	fmt.Fprintf(s.err, "%s, %d cores, Go %s\n", version(), runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"))
	var rows [][]string
	add := func(what, value, aim string) {
		rows = append(rows, []string{what, value, aim})
		fmt.Fprintf(s.err, "  %s: %s\n", what, value)
	}
	if err := c.everywhere(ctx, s, add); err != nil {
		return err
	}
	if err := c.accept(ctx, s, add); err != nil {
		return err
	}
	if err := c.starts(ctx, add); err != nil {
		return err
	}
	fmt.Fprintln(s.err)
	return s.table([]string{"MEASURED", "VALUE", "AIM"}, rows)
}

// everywhere measures the time from the 202 to the last of the simulated platforms.
func (c benchAllCmd) everywhere(ctx context.Context, s *session, add func(string, string, string)) error {
	ctx, stop := context.WithCancel(ctx)
	d, err := demo(ctx, "127.0.0.1:0", s.err)
	if err != nil {
		stop()
		return err
	}
	defer func() { stop(); _ = d.close() }()
	var took, accept []time.Duration
	for i := range c.Everywhere {
		began := time.Now()
		a, _, err := d.Submit(ctx, benchDraft(i), "")
		if err != nil {
			return err
		}
		accepted := time.Now()
		last := accepted
		st, err := d.everywhere(ctx, a.ID, func(string, string, string) {})
		if err != nil {
			return err
		}
		for _, r := range st.Deliveries {
			if r.State != announce.Published {
				return fmt.Errorf("%s is %s: %s", r.Channel, r.State, r.Fault)
			}
			if r.Receipt.At.After(last) {
				last = r.Receipt.At
			}
		}
		if now := time.Now(); len(st.People) > 0 && now.After(last) {
			last = now // people are counted, not timed one by one: the moment they were seen to be done
		}
		accept = append(accept, accepted.Sub(began))
		took = append(took, last.Sub(accepted))
		select { // the platforms allow one post a second
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(1100 * time.Millisecond))):
		}
	}
	add("202, one at a time, p50 / p99", quantiles(accept), "p99 under 25 ms")
	add("from 202 to everywhere, p50 / p99", quantiles(took), "p99 under 250 ms")
	return nil
}

// accept measures how many announcements are accepted durably, from 8 callers at once. They are scheduled far ahead,
// so that nothing is published meanwhile.
func (c benchAllCmd) accept(ctx context.Context, s *session, add func(string, string, string)) error {
	ctx, stop := context.WithCancel(ctx)
	d, err := demo(ctx, "127.0.0.1:0", s.err)
	if err != nil {
		stop()
		return err
	}
	defer func() { stop(); _ = d.close() }()
	const callers = 8
	var mu sync.Mutex
	var took []time.Duration
	var next atomic.Int64
	var failed error
	var g sync.WaitGroup
	began := time.Now()
	for range callers {
		g.Go(func() {
			for i := next.Add(1); i <= int64(c.Accept); i = next.Add(1) {
				draft := benchDraft(int(i))
				draft.PublishAt = time.Now().AddDate(1, 0, 0).Format("2006-01-02T15:04")
				t := time.Now()
				_, _, err := d.Submit(ctx, draft, "bench-"+strconv.FormatInt(i, 10))
				mu.Lock()
				took = append(took, time.Since(t))
				failed = errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	g.Wait()
	if failed != nil {
		return failed
	}
	add(fmt.Sprintf("accepted per second, durable, %d callers", callers), fmt.Sprintf("%.0f", float64(c.Accept)/time.Since(began).Seconds()), "")
	add("202 under that load, p50 / p99", quantiles(took), "p99 under 25 ms")
	return nil
}

// starts measures a server process of its own: the time until it is ready, and its memory at rest.
func (c benchAllCmd) starts(ctx context.Context, add func(string, string, string)) error {
	dir, err := os.MkdirTemp("", "crieur-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	empty, rss, err := startOnce(ctx, filepath.Join(dir, "empty"))
	if err != nil {
		return err
	}
	add("start, empty database", fmt.Sprintf("%.0f ms", ms(empty)), "under 300 ms")
	add("memory at rest", fmt.Sprintf("%.0f MB", float64(rss)/1e6), "under 60 MB")
	full := filepath.Join(dir, "full")
	if err := fill(ctx, full, c.Rows); err != nil {
		return err
	}
	took, rss, err := startOnce(ctx, full)
	if err != nil {
		return err
	}
	add(fmt.Sprintf("start, %d deliveries", c.Rows), fmt.Sprintf("%.0f ms", ms(took)), "under 300 ms")
	add(fmt.Sprintf("memory at rest, %d deliveries", c.Rows), fmt.Sprintf("%.0f MB", float64(rss)/1e6), "under 60 MB")
	return nil
}

// startOnce runs a server process on dir until it is ready and has come to rest.
func startOnce(ctx context.Context, dir string) (took time.Duration, rss int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	var log strings.Builder
	cmd := exec.CommandContext(ctx, self, "serve")
	cmd.Env = []string{"CRIEUR_STATE=" + dir, "CRIEUR_LISTEN=127.0.0.1:0", "CRIEUR_CHANNELS=feed"} // it is asked on its socket: no port can be taken
	cmd.Stderr = &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if end := <-ended; err != nil || end != nil {
			err = errors.Join(err, end, errors.New(log.String()))
		}
	}()
	var dialer net.Dialer
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", filepath.Join(dir, socketName))
	}}}
	for {
		r, err := client.Get("http://crieur/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				break
			}
		}
		if waited := time.Since(began); waited > 2*time.Minute {
			return 0, 0, fmt.Errorf("the server did not get ready within %s", waited.Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case end := <-ended:
			ended <- end
			return 0, 0, errors.New("the server ended before it was ready")
		case <-time.After(time.Millisecond):
		}
	}
	took = time.Since(began)
	time.Sleep(2 * time.Second) // at rest: the first sweeps are over
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return took, 0, nil // memory is read where the system has /proc
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			rss = kb * 1024
		}
	}
	return took, rss, nil
}

// fill makes a record with so many deliveries that wait for next year.
func fill(ctx context.Context, dir string, rows int) (err error) {
	db, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for n := 0; n < rows; n += 1000 {
		page := make([]store.Address, min(1000, rows-n))
		for i := range page {
			page[i] = store.Address{Channel: "email", Everything: true, Address: fmt.Sprintf("reader%d@example.org", n+i)}
		}
		if _, err := db.AddAddresses(ctx, page, store.Deed{Act: store.Added, How: "bench", Basis: "express"}); err != nil {
			return err
		}
	}
	now := db.Now()
	a := announce.Announcement{ID: announce.NewID(now), Rev: 1, Kind: announce.KindNews, Default: "fr", Texts: benchDraft(0).Texts, Zone: "UTC", Created: now, Updated: now}
	sub := store.Submission{
		Announcement: a, Payloads: []store.Payload{{Account: "email", Language: "fr", Message: announce.Message{Text: "x"}}},
		Plans: []store.Plan{{Account: "email", First: now, Next: now}},
	}
	if _, _, err := db.Save(ctx, sub); err != nil {
		return err
	}
	for {
		done, _, err := db.Plan(ctx, 1000)
		if done || err != nil {
			return err
		}
	}
}

func benchDraft(i int) announce.Draft {
	return announce.Draft{
		Kind: announce.KindNews, Link: fmt.Sprintf("https://example.org/%d", i),
		Texts: map[announce.Language]announce.Text{
			"fr": {Title: fmt.Sprintf("Mesure n° %d", i), Body: strings.Repeat("Une phrase de mesure, avec ses accents. ", 20)},
			"en": {Title: fmt.Sprintf("Measurement %d", i), Body: strings.Repeat("One sentence of measurement. ", 20)},
		},
	}
}

func quantiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(q float64) float64 { return ms(d[min(len(d)-1, int(q*float64(len(d))))]) }
	return fmt.Sprintf("%.1f / %.1f ms", at(.5), at(.99))
}
