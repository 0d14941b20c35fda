package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

type preferencesView struct {
	view
	chooser
	door
	Address, State     string
	Active             bool
	Name               string
	Today, Paused      string // 2027-03-14
	QuietFrom, QuietTo string // 22:30
	Zone               string
	Zones              []string
	Acts               []act
	Unsubscribe        string
	Told               string // what was just done
	Faults             announce.Faults
}

// Fault is what is wrong with a field; nil: nothing.
func (v preferencesView) Fault(field string) *announce.Fault { return faultOf(v.Faults, field) }

// act is one line of the log of consents, for whom it is about.
type act struct {
	Stamp, When, What string
	Words             string // that were shown
	Lang              announce.Language
}

// zones are some that people may look for; any other of the IANA database can be written too.
func zones(own string) []string {
	return []string{own, "America/St_Johns", "America/Halifax", "America/Toronto", "America/Winnipeg", "America/Edmonton", "America/Vancouver",
		"America/Martinique", "Europe/Paris", "Europe/Brussels", "Europe/Zurich", "Europe/London", "Africa/Abidjan", "Africa/Casablanca", "Africa/Tunis",
		"Indian/Reunion", "Pacific/Noumea", "UTC"}
}

// zone is where the times of an address are.
func (v view) zone(a store.Address) *time.Location {
	for _, name := range []string{a.Zone, v.Site.Zone} {
		if loc, err := announce.Zone(name); err == nil {
			return loc
		}
	}
	return time.UTC
}

func (s *server) preferencesPage(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.reader(w, r, people.Preferences); ok {
		s.showPreferences(w, r, http.StatusOK, p, p.Address, "", nil)
	}
}

// showPreferences shows the form with the choices of a, which may be refused ones.
func (s *server) showPreferences(w http.ResponseWriter, r *http.Request, status int, p reader, a store.Address, told string, faults announce.Faults) {
	profile, err := s.People.Profile(r.Context(), p.Bearer)
	var offers []people.Facet
	var paces []people.Pace
	if err == nil {
		offers, paces, err = s.offers(r, p.view)
	}
	if err != nil {
		s.unavailable(w, "the preferences could not be read", err)
		return
	}
	zone, now := p.zone(a), s.Store.Now()
	language := a.Language
	if language == "" {
		language = s.nearest(p.view)
	}
	v := preferencesView{
		view: p.view, chooser: p.choose(relabelled(profile.Offers, offers), paces, choice{language, a.Everything, a.Topics, a.Frequency}),
		door: s.door(p.Bearer, r.PathValue("token"), announce.Language(p.Lang)), Address: p.Where(p.Address), State: p.state(p.Address, now), Active: p.Standing == store.Active,
		Name: a.Name, Today: now.In(zone).Format(time.DateOnly), Zone: a.Zone, Zones: zones(s.Site.Zone), Acts: p.acts(profile.Why, zone),
		Unsubscribe: s.link(p.Bearer, people.Unsubscribe), Told: told, Faults: faults,
	}
	if a.PausedUntil.After(now) {
		v.Paused = a.PausedUntil.In(zone).Format(time.DateOnly)
	}
	if a.QuietFrom != a.QuietTo {
		v.QuietFrom, v.QuietTo = hand(a.QuietFrom), hand(a.QuietTo)
	}
	v.Script = "subscribe.js"
	s.page(w, status, "preferences.html", v)
}

func hand(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// state is how an address stands, for its owner.
func (v view) state(a store.Address, now time.Time) string {
	switch {
	case a.Standing == store.Active && a.PausedUntil.After(now):
		return v.Say("en pause jusqu’au ", "paused until ") + v.day(a.PausedUntil.In(v.zone(a)))
	case a.Standing == store.Active:
		return v.Say("abonnement actif", "subscribed")
	case a.Standing == store.Pending:
		return v.Say("pas encore confirmé", "not confirmed yet")
	case a.Standing == store.Bounced:
		return v.Say("l’adresse a refusé nos messages", "the address refused our messages")
	}
	return v.Say("abonnement terminé", "unsubscribed")
}

// acts tells the log of consents, the latest first.
func (v view) acts(why []people.Reason, zone *time.Location) (all []act) {
	for _, d := range slices.Backward(why) {
		what := map[store.Act]string{
			store.Asked:       v.Say("quelqu’un a demandé cet abonnement", "somebody asked for this subscription"),
			store.Confirmed:   v.Say("l’abonnement a été confirmé", "the subscription was confirmed"),
			store.Changed:     v.Say("des choix ont été changés", "choices were changed"),
			store.Unsubscribe: v.Say("désabonnement", "unsubscribed"),
			store.Imported:    v.Say("l’adresse vient d’une liste que les organisateurs avaient", "the address comes from a list that the organisers had"),
			store.Added:       v.Say("les organisateurs ont ajouté l’adresse", "the organisers added the address"),
			store.HasBounced:  v.Say("l’adresse a refusé un message", "the address refused a message"),
			store.Complaint:   v.Say("un message a été signalé comme indésirable", "a message was reported as unwanted"),
			store.WasRemoved:  v.Say("les organisateurs ont retiré l’adresse", "the organisers removed the address"),
		}[d.Act]
		if d.Network.IsValid() {
			what += v.Say(", depuis le réseau ", ", from the network ") + d.Network.String()
		}
		at := d.At.In(zone)
		all = append(all, act{at.Format(time.RFC3339), v.moment(at), cmp.Or(what, string(d.Act)), d.Words, d.Language})
	}
	return all
}

// preferences does what a button of the page says.
func (s *server) preferences(w http.ResponseWriter, r *http.Request) {
	p, ok := s.reader(w, r, people.Preferences)
	if !ok {
		return
	}
	switch r.PostFormValue("act") {
	case "save":
		s.save(w, r, p)
	case "back":
		s.back(w, r, p)
	case "move":
		s.move(w, r, p)
	case "export":
		s.export(w, r, p)
	case "erase":
		s.erase(w, r, p)
	default:
		s.showPreferences(w, r, http.StatusBadRequest, p, p.Address, "", nil)
	}
}

func (s *server) save(w http.ResponseWriter, r *http.Request, p reader) {
	profile, err := s.People.Profile(r.Context(), p.Bearer)
	if err != nil {
		s.unavailable(w, "the preferences could not be read", err)
		return
	}
	_, paces, err := s.offers(r, p.view)
	if err != nil {
		s.unavailable(w, "what can be chosen could not be read", err)
		return
	}
	a, faults := s.wished(r, p, profile.Offers, paces)
	if len(faults) == 0 {
		quiet := [2]int{a.QuietFrom, a.QuietTo}
		profile, err = s.People.Change(r.Context(), p.Bearer, people.Change{
			Name: &a.Name, Language: &a.Language, Zone: &a.Zone, Frequency: &a.Frequency, Quiet: &quiet, Everything: &a.Everything, Topics: &a.Topics, PausedUntil: &a.PausedUntil,
		}, "page", s.network(r))
		switch {
		case err == nil:
			p.Address, p.view = a, s.view(r, a.Language)
			s.showPreferences(w, r, http.StatusOK, p, a, p.Say("C’est enregistré.", "Saved."), nil)
			return
		case errors.Is(err, people.ErrLink):
			s.unknown(w, p.view)
			return
		case !errors.As(err, &faults):
			s.unavailable(w, "preferences could not be changed", err)
			return
		}
	}
	s.showPreferences(w, r, http.StatusUnprocessableEntity, p, a, "", faults)
}

// wished is the reader's address as the form wants it. A pause lasts until the day that is named begins.
func (s *server) wished(r *http.Request, p reader, offers []people.Facet, paces []people.Pace) (store.Address, announce.Faults) {
	in, a, v, now := askedByForm(r), p.Address, p.view, s.Store.Now()
	in.Channel = "" // the address is not in this form
	if in.Frequency == a.Frequency {
		in.Frequency = "" // it may be one that is not offered any more
	}
	faults := in.faults(v, offers, paces)
	bad := func(field, fr, en string) {
		faults = append(faults, announce.Fault{Field: field, Say: v.Say(fr, en)})
	}
	a.Name, a.Frequency, a.Everything, a.Topics = in.Name, cmp.Or(in.Frequency, a.Frequency), in.everything(), in.Topics
	a.Language = cmp.Or(in.Language, a.Language)
	a.Zone = strings.TrimSpace(r.PostFormValue("zone"))
	if _, err := announce.Zone(a.Zone); err != nil && a.Zone != "" {
		bad("zone", "Ce fuseau horaire est inconnu : écrivez America/Toronto ou Europe/Paris.", "This time zone is not known: write America/Toronto or Europe/Paris.")
	}
	a.PausedUntil = time.Time{}
	if day := r.PostFormValue("paused"); day != "" {
		until, err := time.ParseInLocation(time.DateOnly, day, v.zone(a))
		switch {
		case err != nil:
			bad("paused", "La date n’en est pas une : écrivez 2027-03-14.", "The date is not one: write 2027-03-14.")
		case until.After(now.AddDate(5, 0, 0)):
			bad("paused", "La pause est trop longue : cinq ans au plus.", "The pause is too long: five years at most.")
		case until.After(now):
			a.PausedUntil = until
		}
	}
	from, to := r.PostFormValue("quiet_from"), r.PostFormValue("quiet_to")
	var fromOK, toOK bool
	a.QuietFrom, fromOK = clock(from)
	a.QuietTo, toOK = clock(to)
	if from+to == "" {
		a.QuietFrom, a.QuietTo = 0, 0
	} else if !fromOK || !toOK {
		bad("quiet_from", "Donnez les deux heures, ou aucune : 22:00 et 07:00.", "Give both times or neither: 22:00 and 07:00.")
	}
	return a, faults
}

func (s *server) move(w http.ResponseWriter, r *http.Request, p reader) {
	in := askedByForm(r)
	if people.BadAddress(email, in.Address) != "" {
		faults := announce.Faults{{Field: "address", Say: p.Say("L’adresse n’en est pas une : écrivez ada@example.org.", "The address is not one: write ada@example.org.")}}
		s.showPreferences(w, r, http.StatusUnprocessableEntity, p, p.Address, "", faults)
		return
	}
	if s.networks.allow(s.network(r), s.Store.Now()) {
		if err := s.People.Move(r.Context(), p.Bearer, email, in.Address, "page", s.network(r)); err != nil && !errors.As(err, new(announce.Faults)) {
			s.unavailable(w, "an address could not be moved", err)
			return
		}
	}
	s.sent(w, p.view, false)
}

// export gives the reader all that is known of them.
func (s *server) export(w http.ResponseWriter, r *http.Request, p reader) {
	all, err := s.People.Export(r.Context(), p.Bearer)
	if err != nil {
		s.unavailable(w, "an export failed", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="crieur-`+s.Store.Now().UTC().Format(time.DateOnly)+`.json"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	_, _ = w.Write(all)
}

type eraseView struct {
	view
	Address string
}

// erase asks once more, then forgets.
func (s *server) erase(w http.ResponseWriter, r *http.Request, p reader) {
	if r.PostFormValue("sure") != "yes" {
		s.page(w, http.StatusOK, "erase.html", eraseView{p.view, p.Where(p.Address)})
		return
	}
	if err := s.People.Erase(r.Context(), p.Bearer, "page"); err != nil {
		s.unavailable(w, "an address could not be erased", err)
		return
	}
	s.page(w, http.StatusOK, "notice.html", notice{
		view: p.view, Title: p.Say("C’est effacé", "Erased"),
		Lines: []string{p.Say("Nous ne savons plus rien de vous, et ne vous écrirons plus.", "We know nothing of you any more, and will not write to you again.")},
	})
}

// short reports whether s is one line of at most n characters.
func short(s string, n int) bool {
	return utf8.RuneCountInString(s) <= n && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
