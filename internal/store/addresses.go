package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/crieur/crieur/internal/announce"
)

// Standing is whether an address is written to, or why not.
type Standing string

// The standings. Only an active address gets what is announced.
const (
	Pending      Standing = "pending" // asked to join, and has not confirmed
	Active       Standing = "active"
	Unsubscribed Standing = "unsubscribed"
	Bounced      Standing = "bounced"
	Complained   Standing = "complained"
	Removed      Standing = "removed" // by an organiser
	Erased       Standing = "erased"  // nothing is known of it any more
)

// Standings lists the standings.
func Standings() []Standing {
	return []Standing{Pending, Active, Unsubscribed, Bounced, Complained, Removed, Erased}
}

// Frequency is how often an address is written to.
type Frequency string

// Now is each announcement by itself, at once. Every other frequency is the name of a digest.
const Now Frequency = "now"

// digest is the digest that a frequency stands for; empty: none.
func (f Frequency) digest() string {
	if f == "" || f == Now {
		return ""
	}
	return string(f)
}

// Address is one address of a person on a personal channel, and all that the person chose for it.
type Address struct {
	ID          int64
	Person      int64 // what several addresses of one person have in common; alone: its ID
	Channel     string
	Address     string
	Name        string
	Language    announce.Language // empty: the announcement's default
	Zone        string            // IANA; empty: the community's
	Standing    Standing
	PausedUntil time.Time
	Frequency   Frequency
	QuietFrom   int      // minutes after midnight in Zone; nothing is sent from QuietFrom to QuietTo
	QuietTo     int      // equal to QuietFrom: any time will do
	Everything  bool     // every topic that is not private, beside Topics
	Topics      []string // sorted
	Created     time.Time
	Updated     time.Time
}

// Mailbox is what makes two addresses of a channel the same. Of a mail address the case does not count, and the domain
// is in ASCII (IDNA 2008, RFC 5891); elsewhere an address is exactly what it is.
func Mailbox(channel, address string) string {
	address = strings.TrimSpace(clean(address))
	if channel != "email" {
		return address
	}
	local, domain, _ := cutLast(strings.ToLower(address), "@")
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	}
	if local == "" {
		return domain
	}
	return local + "@" + domain
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

const addressColumns = `SELECT id, person, channel, address, name, language, zone, standing, paused_until, frequency, quiet_from, quiet_to,
	everything, created_at, updated_at FROM addresses `

func scanAddress(scan func(...any) error, more ...any) (a Address, err error) {
	var paused, everything, created, updated int64
	err = scan(append([]any{
		&a.ID, &a.Person, &a.Channel, &a.Address, &a.Name, &a.Language, &a.Zone, &a.Standing, &paused, &a.Frequency,
		&a.QuietFrom, &a.QuietTo, &everything, &created, &updated,
	}, more...)...)
	a.Person = cmp.Or(a.Person, a.ID)
	a.PausedUntil, a.Everything, a.Created, a.Updated = at(paused), everything == 1, at(created), at(updated)
	return a, err
}

// addresses reads addresses with their topics. tail goes behind the columns.
func (c conn) addresses(ctx context.Context, tail string, args ...any) ([]Address, error) {
	var all []Address
	err := c.each(ctx, addressColumns+tail, args, func(scan func(...any) error) error {
		a, err := scanAddress(scan)
		all = append(all, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, c.subscriptions(ctx, all)
}

// subscriptions fills in the topics.
func (c conn) subscriptions(ctx context.Context, all []Address) error {
	for some := range slices.Chunk(all, 64) {
		args, of := make([]any, len(some)), map[int64]*Address{}
		for i := range some {
			args[i], of[some[i].ID] = some[i].ID, &some[i]
		}
		err := c.each(ctx, `SELECT address, topic FROM subscriptions WHERE address IN (`+marked(len(args))+`) ORDER BY address, topic`, args,
			func(scan func(...any) error) error {
				var id int64
				var topic string
				err := scan(&id, &topic)
				if a := of[id]; a != nil {
					a.Topics = append(a.Topics, topic)
				}
				return err
			})
		if err != nil {
			return err
		}
		for i := range some {
			slices.Sort(some[i].Topics) // databases differ in how they order words
		}
	}
	return nil
}

func marked(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func (c conn) address(ctx context.Context, tail string, args ...any) (Address, error) {
	all, err := c.addresses(ctx, tail, args...)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Address{}, err
	}
	return all[0], nil
}

// Address finds an address by its number, also after its person left. ErrNotFound: there never was one.
func (db *DB) Address(ctx context.Context, id int64) (Address, error) {
	a, err := db.read().address(ctx, `WHERE id = ?`, id)
	return a, db.fault(err)
}

// AddressOf finds an address by what it is. Case and the like do not matter, see Mailbox.
func (db *DB) AddressOf(ctx context.Context, channel, address string) (Address, error) {
	a, err := db.read().address(ctx, `WHERE channel = ? AND mailbox = ?`, channel, Mailbox(channel, address))
	return a, db.fault(err)
}

// AddressesOf lists all addresses of a person, the oldest first.
func (db *DB) AddressesOf(ctx context.Context, person int64) ([]Address, error) {
	all, err := db.read().addresses(ctx, `WHERE id = ? OR person = ? ORDER BY id`, person, person)
	return all, db.fault(err)
}

// Search picks addresses. The zero value picks all that are not erased.
type Search struct {
	Channel  string     // empty: any
	Standing []Standing // none: any but erased
	Topic    string     // who chose it; empty: whatever they chose
	Prefix   string     // how the address begins; of a mail address the case does not count
	After    string     // what the last page returned as next
	Limit    int        // at most; 0: 100
}

const cursor = "\x1f" // between channel and mailbox

// where is the condition of a search, without order and limit.
func (s Search) where(postgres bool) (string, []any) {
	w, args := `WHERE `, []any{}
	and := func(condition string, a ...any) {
		if len(args) > 0 {
			w += " AND "
		}
		w, args = w+condition, append(args, a...)
	}
	standing := s.Standing
	if len(standing) == 0 {
		standing = Standings()[:6]
	}
	var in []any
	for _, x := range standing {
		in = append(in, string(x))
	}
	and(`standing IN (`+marked(len(in))+`)`, in...)
	if s.Channel != "" {
		and(`channel = ?`, s.Channel)
	}
	if s.After != "" {
		channel, mailbox, _ := strings.Cut(s.After, cursor)
		and(`(channel, mailbox) > (?, ?)`, clean(channel), clean(mailbox))
	}
	if p := strings.TrimSpace(clean(s.Prefix)); p != "" {
		if s.Channel == "" || s.Channel == "email" {
			p = strings.ToLower(p)
		}
		and(`substr(mailbox, 1, ?) = ?`, len([]rune(p)), p)
		if !postgres && s.Channel != "" { // where the order is that of bytes, only these need be looked at
			and(`mailbox >= ? AND mailbox < ?`, p, p+"\U0010FFFF")
		}
	}
	if s.Topic != "" {
		and(`EXISTS (SELECT 1 FROM subscriptions s WHERE s.address = addresses.id AND s.topic = ?)`, clean(s.Topic))
	}
	return w, args
}

// Addresses lists what a search picks, by channel and address. next is for Search.After; empty: these were the last.
func (db *DB) Addresses(ctx context.Context, s Search) (page []Address, next string, err error) {
	limit := cmp.Or(s.Limit, 100)
	where, args := s.where(db.postgres())
	var last string
	err = db.read().each(ctx, strings.Replace(addressColumns, " FROM", ", mailbox FROM", 1)+where+` ORDER BY channel, mailbox LIMIT ?`, append(args, limit+1),
		func(scan func(...any) error) error {
			var mailbox string
			a, err := scanAddress(scan, &mailbox)
			if len(page) == limit {
				next = last
				return err
			}
			page, last = append(page, a), a.Channel+cursor+mailbox
			return err
		})
	if err == nil {
		err = db.read().subscriptions(ctx, page)
	}
	if err != nil {
		return nil, "", db.fault(err)
	}
	return page, next, nil
}

// Numbers counts addresses by channel and standing.
func (db *DB) Numbers(ctx context.Context) (map[string]map[Standing]int, error) {
	all := map[string]map[Standing]int{}
	err := db.read().each(ctx, `SELECT channel, standing, COUNT(*) FROM addresses GROUP BY channel, standing`, nil, func(scan func(...any) error) error {
		var channel string
		var standing Standing
		var n int
		err := scan(&channel, &standing, &n)
		if all[channel] == nil {
			all[channel] = map[Standing]int{}
		}
		all[channel][standing] = n
		return err
	})
	return all, db.fault(err)
}

// emptied is the mailbox of an erased address: no address is written so.
func emptied(id int64) string { return "erased:" + strconv.FormatInt(id, 10) }
