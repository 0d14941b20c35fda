package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
)

// maxForm is the most bytes of a form about one person.
const maxForm = 16 << 10

// asked is what somebody asks for on the public page, in a form elsewhere, or as JSON.
type asked struct {
	Channel    announce.Channel  `json:"channel"` // empty: email
	Address    string            `json:"address"`
	Name       string            `json:"name"`
	Language   announce.Language `json:"language"`
	Topics     []string          `json:"topics"`
	Everything *bool             `json:"everything"` // nil: unless there are topics
	Frequency  people.Frequency  `json:"frequency"`  // empty: at once

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
		Address: strings.TrimSpace(r.PostFormValue("address")), Name: strings.TrimSpace(r.PostFormValue("name")),
		Language: announce.Language(r.PostFormValue("language")), Topics: r.PostForm["topics"], Frequency: people.Frequency(r.PostFormValue("frequency")),
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
func (a asked) faults(v view, offered bool) (faults announce.Faults) {
	bad := func(field, fr, en string) {
		faults = append(faults, announce.Fault{Field: field, Say: v.Say(fr, en)})
	}
	if m, err := mail.ParseAddress(a.Address); a.Channel == "email" && (err != nil || m.Name != "" || m.Address != a.Address) || len(a.Address) > 4096 || a.Address == "" {
		bad("address", "L’adresse n’en est pas une : écrivez ada@example.org.", "The address is not one: write ada@example.org.")
	}
	if utf8.RuneCountInString(a.Name) > 100 || strings.ContainsFunc(a.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		bad("name", "Le nom est trop long : 100 caractères au plus, sur une ligne.", "The name is too long: at most 100 characters, on one line.")
	}
	if _, err := language.Parse(string(a.Language)); err != nil && a.Language != "" {
		bad("language", "La langue est inconnue.", "The language is not known.")
	}
	if offered && !a.everything() && len(a.Topics) == 0 {
		bad("topics", "Choisissez au moins un sujet, ou toutes les annonces.", "Choose at least one topic, or every announcement.")
	}
	return faults
}

// words are what a person agrees to, as shown on the page and as kept in the proof of consent. Canada's law asks for the
// purpose, who asks, how they are reached, and that consent can be taken back (CASL, section 10(1); SOR/2012-36, section 4).
func (v view) Words() string {
	sender := v.Site.Name
	if v.Site.Postal != "" {
		sender += ", " + v.Site.Postal
	}
	return v.Say(
		fmt.Sprintf("J’accepte que %s m’envoie ses annonces, telles que je les ai choisies ci-dessus. Je peux retirer cet accord à tout moment, par le lien de chaque message.", sender),
		fmt.Sprintf("I agree that %s sends me its announcements, as I chose them above. I can take this back at any time, by the link in each message.", sender))
}

type subscribeView struct {
	view
	chooser
	door
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

func (s *server) door(b people.Bearer, person string) door {
	d := door{Challenge: s.gate.challenge(s.Store.Now()), Bits: s.gate.work, Seconds: int(s.gate.fill.Seconds()), PushKey: s.PushKey, Person: person}
	if s.PushKey != "" {
		d.Worker = "/webpush.js?" + url.Values{"key": {s.PushKey}}.Encode()
	}
	if s.Telegram != nil {
		d.Telegram = s.Telegram(b)
	}
	return d
}

func (s *server) subscribePage(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, "")
	s.showSubscribe(w, r, http.StatusOK, v, asked{Channel: "email", Language: s.nearest(v)}, nil)
}

func (s *server) showSubscribe(w http.ResponseWriter, r *http.Request, status int, v view, a asked, faults announce.Faults) {
	offers, err := s.People.Offers(r.Context())
	if err != nil {
		s.unavailable(w, "the topics could not be read", err)
		return
	}
	v.Index, v.Script = true, "subscribe.js"
	s.page(w, status, "subscribe.html", subscribeView{view: v, chooser: choose(v, offers, a.choice()), door: s.door(people.Bearer{}, ""), Asked: a, Faults: faults})
}

// nearest is the community's language that a page is in, else its default.
func (s *server) nearest(v view) announce.Language {
	for _, l := range s.Site.Languages {
		if l.Base() == announce.Language(v.Lang) {
			return l
		}
	}
	return s.Site.Languages[0]
}

// subscribe takes a request to join and always answers the same: who is known here is nobody's business. It may come from
// a form on another site, for there is no cookie that such a form could misuse.
func (s *server) subscribe(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		s.subscribeJSON(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, "Formulaire illisible. / The form cannot be read.", http.StatusBadRequest)
		return
	}
	a, v := askedByForm(r), s.view(r, "")
	a.Channel = "email"
	now := s.Store.Now()
	switch {
	case a.trapped, a.Work != "" && !s.gate.solved(a.Challenge, a.Address, a.Work, now) && !s.gate.stale(a.Challenge, now):
		s.sent(w, v) // a program
		return
	case a.Work != "" && !s.gate.stale(a.Challenge, now):
	default:
		bound := a.fields().Encode()
		good, come := s.gate.waited(a.pass, bound, now)
		if good && come {
			break
		}
		if offers, err := s.People.Offers(r.Context()); err != nil {
			s.unavailable(w, "the topics could not be read", err)
			return
		} else if faults := a.faults(v, len(offers.Topics) > 0); len(faults) > 0 {
			s.showSubscribe(w, r, http.StatusUnprocessableEntity, v, a, faults)
			return
		}
		if !good {
			a.pass = s.gate.pass(bound, now)
		}
		s.page(w, http.StatusOK, "wait.html", waitView{view: v, Asked: a, Pass: a.pass, Fields: pairs(a.fields()), Early: good})
		return
	}
	offers, err := s.People.Offers(r.Context())
	if err != nil {
		s.unavailable(w, "the topics could not be read", err)
		return
	}
	if faults := a.faults(v, len(offers.Topics) > 0); len(faults) > 0 {
		s.showSubscribe(w, r, http.StatusUnprocessableEntity, v, a, faults)
		return
	}
	if err := s.join(r, v, a, "form"); err != nil {
		s.unavailable(w, "a subscription could not be taken", err)
		return
	}
	s.sent(w, v)
}
