package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/people/list"
	"github.com/crieur/crieur/internal/store"
)

type benchImportCmd struct {
	Lines    int    `default:"1000000" help:"Lines of the list."`
	Postgres string `help:"URL of a Postgres to keep the record in; it is filled with made-up people. Default: SQLite in a temporary directory."`
	Profile  string `type:"path" help:"Write a CPU profile of the import to this file."`
}

func (benchImportCmd) Help() string {
	return "Imports a list of made-up people, as Mailchimp exports it, in no order, then the same list again. Nothing leaves the machine.\n\n" +
		"Example:\n  crieur bench import --lines 100000"
}

// Validate is called by the parser.
func (c benchImportCmd) Validate() error {
	if c.Lines < 1 {
		return errors.New("--lines must be 1 or more")
	}
	return nil
}

func (c benchImportCmd) Run(ctx context.Context, s *session) (err error) {
	fmt.Fprintf(s.err, "%s, %d cores, Go %s, %d lines\n", version(), runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"), c.Lines)
	dir, err := os.MkdirTemp("", "crieur-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "subscribed.csv")
	if err := mailchimp(file, c.Lines); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{Dir: filepath.Join(dir, "state"), URL: announce.NewSecret(c.Postgres)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	service := people.New(people.Options{Store: db, Log: slog.New(slog.DiscardHandler)})
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var rows [][]string
	for _, what := range []string{"new people", "the same list again"} {
		began, cpu := time.Now(), processCPU()
		var peak atomic.Int64
		var sum store.Tally
		err := importFile(ctx, service, file, func(at people.Imported) {
			sum = at.Tally
			if now := residentMemory(); now > peak.Load() {
				peak.Store(now)
			}
		})
		if err != nil {
			return err
		}
		if sum.Added+sum.Known != c.Lines {
			return fmt.Errorf("%d of %d lines are accounted for", sum.Added+sum.Known, c.Lines)
		}
		took, used := time.Since(began), processCPU()-cpu
		rows = append(rows, []string{
			what, fmt.Sprintf("%.0f", float64(c.Lines)/took.Seconds()), took.Round(time.Millisecond).String(),
			fmt.Sprintf("%.1f", float64(used.Microseconds())/float64(c.Lines)), fmt.Sprintf("%.0f MB", float64(peak.Load())/1e6),
		})
	}
	return s.table([]string{"IMPORT", "LINES/S", "TOOK", "CPU µs/LINE", "MEMORY"}, rows)
}

func importFile(ctx context.Context, service *people.Service, file string, tell func(people.Imported)) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return service.Import(ctx, f, people.Importing{File: "bench.csv", List: "bench"}, func(at people.Imported, _ []*list.Refusal) error {
		tell(at)
		return nil
	})
}

// mailchimp writes a list as Mailchimp exports it. Addresses come in no order, as they do where people join over years.
func mailchimp(file string, lines int) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	_, _ = io.WriteString(w, "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS\n")
	began := time.Date(2021, 3, 14, 12, 0, 0, 0, time.UTC)
	for i := range lines {
		scattered := uint32(i) * 2654435761 // Knuth's multiplicative hash: each number once
		at := began.Add(time.Duration(i) * time.Minute / 10).Format(time.DateTime)
		ip := fmt.Sprintf("203.0.%d.%d", i>>8&255, i&255)
		_, _ = fmt.Fprintf(w, "reader%08x@example%d.org,Ada%d,\"Lovelace, née Byron\",2,\"%s\",%s,\"%s\",%s,45.5,-73.6,-5,-4,America/Toronto,CA,QC,\"%s\",%d,%010x,,\"\"\"members\"\"\"\n",
			scattered, i%97, i, at, ip, at, ip, at, i, i)
	}
	return w.Flush()
}
