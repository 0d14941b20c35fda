package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Act is what happened to a subscription.
type Act string

// The acts.
const (
	Asked       Act = "asked"     // somebody asked to join with this address
	Confirmed   Act = "confirmed" // whoever reads that address agreed
	Changed     Act = "changed"   // a choice was changed; Detail says which
	Unsubscribe Act = "unsubscribed"
	Imported    Act = "imported"
	Added       Act = "added" // by an organiser
	HasBounced  Act = "bounced"
	Complaint   Act = "complained"
	WasRemoved  Act = "removed"
	WasErased   Act = "erased"
)

// Deed is one line in the log of consents: what was done, how it came to be, and for an agreement the exact words that
// were shown. It proves consent (GDPR art. 7(1), CASL section 13).
type Deed struct {
	At       time.Time // zero: now
	Act      Act
	How      string            // form, page, one-click, mail, import FILE, api TOKEN, telegram, ...
	Basis    string            // of an agreement: express or implied
	Words    string            // that were shown
	Language announce.Language // of the words
	Network  netip.Prefix      // truncated by the caller; the zero value: not known
	Detail   string
}

// tell tells the organisers' programs that something about an address changed. The log of events knows no address.
func (t *tx) tell(id int64, d Deed) {
	t.log(Event{Actor: d.How, What: "subscriber", Detail: strconv.FormatInt(id, 10) + " " + string(d.Act)})
}

// agree appends a deed to the log of consents, at a moment of its own.
func (t *tx) agree(ctx context.Context, id int64, d Deed) error {
	when := us(t.now)
	if !d.At.IsZero() {
		when = us(d.At)
	}
	var last int64
	if _, err := t.one(ctx, `SELECT COALESCE(MAX(at), 0) FROM consents WHERE address = ?`, []any{id}, &last); err != nil {
		return err
	}
	if d.At.IsZero() || when == last {
		when = max(when, last+1)
	}
	wording, err := t.wording(ctx, d.Words)
	if err != nil {
		return err
	}
	network := ""
	if d.Network.IsValid() {
		network = d.Network.Masked().String()
	}
	_, err = t.exec(ctx, `INSERT INTO consents (address, at, act, how, basis, wording, language, network, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		id, when, string(d.Act), clean(d.How), clean(d.Basis), wording, string(d.Language), network, clean(d.Detail))
	return err
}

// wording keeps words once and returns their hash.
func (t *tx) wording(ctx context.Context, words string) (string, error) {
	if words == "" {
		return "", nil
	}
	words = clean(words)
	sum := sha256.Sum256([]byte(words))
	hash := hex.EncodeToString(sum[:])
	_, err := t.exec(ctx, `INSERT INTO wordings (hash, text) VALUES (?, ?) ON CONFLICT DO NOTHING`, hash, words)
	return hash, err
}

// Consents lists the deeds about an address, the oldest first.
func (db *DB) Consents(ctx context.Context, id int64) ([]Deed, error) {
	all, err := db.ConsentsOf(ctx, []int64{id})
	return all[id], err
}

// ConsentsOf lists the deeds about each of some addresses, the oldest first.
func (db *DB) ConsentsOf(ctx context.Context, ids []int64) (map[int64][]Deed, error) {
	all := map[int64][]Deed{}
	for some := range slices.Chunk(ids, 64) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		err := db.read().each(ctx, `SELECT c.address, c.at, c.act, c.how, c.basis, COALESCE(w.text, ''), c.language, c.network, c.detail
			FROM consents c LEFT JOIN wordings w ON w.hash = c.wording WHERE c.address IN (`+marked(len(args))+`) ORDER BY c.address, c.at, c.act`, args, func(scan func(...any) error) error {
			var d Deed
			var id, when int64
			var network string
			err := scan(&id, &when, &d.Act, &d.How, &d.Basis, &d.Words, &d.Language, &network, &d.Detail)
			d.At = at(when)
			if network != "" && err == nil {
				d.Network, err = netip.ParsePrefix(network)
			}
			all[id] = append(all[id], d)
			return err
		})
		if err != nil {
			return nil, db.fault(err)
		}
	}
	return all, nil
}

// lastWord is the newest act that decides whether an address may be written to.
func (t *tx) lastWord(ctx context.Context, id int64) (act Act, err error) {
	_, err = t.one(ctx, `SELECT act FROM consents WHERE address = ? AND act <> 'changed' ORDER BY at DESC LIMIT 1`, []any{id}, &act)
	return act, err
}
