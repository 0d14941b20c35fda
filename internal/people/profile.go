package people

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Profile is what a person sees about an address of theirs.
type Profile struct {
	ID          int64
	Channel     string
	Address     string // whole
	Masked      string // enough of it for its owner to know it
	Name        string
	Language    announce.Language
	Zone        string
	Standing    store.Standing
	PausedUntil time.Time // zero or past: not paused
	Frequency   store.Frequency
	QuietFrom   int // minutes after midnight
	QuietTo     int
	Everything  bool
	Topics      []string
	Created     time.Time
	Why         []Reason // the oldest first
	Offers      []Facet  // what can be chosen: topics that are not private, and private ones that were
	Others      []Other  // further addresses of the same person
	Channels    []string // that the person could move to
}

// Reason is one line of why somebody is written to.
type Reason struct {
	store.Deed
	Channel string
}

// Other is another address of the same person.
type Other struct {
	Channel, Masked string
	Standing        store.Standing
}

// Facet is a heading with topics to choose from.
type Facet struct {
	Name   string // kind, place, theme; empty: none
	Topics []Choice
}

// Choice is a topic in one language.
type Choice struct {
	Name, Label string
	Private     bool
}

// Change is what a person changes. nil: as it is.
type Change struct {
	Name        *string
	Language    *announce.Language
	Zone        *string
	Frequency   *store.Frequency
	Quiet       *[2]int // from and to, minutes after midnight; equal: any time will do
	Everything  *bool
	Topics      *[]string
	PausedUntil *time.Time // zero or past: pause no more
}

// Profile tells a person what is known of the address, and why they are written to. ErrLink: there is no such address.
func (s *Service) Profile(ctx context.Context, b Bearer) (Profile, error) {
	a, err := s.known(ctx, b)
	if err != nil {
		return Profile{}, err
	}
	p := Profile{
		ID: a.ID, Channel: a.Channel, Address: a.Address, Masked: Masked(a.Channel, a.Address), Name: a.Name, Language: a.Language, Zone: a.Zone, Standing: a.Standing,
		PausedUntil: a.PausedUntil, Frequency: a.Frequency, QuietFrom: a.QuietFrom, QuietTo: a.QuietTo, Everything: a.Everything, Topics: a.Topics,
		Created: a.Created, Channels: s.Channels,
	}
	deeds, err := s.Store.Consents(ctx, a.ID)
	if err != nil {
		return Profile{}, err
	}
	for _, d := range deeds {
		p.Why = append(p.Why, Reason{d, a.Channel})
	}
	if p.Offers, err = s.offers(ctx, a.Language, a.Topics); err != nil {
		return Profile{}, err
	}
	others, err := s.decides(ctx, a)
	if err != nil {
		return Profile{}, err
	}
	for _, o := range others {
		if o.ID != a.ID && o.Standing != store.Erased {
			p.Others = append(p.Others, Other{o.Channel, Masked(o.Channel, o.Address), o.Standing})
		}
	}
	return p, nil
}

// known is the address that a link stands for.
func (s *Service) known(ctx context.Context, b Bearer) (store.Address, error) {
	a, err := s.Store.Address(ctx, b.Address)
	if err == nil && a.Standing == store.Erased {
		err = store.ErrNotFound
	}
	return a, gone(err)
}

// decides lists the addresses about which whoever reads a decides: all of the person. Of one that was replaced or taken off
// itself alone, for nobody knows that whoever has the new one wanted to share it: a stranger can ask to move to any address.
func (s *Service) decides(ctx context.Context, a store.Address) ([]store.Address, error) {
	if a.Standing == store.Removed {
		return []store.Address{a}, nil
	}
	return s.Store.AddressesOf(ctx, a.Person)
}

// gone makes what is not there a link that is not ours.
func gone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return ErrLink
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Masked shows enough of an address for its owner to know it.
func Masked(channel, address string) string {
	name, domain, ok := strings.Cut(address, "@")
	if channel == "email" && ok && name != "" {
		return string([]rune(name)[:1]) + "…@" + domain
	}
	if r := []rune(address); len(r) > 4 {
		return "…" + string(r[len(r)-2:])
	}
	return "…"
}

// Change changes what a person chose. The error is a Faults when it cannot be chosen; ErrLink: there is no such address.
func (s *Service) Change(ctx context.Context, b Bearer, c Change, how string, network netip.Prefix) (Profile, error) {
	topics, err := s.Store.Topics(ctx)
	if err != nil {
		return Profile{}, err
	}
	bad, err := s.badPaces(ctx)
	if err != nil {
		return Profile{}, err
	}
	_, err = s.Store.ChangeAddress(ctx, b.Address, func(a *store.Address) error {
		had, often := slices.Clone(a.Topics), a.Frequency
		c.apply(a)
		f := append(BadChoice(*a), bad(a.Frequency, often)...)
		for _, name := range a.Topics {
			i := slices.IndexFunc(topics, func(t store.Topic) bool { return t.Name == name })
			if i < 0 || topics[i].Private && !slices.Contains(had, name) {
				f = append(f, announce.Fault{Field: "topics", Say: fmt.Sprintf("%q is not a topic here", name)})
			}
		}
		return f.Err()
	}, store.Deed{Act: store.Changed, How: how, Network: network})
	if err != nil {
		return Profile{}, gone(err)
	}
	return s.Profile(ctx, b)
}

func (c Change) apply(a *store.Address) {
	set(&a.Language, c.Language)
	set(&a.Zone, c.Zone)
	set(&a.Frequency, c.Frequency)
	set(&a.Everything, c.Everything)
	set(&a.Topics, c.Topics)
	set(&a.PausedUntil, c.PausedUntil)
	if c.Name != nil {
		a.Name = strings.Join(strings.Fields(*c.Name), " ")
	}
	if c.Quiet != nil {
		a.QuietFrom, a.QuietTo = c.Quiet[0], c.Quiet[1]
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// Offers lists the topics that are not private, under their headings, in the words of a language.
func (s *Service) Offers(ctx context.Context, l announce.Language) ([]Facet, error) {
	return s.offers(ctx, l, nil)
}

func (s *Service) offers(ctx context.Context, l announce.Language, chosen []string) ([]Facet, error) {
	topics, err := s.Store.Topics(ctx)
	if err != nil {
		return nil, err
	}
	var all []Facet
	for _, t := range topics {
		if t.Private && !slices.Contains(chosen, t.Name) {
			continue
		}
		i := slices.IndexFunc(all, func(f Facet) bool { return f.Name == t.Facet })
		if i < 0 {
			i, all = len(all), append(all, Facet{Name: t.Facet})
		}
		all[i].Topics = append(all[i].Topics, Choice{t.Name, s.label(t, l), t.Private})
	}
	return all, nil
}

// label is a topic in a language, in the community's, or else its name.
func (s *Service) label(t store.Topic, l announce.Language) string {
	for _, want := range append([]announce.Language{l, l.Base()}, s.Site.Languages...) {
		if w := t.Labels[want]; w != "" {
			return w
		}
	}
	return t.Name
}

// Export is everything that the record knows of the person, as JSON: a key for each table (GDPR art. 15 and 20, Quebec's
// P-39.1 section 27). By the link of an address that was replaced: all that is known of that address.
func (s *Service) Export(ctx context.Context, b Bearer) ([]byte, error) {
	a, err := s.known(ctx, b)
	if err != nil {
		return nil, err
	}
	all, err := s.decides(ctx, a)
	if err != nil {
		return nil, err
	}
	return s.Store.Export(ctx, all)
}

// Erase forgets the person: every address of theirs, and all that hangs on it. A keyed hash of each stays, so that they
// are never written to again, even if an old list is imported. By the link of an address that was replaced: that address.
func (s *Service) Erase(ctx context.Context, b Bearer, how string) error {
	a, err := s.known(ctx, b)
	if err != nil {
		return err
	}
	all, err := s.decides(ctx, a)
	if err != nil {
		return err
	}
	return s.erase(ctx, all, how)
}

// Forget is Erase by an organiser, of all addresses of a person. ErrNotFound of the store: there is none.
func (s *Service) Forget(ctx context.Context, person int64, who string) error {
	all, err := s.Store.AddressesOf(ctx, person)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(a store.Address) bool { return a.Standing != store.Erased }) {
		return store.ErrNotFound
	}
	return s.erase(ctx, all, who)
}

func (s *Service) erase(ctx context.Context, all []store.Address, how string) error {
	for _, o := range all {
		if o.Standing == store.Erased {
			continue
		}
		if err := ignoreMissing(s.Store.EraseAddress(ctx, o.ID, store.Deed{How: how})); err != nil { // missing: just erased
			return err
		}
	}
	return nil
}

// Amend is Change by an organiser, who may also choose topics that are private.
func (s *Service) Amend(ctx context.Context, id int64, c Change, who string) (store.Address, error) {
	bad, err := s.badPaces(ctx)
	if err != nil {
		return store.Address{}, err
	}
	a, err := s.Store.ChangeAddress(ctx, id, func(a *store.Address) error {
		often := a.Frequency
		c.apply(a)
		return append(BadChoice(*a), bad(a.Frequency, often)...).Err()
	}, store.Deed{Act: store.Changed, How: who})
	return a, err
}

// Add adds people who agreed elsewhere; d says how. With confirm each is written to first, and active once they said yes.
// The error is a Faults naming everyone who cannot be added; then nobody is.
func (s *Service) Add(ctx context.Context, all []store.Address, d store.Deed, confirm bool) (store.Taken, error) {
	topics, err := s.Store.Topics(ctx)
	if err != nil {
		return store.Taken{}, err
	}
	bad, err := s.badPaces(ctx)
	if err != nil {
		return store.Taken{}, err
	}
	var f announce.Faults
	for i := range all {
		a := &all[i]
		path := fmt.Sprintf("subscribers[%d].", i)
		if !slices.Contains(s.Channels, a.Channel) && a.Channel != "email" {
			f = append(f, announce.Fault{Field: path + "channel", Say: fmt.Sprintf("%q is not switched on here", a.Channel)})
		}
		if say := s.normal(a); say != "" {
			f = append(f, announce.Fault{Field: path + "address", Say: say})
		}
		for _, x := range append(BadChoice(*a), bad(a.Frequency, "")...) {
			f = append(f, announce.Fault{Field: path + x.Field, Say: x.Say})
		}
		for _, name := range a.Topics {
			if !slices.ContainsFunc(topics, func(t store.Topic) bool { return t.Name == name }) {
				f = append(f, announce.Fault{Field: path + "topics", Say: fmt.Sprintf("%q is not a topic here", name)})
			}
		}
		if a.Standing = store.Active; confirm {
			a.Standing = store.Pending
		}
	}
	if err := f.Err(); err != nil {
		return store.Taken{}, err
	}
	if d.Basis == "" {
		d.Basis = "express"
	}
	if confirm {
		d.Act, d.Basis, d.At = store.Asked, "", time.Time{} // asking happens now, whenever they agreed elsewhere
	}
	n, err := s.Store.AddAddresses(ctx, all, d)
	if confirm {
		s.nudge()
	}
	return n, err
}
