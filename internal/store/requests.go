package store

import (
	"context"
	"time"
)

// The letters that an address may be owed.
const (
	OwesConfirm     = "confirm"     // so that its reader can agree
	OwesWelcome     = "welcome"     // after they did
	OwesPreferences = "preferences" // a fresh link, because they asked for one
)

// Joining is a request to join from anybody.
type Joining struct {
	Address  Address // what was asked for; its Standing does not matter
	InPlace  int64   // the address of the same person that it stands in for once it is confirmed; 0: none
	Deed     Deed    // its Act does not matter
	Most     Limits
	NoLetter bool // the person proved in another way that the address is theirs: they are active at once
	Renewal  bool // with NoLetter: nothing is new to the person, so no letter welcomes them
}

// Limits bound how many letters strangers can cause.
type Limits struct {
	Day, Month              int // to one address: in 24 hours, in 30 days
	NetworkHour, NetworkDay int // requests from one network
	Hour                    int // letters altogether, in an hour
}

// Asking is what became of a request. Whoever asked is told none of it.
type Asking string

// What can become of a request.
const (
	Owed         Asking = "owed"          // a letter is owed
	AlreadyThere Asking = "already-there" // an active address: nothing is sent
	Refused      Asking = "refused"       // never to be written to
	TooOften     Asking = "too-often"     // for this address or network
	TooMany      Asking = "too-many"      // letters altogether in this hour
)

// Ask puts a request to join on record, together with what it counts against the limits: a letter is owed, or not. Known
// and unknown addresses take the same steps. What was chosen before by whoever is active is not changed.
func (db *DB) Ask(ctx context.Context, j Joining) (id int64, became Asking, err error) {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return 0, "", err
	}
	if err := db.room(); err != nil {
		return 0, "", err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		id, became, err = t.ask(ctx, key, j)
		return err
	})
	return id, became, err
}

func (t *tx) ask(ctx context.Context, key []byte, j Joining) (int64, Asking, error) {
	mailbox := Mailbox(j.Address.Channel, j.Address.Address)
	who := conceal(key, j.Address.Channel, mailbox)
	became, err := t.within(ctx, key, who, j)
	if err != nil || became != Owed {
		return 0, became, err
	}
	var one int
	if found, err := t.one(ctx, `SELECT 1 FROM suppressions WHERE hash = ?`, []any{who}, &one); err != nil || found {
		return 0, Refused, err
	}
	var id int64
	var standing Standing
	found, err := t.one(ctx, `SELECT id, standing FROM addresses WHERE channel = ? AND mailbox = ?`+t.lock("FOR UPDATE"), []any{j.Address.Channel, mailbox}, &id, &standing)
	if err != nil {
		return 0, "", err
	}
	a, owed, topics := j.Address, OwesConfirm, j.Address.Topics
	if a.Standing = standing; !found || standing == Removed {
		a.Standing = Pending // who unsubscribed stays so until they confirm
	}
	switch {
	case standing == Active:
		became, j.Deed.Detail = AlreadyThere, "already subscribed: nothing was sent"
		before, err := t.address(ctx, `WHERE id = ?`, id)
		if err != nil {
			return 0, "", err
		}
		topics = before.Topics
	case standing == Complained && !j.NoLetter:
		became, j.Deed.Detail = Refused, "complained before: nothing was sent"
		topics = nil
	}
	new, _, err := t.put(ctx, a, mailbox, j.InPlace, owed, owable(j.NoLetter))
	if err != nil {
		return 0, "", err
	}
	if new > 0 {
		id = new
	}
	if err := t.choose(ctx, id, topics); err != nil {
		return 0, "", err
	}
	if became == Owed && j.NoLetter {
		j.Deed.Act = Confirmed
		letter := OwesWelcome
		if j.Renewal {
			letter = ""
		}
		return id, became, t.confirm(ctx, id, j.Deed, letter)
	}
	j.Deed.Act = Asked
	t.tell(id, j.Deed)
	if err := t.agree(ctx, id, j.Deed); err != nil || became != Owed {
		return id, became, err
	}
	return id, became, t.noteRequest(ctx, "confirmation", "")
}

// owable is the condition on which a stranger's request may change what is on record of an address.
func owable(proved bool) string {
	if proved {
		return `addresses.standing NOT IN ('active', 'erased')`
	}
	return `addresses.standing NOT IN ('active', 'complained', 'erased')`
}

// within counts a request and tells whether it is within the limits.
func (t *tx) within(ctx context.Context, key []byte, who string, j Joining) (Asking, error) {
	if err := t.advisory(ctx, lockAsking, false); err != nil {
		return "", err
	}
	network := "unknown"
	if j.Deed.Network.IsValid() {
		network = conceal(key, "network", j.Deed.Network.Masked().String())
	}
	hour, day, month := t.now.Add(-time.Hour), t.now.Add(-24*time.Hour), t.now.AddDate(0, 0, -30)
	became := Owed
	for _, limit := range []struct {
		what, who string
		since     time.Time
		most      int
		over      Asking
	}{
		{"network", network, hour, j.Most.NetworkHour, TooOften},
		{"network", network, day, j.Most.NetworkDay, TooOften},
		{"address", who, day, j.Most.Day, TooOften},
		{"address", who, month, j.Most.Month, TooOften},
		{"confirmation", "", hour, j.Most.Hour, TooMany},
	} {
		var n int
		if _, err := t.one(ctx, `SELECT COUNT(*) FROM requests WHERE what = ? AND who = ? AND at > ?`, []any{limit.what, limit.who, us(limit.since)}, &n); err != nil {
			return "", err
		}
		if n >= limit.most && became == Owed {
			became = limit.over
		}
	}
	if err := t.noteRequest(ctx, "network", network); err != nil || became != Owed {
		return became, err
	}
	return became, t.noteRequest(ctx, "address", who)
}

// noteRequest counts a request, at a moment of its own.
func (t *tx) noteRequest(ctx context.Context, what, who string) error {
	var last int64
	if _, err := t.one(ctx, `SELECT COALESCE(MAX(at), 0) FROM requests WHERE what = ? AND who = ?`, []any{what, who}, &last); err != nil {
		return err
	}
	_, err := t.exec(ctx, `INSERT INTO requests (what, who, at) VALUES (?, ?, ?)`, what, who, max(us(t.now), last+1))
	return err
}

// AskAgain lets an address be owed a letter with a fresh link, within the limits: to confirm with, or to choose with.
func (db *DB) AskAgain(ctx context.Context, id int64, d Deed, most Limits) (became Asking, err error) {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return "", err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.address(ctx, `WHERE id = ?`+t.lock("FOR UPDATE"), id)
		if err != nil {
			return err
		}
		became, err = t.within(ctx, key, conceal(key, a.Channel, Mailbox(a.Channel, a.Address)), Joining{Deed: d, Most: most})
		if err != nil || became != Owed {
			return err
		}
		owed := OwesPreferences
		last, err := t.lastWord(ctx, id)
		switch {
		case err != nil:
			return err
		case last == Asked && a.Standing != Active && a.Standing != Complained:
			owed = OwesConfirm
		case a.Standing != Active:
			became = Refused
			return nil
		}
		if _, err := t.exec(ctx, `UPDATE addresses SET owed = ?, owed_at = ? WHERE id = ?`, owed, us(t.now), id); err != nil {
			return err
		}
		return t.noteRequest(ctx, "confirmation", "")
	})
	return became, err
}

// Confirm makes an address active, because its reader said so, if the last that was heard of it is that somebody asked.
// confirmed: now; false: it was active before. The address that it stands in for leaves. ErrNotFound: nobody asked.
func (db *DB) Confirm(ctx context.Context, id int64, d Deed) (confirmed bool, err error) {
	d.Act = Confirmed
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		confirmed = false
		a, err := t.address(ctx, `WHERE id = ?`+t.lock("FOR UPDATE"), id)
		if err != nil || a.Standing == Active {
			return err
		}
		last, err := t.lastWord(ctx, id)
		if err != nil {
			return err
		}
		if last != Asked || a.Standing == Complained {
			return ErrNotFound
		}
		confirmed = true
		return t.confirm(ctx, id, d, OwesWelcome)
	})
	return confirmed && err == nil, err
}

// confirm makes an address active, and owes it a letter ("": none).
func (t *tx) confirm(ctx context.Context, id int64, d Deed, letter string) error {
	// The words that were shown are those of the request.
	if _, err := t.one(ctx, `SELECT w.text, c.language FROM consents c JOIN wordings w ON w.hash = c.wording WHERE c.address = ? AND c.act = 'asked'
		ORDER BY c.at DESC LIMIT 1`, []any{id}, &d.Words, &d.Language); err != nil {
		return err
	}
	var old, person int64
	if _, err := t.one(ctx, `SELECT o.id, o.person FROM addresses n JOIN addresses o ON o.id = n.replaces WHERE n.id = ?`, []any{id}, &old, &person); err != nil {
		return err
	}
	if person == 0 {
		person = old
	}
	if _, err := t.exec(ctx, `UPDATE addresses SET standing = 'active', person = CASE WHEN replaces > 0 THEN ? ELSE person END, digested = COALESCE((SELECT o.digested FROM addresses o WHERE o.id = addresses.replaces AND o.digest <> ''), ?),
		replaces = 0, owed = ?, owed_at = ?, hard_at = 0, soft = 0, soft_at = 0, updated_at = ? WHERE id = ?`,
		person, us(t.now), letter, us(t.now), us(t.now), id); err != nil {
		return err
	}
	t.tell(id, d)
	if err := t.agree(ctx, id, d); err != nil || old == 0 {
		return err
	}
	moved := d
	moved.Act, moved.Words, moved.Detail = WasRemoved, "", "moved to another address"
	_, err := t.leave(ctx, old, Removed, moved)
	return err
}

// Owing is a letter that is still to be put on record.
type Owing struct {
	Address Address
	Letter  string // OwesConfirm, OwesWelcome, OwesPreferences
	Since   time.Time
}

// Owing lists letters that are owed, the oldest first, beginning behind one (the zero value: with the first).
func (db *DB) Owing(ctx context.Context, after Owing, limit int) ([]Owing, error) {
	var all []Owing
	since := us(after.Since)
	err := db.read().each(ctx, `SELECT id, owed, owed_at FROM addresses WHERE owed <> '' AND owed_at >= ? AND (owed_at > ? OR id > ?) ORDER BY owed_at, id LIMIT ?`,
		[]any{since, since, after.Address.ID, limit}, func(scan func(...any) error) error {
			var o Owing
			var since int64
			err := scan(&o.Address.ID, &o.Letter, &since)
			o.Since = at(since)
			all = append(all, o)
			return err
		})
	for i := range all {
		if err == nil {
			all[i].Address, err = db.read().address(ctx, `WHERE id = ?`, all[i].Address.ID)
		}
	}
	return all, db.fault(err)
}

// Settled says that a letter is on record. What has been owed since stays owed.
func (db *DB) Settled(ctx context.Context, o Owing) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE addresses SET owed = '' WHERE id = ? AND owed = ? AND owed_at = ?`, o.Address.ID, o.Letter, us(o.Since))
		return err
	})
}
