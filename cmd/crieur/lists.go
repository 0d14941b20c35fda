package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people/list"
	"github.com/crieur/crieur/internal/web"
)

type importCmd struct {
	File     string            `arg:"" help:"The list; - reads standard input, and cannot go on where it was cut."`
	DryRun   bool              `help:"Only tell what would be. Whoever is on the list twice may be counted twice."`
	Topic    []string          `help:"Topics to subscribe everybody on it to."`
	Language announce.Language `help:"Language of whom the list does not say: fr or en."`
	Confirm  bool              `help:"Write to everybody who is new and ask them to confirm. Without it nobody is written to."`
	Standing list.Standing     `enum:"active,unsubscribed,bounced,complained," default:"" help:"How they stand of whom the list does not say: active, unsubscribed, bounced or complained."`
	Basis    string            `enum:"express,implied" default:"express" help:"How they agreed: express or implied."`
	How      string            `help:"Where they agreed, in your words: kept as proof."`
	Report   string            `help:"Write every refused line with its reason to this file, as CSV."`
}

func (importCmd) Help() string {
	return "Takes in a list of people: a spreadsheet saved as CSV, or an export of Mailchimp, listmonk or Crieur. Columns are told by their names, in " +
		"English or French. People on record stay as they are, but for those of whom the list says that they left; whoever unsubscribed, " +
		"bounced or complained stays so. Killed anywhere, the same command goes on where it was.\n\n" +
		"Exit code 0: everybody is in. 1: some lines were refused, the rest is in, or it failed. 2: wrong use.\n\n" +
		"Examples:\n  crieur subscribers import members.csv --how \"members' register, form of 2024\" --report refused.csv\n" +
		"  crieur subscribers import subscribed_email_audience_export.csv --dry-run"
}

func (c importCmd) Run(ctx context.Context, s *session) error {
	o := web.ListImport{
		File: filepath.Base(c.File), Topics: c.Topic, Language: c.Language, Standing: c.Standing, Confirm: c.Confirm, How: c.How, Basis: c.Basis, DryRun: c.DryRun,
	}
	p := progress{session: s}
	in := s.in
	if c.File == "-" {
		o.File = "standard input"
	} else {
		f, err := os.Open(c.File)
		if err != nil {
			return &inputError{err}
		}
		defer func() { _ = f.Close() }()
		if o.List, p.size, err = identity(f, o); err != nil {
			return err
		}
		in = f
	}
	r := &refusals{path: c.Report}
	var last web.ImportNews
	err := s.with(ctx, func(to *reached) (err error) {
		p.began = time.Now()
		last, err = to.ImportSubscribers(ctx, io.TeeReader(in, &p), o, func(n web.ImportNews) error {
			p.tell(n)
			return r.add(n)
		})
		p.end()
		return errors.Join(err, r.close())
	})
	if err != nil {
		return err
	}
	return c.summary(s, last, r)
}

func (c importCmd) summary(s *session, n web.ImportNews, r *refusals) error {
	added := "added"
	if c.Confirm {
		added = "asked to confirm"
	}
	if c.DryRun {
		added = "would be " + added
	}
	rows := [][]string{{added, strconv.Itoa(n.Added)}, {"on the list already", strconv.Itoa(n.Known)}}
	for _, x := range []struct {
		what string
		n    int
	}{
		{"left, as the list says", n.Left},
		{"had left or been removed here, and stay so", n.Kept},
		{"refused: must never be written to again", n.Suppressed},
		{"refused: broken lines", n.Broken},
	} {
		if x.n > 0 {
			rows = append(rows, []string{x.what, strconv.Itoa(x.n)})
		}
	}
	if err := s.table([]string{"PEOPLE (" + n.Form + ")", "NUMBER"}, rows); err != nil {
		return err
	}
	if len(n.Tags) > 0 {
		fmt.Fprintf(s.err, "Tags that are no topics here were left out: %s. Add them with crieur topics add, before the import.\n", frequent(n.Tags))
	}
	if n.Suppressed+n.Broken == 0 {
		return nil
	}
	for _, x := range r.some {
		fmt.Fprintf(s.err, "line %d: %s\n", x.Line, strings.TrimSpace(x.Field+" "+x.Reason))
	}
	if c.Report != "" {
		fmt.Fprintf(s.err, "Every refused line with its reason is in %s.\n", c.Report)
	} else {
		fmt.Fprintln(s.err, "Write all of them with their reasons to a file: --report refused.csv")
	}
	return exitCode(exitFailed)
}

func frequent(all map[string]int) string {
	names := make([]string, 0, len(all))
	for t := range all {
		names = append(names, t)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(all[b]-all[a], strings.Compare(a, b)) })
	for i, t := range names {
		names[i] = fmt.Sprintf("%s (%d)", t, all[t])
	}
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return strings.Join(names, ", ")
}

// identity names a list with the choices made for it, by its first MiB and its size.
func identity(f *os.File, o web.ListImport) (name string, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, nil // a pipe cannot be read again
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, 1<<20)); err != nil {
		return "", 0, err
	}
	fmt.Fprintf(h, "\x00%d\x00%q %q %q %v %q %q", info.Size(), o.Topics, o.Language, o.Standing, o.Confirm, o.How, o.Basis)
	return hex.EncodeToString(h.Sum(nil)), info.Size(), nil
}

// refusals writes the report. A list that goes on where it was cut goes on in the report too.
type refusals struct {
	path  string
	file  *os.File
	csv   *csv.Writer
	until int               // lines up to this one are in the report already
	some  []web.RefusedLine // the first of them
	begun bool
}

func (r *refusals) add(n web.ImportNews) error {
	if !r.begun {
		r.begun = true
		if err := r.open(n.Resumed > 0); err != nil {
			return err
		}
	}
	for _, x := range n.Refused {
		if len(r.some) < 10 {
			r.some = append(r.some, x)
		}
		if r.csv == nil || x.Line <= r.until {
			continue
		}
		if err := r.csv.Write([]string{strconv.Itoa(x.Line), list.Safe(x.Field), list.Safe(x.Reason), list.Safe(x.Text)}); err != nil {
			return err
		}
	}
	if r.csv == nil {
		return nil
	}
	r.csv.Flush()
	return r.csv.Error()
}

func (r *refusals) open(resumed bool) (err error) {
	if r.path == "" {
		return nil
	}
	flags := os.O_CREATE | os.O_RDWR
	if !resumed {
		flags |= os.O_TRUNC
	}
	if r.file, err = os.OpenFile(r.path, flags, 0o600); err != nil { // it holds addresses
		return err
	}
	whole := int64(0)
	if resumed {
		if whole, r.until, err = written(r.file); err != nil {
			return err
		}
		if err := r.file.Truncate(whole); err != nil {
			return err
		}
	}
	if _, err := r.file.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	r.csv = csv.NewWriter(r.file)
	if whole == 0 {
		return r.csv.Write([]string{"line", "field", "reason", "text"})
	}
	return nil
}

// written reads a report: how many of its bytes are whole rows, and the last line it tells of.
func written(f io.Reader) (whole int64, last int, err error) {
	rows := csv.NewReader(bufio.NewReader(f))
	for {
		row, err := rows.Read()
		if err != nil { // its end, or a row that was cut
			return whole, last, nil //nolint:nilerr // what is whole is what counts
		}
		if len(row) != 4 {
			return 0, 0, errors.New("the report is another file: name a new one with --report")
		}
		whole = rows.InputOffset()
		last, _ = strconv.Atoi(row[0])
	}
}

func (r *refusals) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// progress tells how far a list is: in place on a terminal, elsewhere in a line every few seconds.
type progress struct {
	*session
	size  int64
	read  atomic.Int64 // bytes
	began time.Time
	first int // lines that were done before
	told  time.Time
	wide  int
}

// Write counts what was read.
func (p *progress) Write(b []byte) (int, error) {
	p.read.Add(int64(len(b)))
	return len(b), nil
}

func (p *progress) tell(n web.ImportNews) {
	if n.Lines == 0 {
		p.first = n.Resumed
		if n.Resumed > 0 {
			fmt.Fprintf(p.err, "Going on after line %d, where it was cut.\n", n.Resumed)
		}
		return
	}
	pause := 5 * time.Second
	if terminal(p.err) {
		pause = 100 * time.Millisecond
	}
	if time.Since(p.told) < pause && !n.Done || p.told.IsZero() && !terminal(p.err) && time.Since(p.began) < pause {
		return
	}
	p.told = time.Now()
	spent := time.Since(p.began)
	line := fmt.Sprintf("%d lines, %.0f/s", n.Lines, float64(max(0, n.Lines-p.first))/spent.Seconds())
	if part := float64(p.read.Load()) / float64(max(1, p.size)); p.size > 0 && part > 0 {
		line = fmt.Sprintf("%3.0f %%, %s, %s to go", 100*part, line, time.Duration(float64(spent)*(1-part)/part).Round(time.Second))
		if terminal(p.err) {
			full := int(20 * part)
			line = "[" + strings.Repeat("#", full) + strings.Repeat(".", 20-full) + "] " + line
		}
	}
	if n.Broken+n.Suppressed > 0 {
		line += fmt.Sprintf(", %d refused", n.Broken+n.Suppressed)
	}
	if !terminal(p.err) {
		fmt.Fprintln(p.err, line)
		return
	}
	fmt.Fprintf(p.err, "\r%s%s", line, strings.Repeat(" ", max(0, p.wide-len(line))))
	p.wide = len(line)
}

func (p *progress) end() {
	if p.wide > 0 {
		fmt.Fprintln(p.err)
	}
}

type exportCmd struct {
	Format   string   `enum:"csv,json,ndjson" default:"csv" help:"csv, json or ndjson."`
	Channel  string   `help:"Only this personal channel."`
	Standing []string `enum:"pending,active,unsubscribed,bounced,complained,removed" default:"active" help:"How they stand: pending, active, unsubscribed, bounced, complained or removed."`
	Topic    string   `help:"Only who chose this topic."`
}

func (exportCmd) Help() string {
	return "Writes people with what they chose to standard output. Cells of CSV that a spreadsheet would take for a formula begin with an apostrophe; " +
		"crieur subscribers import takes it away again.\n\nExample:\n  crieur subscribers export --standing active,unsubscribed > people.csv"
}

func (c exportCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		return r.ExportSubscribers(ctx, web.ListExport{Format: c.Format, Channel: c.Channel, Standing: c.Standing, Topic: c.Topic}, s.out)
	})
}
