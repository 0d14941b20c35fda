package people

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people/list"
	"github.com/crieur/crieur/internal/store"
)

// Importing says how a list is to be taken in.
type Importing struct {
	File     string            // the file's name: part of the proof of consent
	List     string            // names this list with these choices, so that it goes on where it was cut; empty: from the beginning
	Topics   []string          // for everybody on it
	Language announce.Language // of whom the list does not say
	Standing list.Standing     // of whom the list does not say; empty: active
	Confirm  bool              // write to everybody new and active, and ask them to confirm
	How      string            // they agreed, in the organiser's words
	Basis    string            // express or implied; empty: express
	DryRun   bool              // only tell what would be
	Actor    string
}

// Imported is how far a list came.
type Imported struct {
	Form    string // Mailchimp, listmonk, Crieur or table
	Resumed int    // lines that were done before; 0: it began at the beginning
	Lines   int    // done, from the beginning
	Bytes   int64  // of them, in UTF-8
	Tally   store.Tally
	Tags    map[string]int // that are no topics here, of at most 100 the number of people
}

// perBatch is how many lines one transaction takes in. It holds up other writers for some tenths of a second, and fewer would be slower by what a commit takes.
const perBatch = 5000

// Import takes in a list, a batch of lines at a time, in flat memory. Nobody is written to unless Confirm says so. tell
// hears after each batch of the lines that were refused and how far it came; its error ends the import. What was told
// is on record. A list that was cut goes on where it was: lines whose refusal may not have been told are told again.
// The error is a Faults when the choices are wrong, or the list is none.
func (s *Service) Import(ctx context.Context, r io.Reader, o Importing, tell func(Imported, []*list.Refusal) error) error {
	t, err := s.taking(ctx, o)
	if err != nil {
		return err
	}
	x, err := list.NewReader(r, list.Options{Standing: o.Standing, Name: o.File, Now: t.now})
	if err != nil {
		return announce.Faults{{Field: "file", Say: err.Error()}}
	}
	at := Imported{Form: x.Form, Tags: map[string]int{}}
	t.form = x.Form
	var was store.Importing
	if o.List != "" && !o.DryRun {
		found := false
		if was, found, err = s.Store.Importing(ctx, o.List); err != nil {
			return err
		}
		if found {
			if err := x.Skip(list.Position(was.Told)); err != nil {
				return announce.Faults{{Field: "file", Say: err.Error()}}
			}
			at.Resumed, at.Tally = was.Done.Line, was.Tally
		}
	}
	if err := tell(at, nil); err != nil {
		return err
	}
	batches, stop := make(chan batch), make(chan struct{})
	defer close(stop)
	go t.read(x, was.Done, batches, stop)
	for b := range batches {
		if b.err != nil {
			return b.err
		}
		n, suppressed, err := s.take(ctx, o, b, b.to.Offset <= was.Done.Offset)
		if err != nil {
			return err
		}
		for _, i := range suppressed {
			b.refused = append(b.refused, &list.Refusal{Line: b.lines[i].number, Text: b.lines[i].text, Reason: "must never be written to again: they were erased, or are suppressed"})
		}
		slices.SortStableFunc(b.refused, func(a, c *list.Refusal) int { return a.Line - c.Line })
		at.Lines, at.Bytes = b.to.Line, b.to.Offset
		at.Tally.Add(n)
		for tag, n := range b.tags {
			if _, known := at.Tags[tag]; known || len(at.Tags) < 100 {
				at.Tags[tag] += n
			}
		}
		if o.Confirm && n.Added > 0 && !o.DryRun {
			s.nudge()
		}
		if err := tell(at, b.refused); err != nil {
			return err
		}
	}
	return nil
}

// take takes in one batch. done: it was taken in before.
func (s *Service) take(ctx context.Context, o Importing, b batch, done bool) (n store.Tally, suppressed []int, err error) {
	if o.DryRun || done {
		if n, suppressed, err = s.Store.TryImport(ctx, b.all); done {
			return store.Tally{}, suppressed, err
		}
		n.Refused = len(b.refused)
		return n, suppressed, err
	}
	return s.Store.Import(ctx, store.Intake{
		List: o.List, All: b.all, From: store.Position(b.from), To: store.Position(b.to), Refused: len(b.refused), Last: b.last, Actor: o.Actor,
	})
}

// batch is some lines of a list, read and checked.
type batch struct {
	all      []store.Import
	lines    []line // of all, one by one
	refused  []*list.Refusal
	tags     map[string]int
	from, to list.Position
	last     bool
	err      error
}

// line is where a person stands in a list.
type line struct {
	number int
	text   string
}

// taking is what turns rows into addresses.
type taking struct {
	badPace func(f, had store.Frequency) announce.Faults
	Importing
	now      time.Time
	form     string
	topics   map[string]string // by name and by label in lower case
	channels []string
}

func (s *Service) taking(ctx context.Context, o Importing) (*taking, error) {
	o.Topics = slices.Clone(o.Topics)
	t := &taking{Importing: o, now: s.Store.Now(), topics: map[string]string{}, channels: s.Channels}
	known, err := s.Store.Topics(ctx)
	if err != nil {
		return nil, err
	}
	if t.badPace, err = s.badPaces(ctx); err != nil {
		return nil, err
	}
	for _, k := range known {
		for _, label := range k.Labels {
			t.topics[strings.ToLower(label)] = k.Name
		}
	}
	for _, k := range known { // a name is stronger than a label
		t.topics[strings.ToLower(k.Name)] = k.Name
	}
	var f announce.Faults
	for i, name := range o.Topics {
		if t.Topics[i] = t.topics[strings.ToLower(name)]; t.Topics[i] == "" {
			f = append(f, announce.Fault{Field: "topic", Say: fmt.Sprintf("%q is not a topic here: add it first", name)})
		}
	}
	f = append(f, BadChoice(store.Address{Language: o.Language})...)
	if !slices.Contains([]list.Standing{"", list.Active, list.Unsubscribed, list.Bounced, list.Complained}, o.Standing) {
		f = append(f, announce.Fault{Field: "standing", Say: "must be active, unsubscribed, bounced or complained"})
	}
	if t.Basis == "" {
		t.Basis = "express"
	}
	return t, f.Err()
}

// read sends a list batch by batch, one of which ends at the given place if that is not its beginning.
func (t *taking) read(x *list.Reader, cut store.Position, to chan<- batch, stop <-chan struct{}) {
	defer close(to)
	b := batch{from: x.Position(), tags: map[string]int{}}
	send := func() bool {
		b.to = x.Position()
		select {
		case to <- b:
			b = batch{from: b.to, tags: map[string]int{}}
			return true
		case <-stop:
			return false
		}
	}
	for {
		row, err := x.Next()
		var refused *list.Refusal
		switch {
		case err == io.EOF: //nolint:errorlint // as the reader says
			b.last = true
			send()
			return
		case errors.As(err, &refused):
			b.refused = append(b.refused, refused)
		case err != nil:
			b.err = fmt.Errorf("the list cannot be read any further: %w", err)
			send()
			return
		default:
			i, refused := t.turn(row, b.tags)
			if refused != nil {
				b.refused = append(b.refused, refused)
			} else {
				b.all, b.lines = append(b.all, i), append(b.lines, line{row.Line, row.Text})
			}
		}
		if at := x.Position(); len(b.all)+len(b.refused) >= perBatch || at.Offset == cut.Offset {
			if !send() {
				return
			}
		}
	}
}

// turn makes of a row what the record takes.
func (t *taking) turn(row list.Row, tags map[string]int) (store.Import, *list.Refusal) {
	refuse := func(field, say string) (store.Import, *list.Refusal) {
		return store.Import{}, &list.Refusal{Line: row.Line, Field: field, Reason: say, Text: row.Text}
	}
	a := store.Address{
		Channel: row.Channel, Address: row.Address, Name: row.Name, Language: row.Language, Zone: row.Zone, Standing: store.Standing(row.Standing),
		Frequency: store.Frequency(row.Frequency), Topics: slices.Clone(t.Topics),
	}
	if a.Language == "" {
		a.Language = t.Language
	}
	if a.Frequency == "" {
		a.Frequency = store.Now
	}
	if a.Channel != "email" {
		if !slices.Contains(t.channels, a.Channel) {
			return refuse("channel", fmt.Sprintf("%q is not switched on here", a.Channel))
		}
		if say := BadAddress(a.Channel, a.Address); say != "" {
			return refuse("address", say)
		}
	}
	if f := append(BadChoice(a), t.badPace(a.Frequency, "")...); len(f) > 0 {
		return refuse(f[0].Field, f[0].Say)
	}
	var foreign []string
	for _, name := range row.Topics {
		if known := t.topics[strings.ToLower(name)]; known != "" {
			a.Topics = append(a.Topics, known)
		} else {
			foreign = append(foreign, name)
		}
	}
	if len(foreign) > 0 && len(a.Topics) == 0 {
		return refuse("topics", fmt.Sprintf("they chose %s, which is no topic here, and would get what they did not choose: add it with crieur topics add, or choose for all with --topic", strings.Join(foreign, ", ")))
	}
	a.Everything = len(a.Topics) == 0
	if row.All != nil {
		a.Everything = *row.All
	}
	for _, name := range row.Tags {
		if known := t.topics[strings.ToLower(name)]; known != "" {
			a.Topics = append(a.Topics, known)
		} else {
			tags[name]++
		}
	}
	return store.Import{Address: t.asked(a), Deeds: t.deeds(row)}, nil
}

// asked is an address that is to confirm first, if everybody is.
func (t *taking) asked(a store.Address) store.Address {
	if t.Confirm && a.Standing == store.Active {
		a.Standing = store.Pending
	}
	return a
}

// deeds is the proof that goes on record: what the list knows, then that it was imported, last.
func (t *taking) deeds(row list.Row) []store.Deed {
	how := "import"
	if t.File != "" {
		how += " " + t.File
	}
	all := make([]store.Deed, 0, 3)
	told := "as " + t.form + " has it"
	past := func(at time.Time) time.Time {
		if at.After(t.now) {
			return t.now
		}
		return at
	}
	if p := row.Asked; !p.At.IsZero() && !p.At.Equal(row.Confirmed.At) {
		all = append(all, store.Deed{At: past(p.At), Act: store.Asked, How: how, Network: p.Network, Detail: told})
	}
	if p := row.Confirmed; !p.At.IsZero() {
		all = append(all, store.Deed{At: past(p.At), Act: store.Confirmed, How: how, Basis: "express", Network: p.Network, Detail: told})
	}
	last := store.Deed{At: t.now, Act: store.Imported, How: how, Basis: t.Basis, Detail: fmt.Sprintf("line %d", row.Line)}
	if t.How != "" {
		last.Detail += ": " + t.How
	}
	if t.Confirm && row.Standing == list.Active {
		last.Act, last.Basis = store.Asked, ""
	}
	if row.Standing != list.Active {
		left := past(row.Left)
		if left.IsZero() {
			left = t.now
		}
		act := map[list.Standing]store.Act{list.Unsubscribed: store.Unsubscribe, list.Bounced: store.HasBounced, list.Complained: store.Complaint}[row.Standing]
		all = append(all, store.Deed{At: left, Act: act, How: how, Detail: strings.TrimSpace(told + " " + row.Why)})
		last.Basis = ""
	}
	return append(all, last)
}

// Ignored lists tags that are no topics, the most frequent first.
func (i Imported) Ignored() []string {
	return slices.SortedFunc(maps.Keys(i.Tags), func(a, b string) int {
		if i.Tags[a] != i.Tags[b] {
			return i.Tags[b] - i.Tags[a]
		}
		return strings.Compare(a, b)
	})
}
