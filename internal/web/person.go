package web

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// notice is a page that only says something.
type notice struct {
	view
	Title           string
	Lines           []string
	Fresh           string // path at which a fresh link can be asked for; empty: nowhere
	Next, NextWords string // where to go from here; empty: nowhere
}

// reader is whoever holds a link: the address that it was made for.
type reader struct {
	people.Bearer
	store.Address
	view
}

// reader finds who a link was made for, or answers what is to be said to whoever has none: false. An old link can be
// exchanged for a fresh one, which goes to the address alone.
func (s *server) reader(w http.ResponseWriter, r *http.Request, p people.Purpose) (reader, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	b, err := s.Links.Read(p, r.PathValue("token"), s.Store.Now())
	old := errors.Is(err, people.ErrExpired)
	var a store.Address
	if err == nil || old {
		if a, err = s.Store.Address(r.Context(), b.Address); err == nil && a.Standing == store.Erased {
			err = store.ErrNotFound
		}
	}
	v := s.view(r, a.Language)
	switch {
	case errors.Is(err, people.ErrLink), errors.Is(err, store.ErrNotFound):
		s.unknown(w, v)
	case err != nil:
		s.unavailable(w, "an address could not be read", err)
	case old && r.Method == http.MethodPost && r.PostFormValue("act") == "fresh":
		s.mailed(w, r, v, func() error { return s.People.Fresh(r.Context(), r.PathValue("token"), s.network(r)) })
	case old:
		s.page(w, http.StatusGone, "notice.html", notice{
			view: v, Title: v.Say("Ce lien a expiré", "This link has expired"), Fresh: r.URL.Path,
			Lines: []string{v.Say("Nous pouvons en envoyer un nouveau à la même adresse.", "We can send a new one to the same address.")},
		})
	default:
		return reader{b, a, v}, true
	}
	return reader{}, false
}

// unknown answers a link that is none, the same for each reason.
func (s *server) unknown(w http.ResponseWriter, v view) {
	s.page(w, http.StatusNotFound, "notice.html", notice{
		view: v, Title: v.Say("Ce lien n’est pas valable", "This link is not valid"),
		Lines: []string{v.Say("L’adresse n’est pas, ou n’est plus, sur la liste. Si le lien vient d’un message, assurez-vous de l’avoir copié en entier.",
			"The address is not, or no longer, on the list. If the link comes from a message, make sure that you copied all of it.")},
	})
}

// link is a link of the reader's own for another purpose, within this site.
func (s *server) link(b people.Bearer, p people.Purpose) string {
	return map[people.Purpose]string{people.Unsubscribe: "/unsubscribe/", people.Preferences: "/preferences/", people.Confirm: "/confirm/"}[p] +
		s.Links.Token(p, people.Bearer{Address: b.Address}, s.Store.Now())
}

// Where shows enough of an address for its owner to know it, and not enough for whoever the message was passed on to.
func (v view) Where(a store.Address) string {
	switch a.Channel {
	case email:
		return people.Masked(a.Channel, a.Address)
	case webpush:
		return v.Say("les notifications d’un navigateur", "the notifications of a browser")
	case "telegram":
		return "Telegram"
	}
	return a.Channel
}

type confirmView struct {
	view
	Address string
	Consent string // the words that were shown when it was asked for; empty: nobody knows
}

// confirmPage shows a button and changes nothing: scanners follow links.
func (s *server) confirmPage(w http.ResponseWriter, r *http.Request) {
	p, ok := s.reader(w, r, people.Confirm)
	if !ok {
		return
	}
	deeds, err := s.Store.Consents(r.Context(), p.ID)
	if err != nil {
		s.unavailable(w, "the words of a consent could not be read", err)
		return
	}
	consent := ""
	for _, d := range deeds {
		consent = cmp.Or(d.Words, consent)
	}
	s.page(w, http.StatusOK, "confirm.html", confirmView{p.view, p.Where(p.Address), consent})
}

func (s *server) confirm(w http.ResponseWriter, r *http.Request) {
	p, ok := s.reader(w, r, people.Confirm)
	if !ok {
		return
	}
	_, err := s.People.Confirm(r.Context(), r.PathValue("token"), "page", s.network(r))
	if errors.Is(err, people.ErrLink) {
		s.unknown(w, p.view)
		return
	}
	if err != nil {
		s.unavailable(w, "a confirmation could not be taken", err)
		return
	}
	s.page(w, http.StatusOK, "notice.html", notice{
		view: p.view, Title: p.Say("Bienvenue !", "Welcome!"),
		Lines: []string{p.Say("C’est confirmé : vous recevrez nos annonces.", "It is confirmed: you will get our announcements.")},
		Next:  s.link(p.Bearer, people.Preferences), NextWords: p.Say("Voir et changer vos préférences", "See and change your preferences"),
	})
}

type unsubscribeView struct {
	view
	Address string
	Done    bool
}

// unsubscribePage shows a button and changes nothing: scanners follow links (RFC 8058 section 1).
func (s *server) unsubscribePage(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.reader(w, r, people.Unsubscribe); ok {
		s.showUnsubscribe(w, p, p.Standing != store.Active && p.Standing != store.Pending)
	}
}

func (s *server) showUnsubscribe(w http.ResponseWriter, p reader, done bool) {
	s.page(w, http.StatusOK, "unsubscribe.html", unsubscribeView{p.view, p.Where(p.Address), done})
}

// unsubscribe acts at once and without questions, for a person and for a mail program's one-click POST, whatever its body
// (RFC 8058 section 3.2). Only who asks for it by a button of its page is written to once more.
func (s *server) unsubscribe(w http.ResponseWriter, r *http.Request) {
	p, ok := s.reader(w, r, people.Unsubscribe)
	if !ok {
		return
	}
	switch r.PostFormValue("act") {
	case "back":
		s.back(w, r, p)
		return
	case "preferences": // the link never ends, and mails are passed on: it shows and changes nothing but that it unsubscribes
		s.mailed(w, r, p.view, func() error { return s.People.SendLink(r.Context(), p.Bearer, s.network(r)) })
		return
	}
	how := "page"
	if r.PostFormValue("List-Unsubscribe") == "One-Click" {
		how = "one-click"
	}
	known, err := s.People.Unsubscribe(r.Context(), r.PathValue("token"), how, s.network(r))
	switch {
	case err != nil:
		s.unavailable(w, "an unsubscription failed", err)
	case !known:
		s.unknown(w, p.view)
	default:
		s.showUnsubscribe(w, p, true)
	}
}

// back asks the reader, by a letter to their own address, whether they want to be told again.
func (s *server) back(w http.ResponseWriter, r *http.Request, p reader) {
	s.mailed(w, r, p.view, func() error {
		return s.People.Back(r.Context(), p.Bearer, p.Words(), announce.Language(p.Lang), s.network(r))
	})
}

// mailed lets a letter be sent to the reader's own address. What is answered never says whether it is.
func (s *server) mailed(w http.ResponseWriter, r *http.Request, v view, send func() error) {
	if s.networks.allow(s.network(r), s.Store.Now()) {
		if err := send(); err != nil && !errors.Is(err, people.ErrLink) {
			s.unavailable(w, "a letter could not be put on record", err)
			return
		}
	}
	s.page(w, http.StatusOK, "notice.html", notice{
		view: v, Title: v.Say("Regardez vos messages", "Look at your messages"),
		Lines: []string{v.Say("Si cette adresse peut en recevoir un, un message avec un nouveau lien est en route. Rien ne change avant que vous le suiviez.",
			"If this address can get one, a message with a new link is on its way. Nothing changes before you follow it.")},
	})
}

// clock reads "22:30" as minutes after midnight.
func clock(s string) (minutes int, ok bool) {
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}
