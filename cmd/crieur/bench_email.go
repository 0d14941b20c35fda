package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

type benchEmailCmd struct {
	People      int           `default:"100000" help:"How many people are written to."`
	Connections int           `default:"64" help:"Connections to the mail server."`
	Postgres    string        `help:"URL of a Postgres to keep the record in; it is filled with made-up people. Default: SQLite in a temporary directory."`
	RTT         time.Duration `name:"rtt" help:"Round trip to the mail server, put in by a proxy."`
	Bytes       int           `default:"15000" help:"About how long a mail is."`
	Profile     string        `type:"path" help:"Write a CPU profile of the mailing to this file."`
	State       string        `type:"path" help:"Keep the state in this empty directory. Default: a temporary one."`
}

func (benchEmailCmd) Help() string {
	return "Writes to made-up people over SMTP, to a counting mail server that it starts as a second process, with a full record and the embedded defaults. " +
		"The floor is a writer of the same mails, ready-made, over as many connections to the same server, that sends the envelope in one group and keeps no record; " +
		"the floor in one piece sends envelope and mail with BDAT, as the mailing does; the bare floor sends the next envelope right behind each mail. Nothing leaves the machine.\n\n" +
		"Example:\n  crieur bench email --people 10000"
}

func (c benchEmailCmd) Run(ctx context.Context, s *session) (err error) {
	fmt.Fprintf(s.err, "%s, %d cores, Go %s, %d people\n", version(), runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"), c.People)
	dir := c.State
	if dir == "" {
		if dir, err = os.MkdirTemp("", "crieur-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	k, err := startSink(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	m, err := c.mail(ctx, s, dir, k)
	if err != nil {
		return err
	}
	// The floor is measured on the same number of mails, but not for minutes.
	n := min(c.People, 200_000)
	grouped, working, err := c.floor(ctx, k, m.sample, n, stepwise)
	if err != nil {
		return err
	}
	whole, least, err := c.floor(ctx, k, m.sample, n, atOnce)
	if err != nil {
		return err
	}
	bare, _, err := c.floor(ctx, k, m.sample, n, ahead)
	if err != nil {
		return err
	}
	per10k := func(cpu time.Duration, mails int) string {
		return fmt.Sprintf("%.2f", cpu.Seconds()/float64(mails)*1e4)
	}
	rate := float64(c.People) / m.took.Seconds()
	rows := [][]string{
		{"mails", fmt.Sprintf("%d of %.1f kB, %d repeats", m.mails, float64(len(m.sample))/1e3, m.repeats), ""},
		{"floor, mails per second", fmt.Sprintf("%.0f", grouped), ""},
		{"floor in one piece, mails per second", fmt.Sprintf("%.0f", whole), ""},
		{"bare floor, mails per second", fmt.Sprintf("%.0f", bare), ""},
		{"mails per second", fmt.Sprintf("%.0f", rate), "25,000"},
		{"share of the floor", fmt.Sprintf("%.0f %%", 100*rate/grouped), "60 %"},
		{"share of the floor in one piece", fmt.Sprintf("%.0f %%", 100*rate/whole), ""},
		{"CPU seconds per 10,000 mails, floor", per10k(working, n), ""},
		{"CPU seconds per 10,000 mails, floor in one piece", per10k(least, n), ""},
		{"CPU seconds per 10,000 mails", per10k(m.cpu, c.People), "0.45"},
		{"peak memory", fmt.Sprintf("%.0f MB", float64(m.rss)/1e6), "100 MB"},
		{"from 202 to the first mail", fmt.Sprintf("%.0f ms", ms(m.first)), "300 ms"},
		{"from 202 to the last mail", fmt.Sprintf("%.0f ms", ms(m.took)), ""},
		{"letters counted wrong", strconv.Itoa(m.wrong), "0"},
	}
	return s.table([]string{"MEASURED", "VALUE", "AIM"}, rows)
}

// measured is a mailing, seen from outside.
type measured struct {
	mails, repeats   int64
	first, took, cpu time.Duration
	rss              int64
	wrong            int
	sample           []byte
}

// mail announces to everybody and waits until every letter has an end.
func (c benchEmailCmd) mail(ctx context.Context, s *session, dir string, k *sinkProcess) (m measured, err error) {
	host, port, err := net.SplitHostPort(k.address)
	if err != nil {
		return m, err
	}
	if c.RTT > 0 {
		var stop func()
		if host, port, stop, err = delay(k.address, c.RTT); err != nil {
			return m, err
		}
		defer stop()
	}
	environ := map[string]string{
		"CRIEUR_STATE": filepath.Join(dir, "state"), "CRIEUR_CHANNELS": "email", "CRIEUR_PUBLIC_URL": "https://crieur.example.org", "CRIEUR_LOG_LEVEL": "warn",
		"CRIEUR_NAME": "Mesure", "CRIEUR_POSTAL_ADDRESS": "1, rue de la Mesure, Québec", "CRIEUR_DATABASE_URL": c.Postgres,
		"CRIEUR_EMAIL_HOST": host, "CRIEUR_EMAIL_PORT": port, "CRIEUR_EMAIL_TLS": "none", "CRIEUR_EMAIL_FROM": "Mesure <mesure@example.org>",
		"CRIEUR_EMAIL_CONNECTIONS": strconv.Itoa(c.Connections), "CRIEUR_EMAIL_PER_CONNECTION": "1000",
	}
	config, err := load(environ)
	if err != nil {
		return m, err
	}
	a, err := open(ctx, config, environ, logger(config, s.err), opening{work: true, point: func(string) {}})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	fmt.Fprintln(s.err, "  adding people")
	if err := addReaders(ctx, a.store, c.People); err != nil {
		return m, err
	}
	run, stop := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- a.service.Run(run) }()
	defer func() { stop(); err = errors.Join(err, <-over) }()
	fmt.Fprintln(s.err, "  mailing")
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return m, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return m, err
		}
		defer pprof.StopCPUProfile()
	}
	if _, err := a.service.Preview(ctx, c.draft()); err != nil { // a server that has run for a while
		return m, err
	}
	runtime.GC()
	before := processCPU()
	accepted, _, err := a.service.Submit(ctx, c.draft(), "bench", nil)
	if err != nil {
		return m, err
	}
	began := time.Now()
	for {
		m.rss = max(m.rss, residentMemory())
		n, err := a.store.Counts(ctx, accepted.ID, "email")
		if err != nil {
			return m, err
		}
		if n.By[announce.Published] == c.People {
			break
		}
		if n.Done && n.By[announce.FailedState]+n.By[announce.SkippedState] > 0 {
			return m, fmt.Errorf("not everybody was written to: %v", n.By)
		}
		select {
		case <-ctx.Done():
			return m, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	m.cpu = processCPU() - before
	told, err := k.order("count")
	if err != nil {
		return m, err
	}
	m.mails, m.repeats, m.sample = told.Mails, told.Repeats, told.Sample
	m.first, m.took = time.Unix(0, told.First).Sub(began), time.Unix(0, told.Last).Sub(began)
	if told.People != int64(c.People) {
		return m, fmt.Errorf("%d of %d people got a mail", told.People, c.People)
	}
	m.wrong, err = a.store.Recount(ctx, accepted.ID)
	return m, err
}

func addReaders(ctx context.Context, db *store.DB, n int) error {
	for from := 0; from < n; from += 5000 {
		page := make([]store.Address, min(5000, n-from))
		for i := range page {
			page[i] = store.Address{Channel: "email", Everything: true, Address: fmt.Sprintf("reader%07d@example.org", from+i), Name: fmt.Sprintf("Ada %d", from+i), Language: "fr"}
		}
		if _, err := db.AddAddresses(ctx, page, store.Deed{Act: store.Added, How: "bench", Basis: "express"}); err != nil {
			return err
		}
	}
	return nil
}

// draft is a message of about the size asked for: its text is there twice, plain and in HTML.
func (c benchEmailCmd) draft() announce.Draft {
	none := 0
	paragraph := "Une rencontre, des exposés, du café : venez comme vous êtes, avec vos questions. [Les détails](https://example.org/details) suivent.\n\n"
	return announce.Draft{
		Kind: announce.KindNews, Link: "https://example.org/1", UndoSeconds: &none,
		Texts: map[announce.Language]announce.Text{"fr": {Title: "Mesure", Body: strings.Repeat(paragraph, max(1, (c.Bytes-4500)/(2*len(paragraph)+140)))}},
	}
}

// startSink starts this program once more, as a counting mail server.
func startSink(ctx context.Context) (*sinkProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "bench", "sink")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	answers := bufio.NewReader(out)
	address, err := answers.ReadString('\n')
	k := &sinkProcess{address: strings.TrimSpace(address)}
	k.close = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	k.order = func(what string) (n counted, err error) {
		if _, err := fmt.Fprintln(in, what); err != nil {
			return n, err
		}
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return n, err
		}
		return n, json.Unmarshal(line, &n)
	}
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// delay is a proxy to an address that brings every byte half a round trip late.
func delay(to string, rtt time.Duration) (host, port string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", nil, err
	}
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				_ = a.Close()
				continue
			}
			go late(a, b, rtt/2)
			go late(b, a, rtt/2)
		}
	}()
	host, port, err = net.SplitHostPort(l.Addr().String())
	return host, port, func() { _ = l.Close() }, err
}

// late copies from one connection to another, everything d later.
func late(to, from net.Conn, d time.Duration) {
	type chunk struct {
		at    time.Time
		bytes []byte
	}
	way := make(chan chunk, 1024)
	go func() {
		defer func() { _ = to.Close() }()
		for c := range way {
			time.Sleep(time.Until(c.at))
			if _, err := to.Write(c.bytes); err != nil {
				_ = from.Close()
			}
		}
	}()
	defer close(way)
	for {
		b := make([]byte, 32<<10)
		n, err := from.Read(b)
		if n > 0 {
			way <- chunk{time.Now().Add(d), b[:n]}
		}
		if err != nil {
			return
		}
	}
}

// processCPU is the time that this process has worked; 0 where the system has no /proc.
func processCPU() time.Duration {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // a tick is 10 ms on every Linux (sysconf(3), _SC_CLK_TCK)
}

// residentMemory is what this process has in memory; 0 where the system has no /proc.
func residentMemory() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	pages, _ := strconv.ParseInt(f[min(1, len(f)-1)], 10, 64)
	return pages * int64(os.Getpagesize())
}
