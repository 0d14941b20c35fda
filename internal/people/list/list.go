// Package list reads and writes lists of people as other programs and spreadsheets keep them: comma-separated files of any
// dialect, with the columns of Mailchimp, of listmonk, of Crieur itself, or of whoever typed them.
package list

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Row is one person of a list, checked.
type Row struct {
	Line      int    // on which it begins, the first being 1
	Text      string // the line itself, without its end
	Channel   string // email, unless the list says otherwise
	Address   string // of email: as Mailbox returns it
	Name      string
	Language  announce.Language
	Zone      string
	Frequency string   // as in the list: now, daily, ...; empty: it does not say
	Topics    []string // what the person chose
	Tags      []string // what the organiser noted
	All       *bool    // every topic that is not private; nil: the list does not say
	Standing  Standing
	Asked     Proof // when they asked to join
	Confirmed Proof // when they confirmed it
	Left      time.Time
	Why       string // they left, in one line
}

// Proof is what a list knows of an agreement.
type Proof struct {
	At      time.Time
	Network netip.Prefix // of the person, truncated to /24 or /48; the zero value: not known
}

// Standing is how a person stands in a list.
type Standing string

// The standings of a list.
const (
	Active       Standing = "active"
	Unsubscribed Standing = "unsubscribed"
	Bounced      Standing = "bounced"
	Complained   Standing = "complained"
)

// Refusal is a line that is not taken in, and why, for the person who has the list before them.
type Refusal struct {
	Line   int
	Field  string // the column's name as in the list; empty: the line as a whole
	Reason string
	Text   string // the line itself, at most 2,000 bytes
}

func (r *Refusal) Error() string {
	if r.Field == "" {
		return fmt.Sprintf("line %d: %s", r.Line, r.Reason)
	}
	return fmt.Sprintf("line %d, %s: %s", r.Line, r.Field, r.Reason)
}

// Options say how a list is read.
type Options struct {
	Standing Standing  // of people of whom the list does not say how they stand; empty: active
	Name     string    // of the file: Mailchimp tells by it that people never agreed
	Now      time.Time // what is later than a day from now is refused
}

// Reader reads a list from beginning to end, in flat memory.
type Reader struct {
	o       Options
	lines   *lines
	columns columns
	Form    string // Mailchimp, listmonk, Crieur or, of any other list, table
	tongues map[string]announce.Language
}

// NewReader reads as far as the names of the columns. The error says why it is no list of people.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	l, err := newLines(r)
	if err != nil {
		return nil, err
	}
	x := &Reader{o: o, lines: l, tongues: map[string]announce.Language{}}
	for {
		rec, err := l.next()
		var broken *Refusal
		switch {
		case err == io.EOF: //nolint:errorlint // as it comes from lines
			return nil, errors.New("the list is empty")
		case errors.As(err, &broken):
			return nil, fmt.Errorf("the names of the columns cannot be read: line %d: %s", broken.Line, broken.Reason)
		case err != nil:
			return nil, err
		}
		if len(rec.text) == 5 && strings.HasPrefix(string(rec.text), "sep=") { // Excel's own line
			l.comma = rec.text[4]
			continue
		}
		head := make([]string, len(rec.fields))
		for i, f := range rec.fields {
			head[i] = strings.TrimSpace(string(f))
		}
		if len(head) > 0 && strings.Contains(head[0], "@") { // no names: a list of addresses
			x.columns, x.Form = headless(len(head)), "table"
			l.again(rec)
			break
		}
		if x.columns, x.Form, err = understand(head); err != nil {
			return nil, err
		}
		break
	}
	if x.Form == "Mailchimp" && x.o.Standing == "" && strings.HasPrefix(strings.ToLower(o.Name), "nonsubscribed") {
		return nil, fmt.Errorf("%s are people who never agreed to be written to: leave them out", o.Name)
	}
	return x, nil
}

// Position is a place between two lines.
type Position struct {
	Line   int   // lines before it
	Offset int64 // bytes before it, in UTF-8
}

// Position is how far the list was read.
func (x *Reader) Position() Position { return x.lines.at }

// Skip goes on from where Position was, reading the same list.
func (x *Reader) Skip(to Position) error { return x.lines.skip(to) }

// Next returns the next person, or io.EOF. A *Refusal is a line that cannot be taken in; reading goes on behind it. Any
// other error ends the reading.
func (x *Reader) Next() (Row, error) {
	for {
		rec, err := x.lines.next()
		if err != nil {
			return Row{}, err
		}
		if rec.blank() {
			continue
		}
		row, broken := x.row(rec)
		if broken == nil {
			return row, nil
		}
		if rec.height > 1 && broken.spread { // a quotation mark that was forgotten: only its own line is lost
			x.lines.rewind(rec)
		}
		return Row{}, &broken.Refusal
	}
}

// fault is a refusal. spread: it may be that lines were taken for one.
type fault struct {
	Refusal
	spread bool
}

// most is how much of a line a refusal shows.
const most = 2000

func shown(line []byte) string {
	line = line[:min(len(line), most)]
	return strings.ToValidUTF8(string(line), "\uFFFD")
}
