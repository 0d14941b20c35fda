package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Import is one address that a list brings. Its Standing is Active, Pending, Unsubscribed, Bounced or Complained; ID,
// Person, PausedUntil, Created and Updated are not looked at.
type Import struct {
	Address Address
	Deeds   []Deed // what the list knows of their agreement, and that it was imported; each with its moment
}

// Position is a place between two lines of a list.
type Position struct {
	Line   int
	Offset int64
}

// Tally counts what became of the lines of a list.
type Tally struct {
	Added      int // not on record before
	Known      int // there already; nothing was changed
	Left       int // were written to, and are not any more, because the list says that they left
	Kept       int // left or were removed here before, and stay so whatever the list says
	Suppressed int // never to be written to again; nothing of them was kept
	Refused    int // lines that were broken
}

// Add counts those of o too.
func (t *Tally) Add(o Tally) {
	t.Added, t.Known, t.Left, t.Kept = t.Added+o.Added, t.Known+o.Known, t.Left+o.Left, t.Kept+o.Kept
	t.Suppressed, t.Refused = t.Suppressed+o.Suppressed, t.Refused+o.Refused
}

// Intake is a part of a list.
type Intake struct {
	List    string // names the list; empty: how far it came is not kept
	All     []Import
	From    Position // where it begins
	To      Position // where it ends
	Refused int      // lines between From and To that are not in All
	Last    bool     // nothing follows
	Actor   string
}

// Importing is how far a list came that is not at its end.
type Importing struct {
	Done  Position // everything before it is taken in
	Told  Position // what was refused behind it may not have been told
	Tally Tally    // up to Done
}

// Importing tells how far a list came. False: it was not begun, or is at its end.
func (db *DB) Importing(ctx context.Context, list string) (i Importing, found bool, err error) {
	found, err = db.read().one(ctx, `SELECT line, place, told_line, told_place, added, known, departed, kept, suppressed, refused FROM imports WHERE name = ?`, []any{list},
		&i.Done.Line, &i.Done.Offset, &i.Told.Line, &i.Told.Offset, &i.Tally.Added, &i.Tally.Known, &i.Tally.Left, &i.Tally.Kept, &i.Tally.Suppressed, &i.Tally.Refused)
	return i, found, db.fault(err)
}

// Import takes in a part of a list: new addresses with their deeds; of those on record only that they left. Whoever
// unsubscribed, complained, bounced or was removed stays so. suppressed are those of All that must never be written to.
// How far the list came commits with it, so that after a crash it goes on there. Topics must be known.
func (db *DB) Import(ctx context.Context, b Intake) (n Tally, suppressed []int, err error) {
	p, err := db.importable(ctx, b.All)
	if err != nil {
		return n, nil, err
	}
	if err := db.room(); err != nil {
		return n, nil, err
	}
	err = db.writeLarge(ctx, func(ctx context.Context, t *tx) error {
		n = Tally{Refused: b.Refused}
		fresh, err := t.sort(ctx, p, b.All, &n, &suppressed, b.Actor)
		if err == nil {
			err = t.takeAll(ctx, p, b.All, fresh, &n)
		}
		if err == nil {
			err = t.advance(ctx, b, n)
		}
		if err == nil && n.Added > 0 {
			t.log(Event{Actor: b.Actor, What: "subscribers", Detail: fmt.Sprintf("%d %s", n.Added, Imported)})
		}
		return err
	})
	if err != nil {
		return Tally{}, nil, err
	}
	return n, suppressed, nil
}

// TryImport tells what Import would do, and does nothing.
func (db *DB) TryImport(ctx context.Context, all []Import) (n Tally, suppressed []int, err error) {
	p, err := db.importable(ctx, all)
	if err != nil {
		return n, nil, err
	}
	t := &tx{conn: db.read(), db: db, now: db.Now()}
	fresh, leave, err := t.compare(ctx, p, all, &n, &suppressed)
	n.Added, n.Left = len(fresh), len(leave)
	return n, suppressed, db.fault(err)
}

// imports are what a part of a list needs before anything is locked.
type imports struct {
	key       []byte
	mailboxes []string
	wordings  map[string]string
}

func (db *DB) importable(ctx context.Context, all []Import) (p imports, err error) {
	if p.key, err = db.Secret(ctx, concealed); err != nil {
		return p, err
	}
	p.mailboxes = make([]string, len(all))
	for i := range all {
		a := &all[i].Address
		a.Address, a.Name, a.Zone = strings.TrimSpace(clean(a.Address)), clean(a.Name), clean(a.Zone)
		slices.Sort(a.Topics)
		a.Topics = slices.Compact(a.Topics)
		p.mailboxes[i] = Mailbox(a.Channel, a.Address)
		for k := range all[i].Deeds {
			d := &all[i].Deeds[k]
			d.How, d.Basis, d.Detail = clean(d.How), clean(d.Basis), clean(d.Detail)
		}
	}
	return p, nil
}

// departing is an address on record that a list says has left.
type departing struct {
	id int64
	of int // in the list
}

// sort finds out what is new, and lets those leave who left.
func (t *tx) sort(ctx context.Context, p imports, all []Import, n *Tally, suppressed *[]int, actor string) (fresh []int, err error) {
	fresh, leave, err := t.compare(ctx, p, all, n, suppressed)
	if err != nil {
		return nil, err
	}
	for _, d := range leave {
		standing := all[d.of].Address.Standing
		deed := all[d.of].Deeds[len(all[d.of].Deeds)-1]
		deed.Act, deed.At = map[Standing]Act{Unsubscribed: Unsubscribe, Bounced: HasBounced, Complained: Complaint}[standing], time.Time{}
		deed.Detail = strings.TrimSpace(actor + " " + deed.Detail)
		if _, err := t.leave(ctx, d.id, standing, deed); err != nil {
			return nil, err
		}
	}
	n.Left = len(leave)
	return fresh, nil
}

// compare looks up what a list brings. Of one address that it brings twice, the first counts, but for the standing: left
// is left.
func (t *tx) compare(ctx context.Context, p imports, all []Import, n *Tally, suppressed *[]int) (fresh []int, leave []departing, err error) {
	never, err := t.never(ctx, p, all)
	if err != nil {
		return nil, nil, err
	}
	type known struct {
		id       int64
		standing Standing
	}
	found := make(map[string]known, len(all))
	for channel, boxes := range channels(p, all) {
		if err := t.among(ctx, `SELECT id, mailbox, standing FROM addresses WHERE channel = ? AND mailbox`, channel, boxes, func(scan func(...any) error) error {
			var k known
			var box string
			err := scan(&k.id, &box, &k.standing)
			found[channel+cursor+box] = k
			return err
		}); err != nil {
			return nil, nil, err
		}
	}
	*suppressed = nil
	first := make(map[string]int, len(all))
	for i := range all {
		a, box := &all[i].Address, all[i].Address.Channel+cursor+p.mailboxes[i]
		if never[i] {
			n.Suppressed++
			*suppressed = append(*suppressed, i)
			continue
		}
		gone := a.Standing != Active && a.Standing != Pending
		if j, twice := first[box]; twice {
			n.Known++
			if o := &all[j]; gone && (o.Address.Standing == Active || o.Address.Standing == Pending) {
				o.Address.Standing, o.Deeds = a.Standing, all[i].Deeds
			}
			continue
		}
		k, there := found[box]
		switch {
		case !there:
			first[box] = i
			fresh = append(fresh, i)
		case gone && (k.standing == Active || k.standing == Pending):
			leave = append(leave, departing{k.id, i})
			found[box] = known{k.id, a.Standing}
		case gone || k.standing == Active || k.standing == Pending:
			n.Known++
		default:
			n.Kept++
		}
	}
	return fresh, leave, nil
}

func channels(p imports, all []Import) map[string][]string {
	by := map[string][]string{}
	for i := range all {
		by[all[i].Address.Channel] = append(by[all[i].Address.Channel], p.mailboxes[i])
	}
	return by
}

// never tells who must not be written to. Without any such, nothing is looked up.
func (t *tx) never(ctx context.Context, p imports, all []Import) (map[int]bool, error) {
	var one int
	if some, err := t.one(ctx, `SELECT 1 FROM suppressions LIMIT 1`, nil, &one); err != nil || !some {
		return nil, err
	}
	hashes, of, never := make([]string, len(all)), map[string][]int{}, map[int]bool{}
	for i := range all {
		hashes[i] = conceal(p.key, all[i].Address.Channel, p.mailboxes[i])
		of[hashes[i]] = append(of[hashes[i]], i)
	}
	err := t.among(ctx, `SELECT hash FROM suppressions WHERE ''  = ? AND hash`, "", hashes, func(scan func(...any) error) error {
		var hash string
		err := scan(&hash)
		for _, i := range of[hash] {
			never[i] = true
		}
		return err
	})
	return never, err
}

// among asks for rows whose last column of a query is one of many words: an array on Postgres, else some at a time.
func (c conn) among(ctx context.Context, query, arg string, words []string, read func(scan func(...any) error) error) error {
	if on, ok := c.on.(*numbered); ok {
		return conn{on}.each(ctx, query+` = ANY(?)`, []any{arg, words}, read)
	}
	slices.Sort(words)
	for len(words) > 0 {
		some := 1
		for _, size := range []int{256, 16} {
			if len(words) >= size {
				some = size
				break
			}
		}
		args := make([]any, 0, some+1)
		args = append(args, arg)
		for _, w := range words[:some] {
			args = append(args, w)
		}
		if err := c.each(ctx, query+` IN (`+marked(some)+`)`, args, read); err != nil {
			return err
		}
		words = words[some:]
	}
	return nil
}

// advance keeps how far a list came.
func (t *tx) advance(ctx context.Context, b Intake, n Tally) error {
	if b.List == "" {
		return nil
	}
	if b.Last {
		_, err := t.exec(ctx, `DELETE FROM imports WHERE name = ?`, b.List)
		return err
	}
	_, err := t.exec(ctx, `INSERT INTO imports (name, line, place, told_line, told_place, added, known, departed, kept, suppressed, refused, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET line = excluded.line, place = excluded.place, told_line = excluded.told_line,
		told_place = excluded.told_place, added = imports.added + excluded.added, known = imports.known + excluded.known, departed = imports.departed + excluded.departed,
		kept = imports.kept + excluded.kept, suppressed = imports.suppressed + excluded.suppressed, refused = imports.refused + excluded.refused, updated_at = excluded.updated_at`,
		b.List, b.To.Line, b.To.Offset, b.From.Line, b.From.Offset, n.Added, n.Known, n.Left, n.Kept, n.Suppressed, n.Refused, us(t.now))
	return err
}
