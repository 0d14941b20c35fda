package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// The channels on which people can join by themselves here.
const (
	email   = "email"
	webpush = "webpush"
)

// maxForm is the most bytes of a form about one person.
const maxForm = 16 << 10

// asked is what somebody asks for on the public page, in a form elsewhere, or as JSON.
type asked struct {
	Channel    string            `json:"channel"` // email or webpush; empty: email
	Address    string            `json:"address"`
	Name       string            `json:"name"`
	Language   announce.Language `json:"language"`
	Topics     []string          `json:"topics"`
	Everything *bool             `json:"everything"` // nil: unless there are topics
	Frequency  store.Frequency   `json:"frequency"`  // empty: at once

	Lang      string `json:"lang"` // of the page, and so of the words that were shown
	Challenge string `json:"challenge"`
	Work      string `json:"work"`
	Person    string `json:"person"` // preferences token of whose further address this is; empty: a stranger
	pass      string
	trapped   bool // a field was filled in that people do not see
}

func (a asked) everything() bool {
	if a.Everything == nil {
		return len(a.Topics) == 0
	}
	return *a.Everything
}

// fields is the whole of what is asked, for the second page to bring back and for its pass to name.
func (a asked) fields() url.Values {
	v := url.Values{"address": {a.Address}, "everything": {"0"}}
	if a.everything() {
		v.Set("everything", "1")
	}
	for name, value := range map[string]string{"name": a.Name, "language": string(a.Language), "frequency": string(a.Frequency)} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(a.Topics) > 0 {
		v["topics"] = a.Topics
	}
	return v
}

// askedByForm reads a posted form.
func askedByForm(r *http.Request) asked {
	a := asked{
		Channel: email, Address: strings.TrimSpace(r.PostFormValue("address")), Name: strings.TrimSpace(r.PostFormValue("name")),
		Language: announce.Language(r.PostFormValue("language")), Topics: r.PostForm["topics"], Frequency: store.Frequency(r.PostFormValue("frequency")),
		Lang: r.PostFormValue("lang"), Challenge: r.PostFormValue("challenge"), Work: r.PostFormValue("work"),
		pass: r.PostFormValue("pass"), trapped: r.PostFormValue("homepage") != "",
	}
	if every := r.PostFormValue("everything"); every != "" {
		all := every != "0"
		a.Everything = &all
	}
	return a
}

// faults says what a person must change. It never depends on who is known.
func (a asked) faults(v view, offers []people.Facet, paces []people.Pace) (faults announce.Faults) {
	bad := func(field, fr, en string) {
		faults = append(faults, announce.Fault{Field: field, Say: v.Say(fr, en)})
	}
	if a.Channel != "" && people.BadAddress(a.Channel, a.Address) != "" {
		bad("address", "L’adresse n’en est pas une : écrivez ada@example.org.", "The address is not one: write ada@example.org.")
	}
	if !short(a.Name, 100) {
		bad("name", "Le nom est trop long : 100 caractères au plus, sur une ligne.", "The name is too long: at most 100 characters, on one line.")
	}
	if _, err := language.Parse(string(a.Language)); err != nil && a.Language != "" {
		bad("language", "La langue est inconnue.", "The language is not known.")
	}
	known := func(name string) bool {
		return slices.ContainsFunc(offers, func(f people.Facet) bool {
			return slices.ContainsFunc(f.Topics, func(t people.Choice) bool { return t.Name == name })
		})
	}
	switch {
	case !a.everything() && len(a.Topics) == 0 && len(offers) > 0:
		bad("topics", "Choisissez au moins un sujet, ou toutes les annonces.", "Choose at least one topic, or every announcement.")
	case slices.ContainsFunc(a.Topics, func(name string) bool { return !known(name) }):
		bad("topics", "Un sujet n’est pas, ou n’est plus, offert.", "A topic is not, or no longer, offered.")
	}
	if a.Frequency != "" && !slices.ContainsFunc(paces, func(p people.Pace) bool { return p.Frequency == a.Frequency }) {
		bad("frequency", "Ce rythme n’est pas offert.", "That is not offered.")
	}
	return faults
}

// words are what a person agrees to, as shown on the page and as kept in the proof of consent. Canada's law asks for the
// purpose, who asks, how they are reached, and that consent can be taken back (CASL, section 10(1); SOR/2012-36, section 4).
func (v view) Words() string {
	return people.Words(v.Site, announce.Language(v.Lang))
}

type subscribeView struct {
	view
	chooser
	door
	Mail   bool // people can subscribe by mail
	Asked  asked
	Faults announce.Faults
}

// Fault is what is wrong with a field; nil: nothing.
func (v subscribeView) Fault(field string) *announce.Fault { return faultOf(v.Faults, field) }

func faultOf(faults announce.Faults, field string) *announce.Fault {
	if i := slices.IndexFunc(faults, func(f announce.Fault) bool { return f.Field == field }); i >= 0 {
		return &faults[i]
	}
	return nil
}

// door is what a page needs for its scripts to come through the gate, and for the other channels.
type door struct {
	Challenge     string
	Bits, Seconds int
	PushKey       string
	Worker        string // address of the service worker
	Telegram      string
	Person        string
}

func (s *server) door(b people.Bearer, person string, shown announce.Language) door {
	d := door{Challenge: s.gate.challenge(s.Store.Now()), Bits: s.gate.work, Seconds: int(s.gate.fill.Seconds()), PushKey: s.PushKey, Person: person}
	if s.PushKey != "" {
		d.Worker = "/webpush.js?" + url.Values{"key": {s.PushKey}, "renew": {"/subscribe/renew"}}.Encode()
	}
	if s.Telegram != nil {
		d.Telegram = s.Telegram(b, shown)
	}
	return d
}

func (s *server) subscribePage(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, "")
	s.showSubscribe(w, r, http.StatusOK, v, asked{Channel: email}, nil)
}

func (s *server) showSubscribe(w http.ResponseWriter, r *http.Request, status int, v view, a asked, faults announce.Faults) {
	offers, paces, err := s.offers(r, v)
	if err != nil {
		s.unavailable(w, "the topics could not be read", err)
		return
	}
	v.Index, v.Script = true, "subscribe.js"
	a.Language = cmp.Or(a.Language, s.nearest(v))
	s.page(w, status, "subscribe.html", subscribeView{view: v, Mail: s.mail(), chooser: v.choose(offers, paces, a.choice()), door: s.door(people.Bearer{}, "", announce.Language(v.Lang)), Asked: a, Faults: faults})
}

// mail reports whether people can subscribe by mail.
func (s *server) mail() bool { return slices.Contains(s.People.Channels, email) }

// nearest is the community's language that a page is in, else its default.
func (s *server) nearest(v view) announce.Language {
	for _, l := range s.Site.Languages {
		if string(l.Base()) == v.Lang {
			return l
		}
	}
	return s.Site.Languages[0]
}

// subscribe takes a request to join and always answers the same: who is known here is nobody's business. It may come from
// a form on another site, for there is no cookie that such a form could misuse.
func (s *server) subscribe(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	a, asJSON, err := askedBy(r)
	if err != nil {
		unreadable(w, err)
		return
	}
	v := s.view(r, "")
	if asJSON && (a.Lang == "fr" || a.Lang == "en") {
		v.Lang = a.Lang
	}
	now := s.Store.Now()
	verdict := s.gate.judge(a.Challenge, a.Address, a.Work, now)
	if a.Channel != email && (a.Channel != webpush || s.PushKey == "") {
		verdict = program
	}
	if a.trapped || verdict == program || asJSON && verdict != person || !s.networks.allow(s.network(r), now) {
		s.sent(w, v, asJSON)
		return
	}
	if a.Channel == email && !asJSON && !s.mail() {
		s.showSubscribe(w, r, http.StatusNotFound, v, a, nil)
		return
	}
	offers, paces, err := s.offers(r, v)
	if err != nil {
		s.unavailable(w, "the topics could not be read", err)
		return
	}
	if faults := a.faults(v, offers, paces); len(faults) > 0 {
		if asJSON {
			reply(w, http.StatusUnprocessableEntity, map[string]any{"errors": faults})
			return
		}
		s.showSubscribe(w, r, http.StatusUnprocessableEntity, v, a, faults)
		return
	}
	if bound := a.fields().Encode(); verdict == unsure {
		good, come := s.gate.waited(a.pass, bound, now)
		if !good {
			a.pass = s.gate.pass(bound, now)
		}
		if !good || !come {
			s.page(w, http.StatusOK, "wait.html", waitView{v, a, a.pass, pairs(a.fields()), good})
			return
		}
	}
	if err := s.join(r, v, a); err != nil && !errors.As(err, new(announce.Faults)) && !errors.Is(err, people.ErrLink) {
		s.unavailable(w, "a request to join could not be taken", err)
		return
	}
	s.sent(w, v, asJSON)
}

// askedBy reads a request to join.
func askedBy(r *http.Request) (a asked, asJSON bool, err error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		if err = r.ParseForm(); err == nil {
			a = askedByForm(r)
		}
		return a, false, err
	}
	err = json.NewDecoder(r.Body).Decode(&a)
	a.Channel, a.Address, a.Name = cmp.Or(a.Channel, email), strings.TrimSpace(a.Address), strings.TrimSpace(a.Name)
	return a, true, err
}

// unreadable answers a body that is no form and no JSON.
func unreadable(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		status = http.StatusRequestEntityTooLarge
	}
	problem(w, status, "the request is neither a form nor JSON, or has more than 16 KiB")
}

func (a asked) choice() choice {
	return choice{a.Language, a.everything(), a.Topics, a.Frequency}
}

type waitView struct {
	view
	Asked  asked
	Pass   string
	Fields []pair
	Early  bool
}

type pair struct{ Name, Value string }

// pairs are the fields of a form, in an order that does not change.
func pairs(v url.Values) (all []pair) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		for _, value := range v[name] {
			all = append(all, pair{name, value})
		}
	}
	return all
}

// join hands over what passed. A browser that allowed notifications has confirmed by that.
func (s *server) join(r *http.Request, v view, a asked) error {
	j := people.Request{
		Channel: a.Channel, Address: a.Address, Name: a.Name, Language: cmp.Or(a.Language, s.nearest(v)), Topics: a.Topics, Everything: a.everything(),
		Frequency: a.Frequency, Words: v.Words(), How: "form", Network: s.network(r),
	}
	if a.Channel != webpush {
		return s.People.Join(r.Context(), j)
	}
	var err error
	if j.Address, err = s.PushAddress(a.Address); err != nil {
		return announce.Faults{{Field: "address", Say: err.Error()}}
	}
	of, err := s.Links.Read(people.Preferences, a.Person, s.Store.Now())
	if err != nil {
		of = people.Bearer{}
	}
	j.How = "browser"
	return s.People.Browser(r.Context(), j, of)
}

// offers are the topics and the frequencies that can be chosen, in the words of a page.
func (s *server) offers(r *http.Request, v view) (offers []people.Facet, paces []people.Pace, err error) {
	if offers, err = s.People.Offers(r.Context(), announce.Language(v.Lang)); err == nil {
		paces, err = s.People.Paces(r.Context(), announce.Language(v.Lang))
	}
	return offers, paces, err
}

// network is what is kept of where a request comes from.
func (s *server) network(r *http.Request) netip.Prefix { return people.Truncate(peer(r, s.Proxies)) }

// sent is the one answer to every request to join that could be read.
func (s *server) sent(w http.ResponseWriter, v view, asJSON bool) {
	title := v.Say("Regardez vos messages", "Look at your messages")
	line := v.Say("Si cette adresse peut recevoir nos annonces, un message qui demande de confirmer est en route. Rien d’autre ne lui sera envoyé avant cela.",
		"If this address can get our announcements, a message that asks to confirm is on its way. Nothing else is sent to it before that.")
	spam := v.Say("Il n’arrive pas ? Regardez parmi les indésirables, ou réessayez demain.", "It does not arrive? Look among the unwanted mail, or try again tomorrow.")
	if !asJSON {
		s.page(w, http.StatusOK, "notice.html", notice{view: v, Title: title, Lines: []string{line, spam}})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, http.StatusAccepted, map[string]string{
		"message": line, "note": "Only requests with the work of a challenge are heeded: see /subscribe/challenge and docs/subscribe.md.",
	})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
