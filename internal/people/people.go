package people

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people/list"
	"github.com/crieur/crieur/internal/store"
)

// Options are what a Service works with. All but the numbers, Tell and Address are required.
type Options struct {
	Store    *store.DB
	Links    *Links
	Site     announce.Site
	Channels []string                                                                         // personal channels that are on: email, telegram, ...
	Write    func(ctx context.Context, l Letter) error                                        // puts a letter on record; the same Key twice is one letter
	Tell     func(ctx context.Context, key string, texts map[announce.Language]announce.Text) // tells organisers something once per key; nil: the log does
	Address  func(channel, written string) (string, error)                                    // how the channel writes an address; nil: as it was written
	Log      *slog.Logger

	HourlyLetters int // confirmations in an hour, all together, before strangers cause no more; 0: 300
}

// Letter is what is to be written to one address. Its links are made when it is sent, and stored nowhere.
type Letter struct {
	Key      string // names the letter for ever
	Address  int64
	Channel  string
	Kind     announce.Kind // confirm, welcome, preferences
	Language announce.Language
}

// Service is how people join, choose and leave. Safe for concurrent use.
type Service struct {
	Options
	owed chan struct{} // something may be owed
}

// New returns a service. Letters are written while Run runs.
func New(o Options) *Service {
	if o.HourlyLetters == 0 {
		o.HourlyLetters = 300
	}
	return &Service{Options: o, owed: make(chan struct{}, 1)}
}

// Request is what somebody asks for who wants to be told.
type Request struct {
	Channel    string
	Address    string
	Name       string
	Language   announce.Language // of the page, and then of the letters
	Zone       string            // IANA; empty: the community's
	Topics     []string
	Everything bool
	Frequency  store.Frequency // empty: now
	Words      string          // the exact words shown beside the button
	How        string          // form, api TOKEN, ...
	Network    netip.Prefix    // see Truncate
}

// Truncate is the network of an address: /24 of IPv4, /48 of IPv6. More of an address is never stored.
func Truncate(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // an address that is none has no network
	return p
}

func (s *Service) limits() store.Limits {
	return store.Limits{Day: 1, Month: 3, NetworkHour: 60, NetworkDay: 200, Hour: s.HourlyLetters}
}

// Join asks whoever reads the address to confirm that they want to be told. nil says no more than that the request is
// well formed: somebody who is known, must not be written to, or was asked too often gets no letter, and nobody outside
// learns it. The error is a Faults when what was typed cannot be an address, or such a choice.
func (s *Service) Join(ctx context.Context, r Request) error {
	a, err := s.address(ctx, r)
	if err != nil {
		return err
	}
	return s.ask(ctx, store.Joining{Address: a, Deed: store.Deed{How: r.How, Basis: "express", Words: r.Words, Language: r.Language, Network: r.Network}, Most: s.limits()})
}

func (s *Service) ask(ctx context.Context, j store.Joining) error {
	_, became, err := s.Store.Ask(ctx, j)
	if err != nil {
		return err
	}
	s.became(ctx, became)
	return nil
}

// became wakes the writer, and tells organisers when strangers ask for more letters than there should be.
func (s *Service) became(ctx context.Context, a store.Asking) {
	s.Log.Debug("somebody asked to join", "became", a)
	switch a {
	case store.Owed:
		s.nudge()
	case store.TooMany:
		s.Log.Warn("more people ask to join than letters may be sent in an hour; nobody is asked to confirm until it is quieter", "limit", s.HourlyLetters)
		if s.Tell != nil {
			s.Tell(ctx, "joining:"+s.Store.Now().Format(time.DateOnly), flooded(s.HourlyLetters))
		}
	}
}

func flooded(limit int) map[announce.Language]announce.Text {
	return map[announce.Language]announce.Text{
		"fr": {
			Title: "Trop de demandes d’abonnement",
			Body: fmt.Sprintf("Plus de %d demandes d’abonnement sont arrivées en une heure : c’est sans doute un abus du formulaire. "+
				"Aucune confirmation ne part avant que le calme revienne. Si les demandes sont vraies, augmentez `CRIEUR_CONFIRMATIONS`.", limit),
		},
		"en": {
			Title: "Too many requests to subscribe",
			Body: fmt.Sprintf("More than %d requests to subscribe came within an hour: most likely somebody abuses the form. "+
				"No confirmation is sent until it is quieter. If the requests are real, raise `CRIEUR_CONFIRMATIONS`.", limit),
		},
	}
}

// address checks a request.
func (s *Service) address(ctx context.Context, r Request) (store.Address, error) {
	var f announce.Faults
	fault := func(field, format string, a ...any) {
		f = append(f, announce.Fault{Field: field, Say: fmt.Sprintf(format, a...)})
	}
	a := store.Address{
		Channel: r.Channel, Address: strings.TrimSpace(r.Address), Name: strings.Join(strings.Fields(r.Name), " "), Language: r.Language, Zone: r.Zone,
		Topics: r.Topics, Everything: r.Everything, Frequency: r.Frequency,
	}
	if a.Frequency == "" {
		a.Frequency = store.Now
	}
	if !slices.Contains(s.Channels, r.Channel) {
		fault("channel", "%q is not switched on here", r.Channel)
	}
	if say := s.normal(&a); say != "" {
		fault("address", "%s", say)
	}
	topics, err := s.Store.Topics(ctx)
	if err != nil {
		return a, err
	}
	for _, name := range a.Topics {
		if i := slices.IndexFunc(topics, func(t store.Topic) bool { return t.Name == name }); i < 0 || topics[i].Private {
			fault("topics", "%q is not a topic here", name) // the same for one that is private
		}
	}
	bad, err := s.badPaces(ctx)
	if err != nil {
		return a, err
	}
	f = append(append(f, BadChoice(a)...), bad(a.Frequency, "")...)
	return a, f.Err()
}

// normal writes an address as its channel does, so that it is known again. say is why it cannot be one.
func (s *Service) normal(a *store.Address) (say string) {
	if say := BadAddress(a.Channel, a.Address); say != "" || s.Address == nil {
		return say
	}
	address, err := s.Address(a.Channel, a.Address)
	if err != nil {
		return err.Error()
	}
	a.Address = address
	return ""
}

// BadAddress says why something cannot be an address on a channel; empty: it can.
func BadAddress(channel, address string) string {
	switch {
	case address == "":
		return "is required"
	case len(address) > 2000, strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
		return "is not an address"
	case channel != "email":
		return ""
	}
	if _, err := list.Mailbox(address); err != nil {
		return err.Error()
	}
	return ""
}

// BadChoice names what cannot be chosen for an address, but for its topics and how often.
func BadChoice(a store.Address) (f announce.Faults) {
	if len([]rune(a.Name)) > 200 || strings.ContainsFunc(a.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		f = append(f, announce.Fault{Field: "name", Say: "must be one line of at most 200 characters"})
	}
	if _, err := language.Parse(string(a.Language)); a.Language != "" && err != nil {
		f = append(f, announce.Fault{Field: "language", Say: "is not a language tag: write fr, fr-CA or en"})
	}
	if _, err := announce.Zone(a.Zone); a.Zone != "" && err != nil {
		f = append(f, announce.Fault{Field: "zone", Say: err.Error()})
	}
	if a.QuietFrom < 0 || a.QuietFrom >= 24*60 || a.QuietTo < 0 || a.QuietTo >= 24*60 {
		f = append(f, announce.Fault{Field: "quiet", Say: "must be times of day, from 00:00 to 23:59"})
	}
	return f
}

// Confirm makes the address of a Confirm link active: its reader said so, by pressing a button, not only by following
// the link. Repeating it changes nothing. ErrLink, ErrExpired: see Links.Read; ErrLink also when they left since.
func (s *Service) Confirm(ctx context.Context, token, how string, network netip.Prefix) (Profile, error) {
	b, err := s.Links.Read(Confirm, token, s.Store.Now())
	if err != nil {
		return Profile{}, err
	}
	if _, err := s.Store.Confirm(ctx, b.Address, store.Deed{How: how, Basis: "express", Network: network}); err != nil {
		return Profile{}, gone(err)
	}
	s.nudge()
	return s.Profile(ctx, b)
}

// Unsubscribe ends the subscription of an Unsubscribe link: no call for that address begins after it returned. It may be
// repeated. known is false, without an error, for a link that is not one of ours.
func (s *Service) Unsubscribe(ctx context.Context, token, how string, network netip.Prefix) (known bool, err error) {
	b, err := s.Links.Read(Unsubscribe, token, s.Store.Now())
	if err != nil {
		return false, nil //nolint:nilerr // that is what known says
	}
	return s.Store.EndSubscription(ctx, b.Address, store.Deed{How: how, Network: network})
}

// Fresh owes the address of an expired Preferences or Confirm link a letter with a fresh one, within the limits of Join.
// nil says nothing of whether there is such an address.
func (s *Service) Fresh(ctx context.Context, expired string, network netip.Prefix) error {
	now := s.Store.Now()
	for _, p := range []Purpose{Preferences, Confirm} {
		b, err := s.Links.Read(p, expired, now)
		if err != nil && err != ErrExpired { //nolint:errorlint // from this package, as it is
			continue
		}
		return s.SendLink(ctx, b, network)
	}
	return nil
}

// SendLink owes an address a letter with a fresh link to its preferences, within the limits of Join: whoever holds an older link of
// less weight, as in a mail that was passed on, learns nothing by it. nil says nothing of whether there is such an address.
func (s *Service) SendLink(ctx context.Context, b Bearer, network netip.Prefix) error {
	became, err := s.Store.AskAgain(ctx, b.Address, store.Deed{Network: network}, s.limits())
	if err == nil {
		s.became(ctx, became)
	}
	return ignoreMissing(err)
}

// Move asks whoever reads another address to confirm that it belongs to the same person. Once they do, the address of b
// leaves; until then it stays. What was chosen moves along. As with Join, nil says only that the request is well formed.
func (s *Service) Move(ctx context.Context, b Bearer, channel, address, how string, network netip.Prefix) error {
	old, err := s.known(ctx, b)
	if err != nil {
		return err
	}
	words := ""
	deeds, err := s.Store.Consents(ctx, old.ID)
	if err != nil {
		return err
	}
	for _, d := range deeds {
		if d.Words != "" {
			words = d.Words
		}
	}
	a := old
	a.Channel, a.Address = channel, strings.TrimSpace(address)
	var f announce.Faults
	if !slices.Contains(s.Channels, channel) {
		f = append(f, announce.Fault{Field: "channel", Say: fmt.Sprintf("%q is not switched on here", channel)})
	}
	if say := s.normal(&a); say != "" {
		f = append(f, announce.Fault{Field: "address", Say: say})
	}
	if err := f.Err(); err != nil {
		return err
	}
	return s.ask(ctx, store.Joining{
		Address: a, InPlace: old.ID, Most: s.limits(),
		Deed: store.Deed{How: how, Basis: "express", Words: words, Language: old.Language, Network: network},
	})
}
