package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/proof"
	"github.com/crieur/crieur/internal/store"
)

// proofUse is what the seals of proof pages are for.
const proofUse = "proof"

func (s *server) proofAPI() {
	o := op("GET", "/v1/announcements/{id}/proof", "proof", ScopeRead, "Prove, signed, where an announcement stands and who decided it", 404)
	o.Description = "People come as counts. page is an address that anybody who has it can read, to be given to a partner. How to check the signature: docs/proof.md."
	huma.Register(s.api, o, func(ctx context.Context, in *ByID) (*body[proof.Proof], error) {
		p, err := s.prove(ctx, in.ID)
		if err != nil {
			return nil, s.fail(err)
		}
		return &body[proof.Proof]{p}, nil
	})
}

// prove makes a proof with the address of its page.
func (s *server) prove(ctx context.Context, id announce.ID) (proof.Proof, error) {
	p, err := s.proofs.Make(ctx, id)
	if err == nil && s.Site.URL != "" {
		p.Page = s.Site.URL + "/proof/" + string(id) + "/" + base64.RawURLEncoding.EncodeToString(s.Links.Seal(proofUse, []byte(id)))
	}
	return p, err
}

type proofView struct {
	view
	proof.Proof
}

// proofOf is the proof of a page's address, or answers that there is none.
func (s *server) proofOf(w http.ResponseWriter, r *http.Request) (proof.Proof, bool) {
	id := announce.ID(r.PathValue("id"))
	seal, err := base64.RawURLEncoding.Strict().DecodeString(r.PathValue("seal"))
	var p proof.Proof
	if err != nil || !s.Links.Sealed(proofUse, []byte(id), seal) {
		err = store.ErrNotFound
	} else {
		p, err = s.prove(r.Context(), id)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		v := s.view(r, "")
		s.page(w, http.StatusNotFound, "notice.html", notice{
			view: v, Title: v.Say("Ce lien ne mène à aucune preuve", "This link leads to no proof"),
			Lines: []string{v.Say("Il a peut-être été coupé : demandez-le de nouveau à qui vous l’a donné.", "It may have been cut: ask whoever gave it to you for it again.")},
		})
	case err != nil:
		s.unavailable(w, "a proof could not be made", err)
	}
	return p, err == nil
}

// proofPage shows a proof to whoever has its address.
func (s *server) proofPage(w http.ResponseWriter, r *http.Request) {
	p, ok := s.proofOf(w, r)
	if !ok {
		return
	}
	s.page(w, http.StatusOK, "proof.html", proofView{s.view(r, ""), p})
}

// proofFile is the same for programs.
func (s *server) proofFile(w http.ResponseWriter, r *http.Request) {
	p, ok := s.proofOf(w, r)
	if !ok {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `inline; filename="proof-`+string(p.Statement.Announcement.ID)+`.json"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	_ = json.NewEncoder(w).Encode(p)
}

// proofKey is the key that proofs are checked with.
func (s *server) proofKey(w http.ResponseWriter, r *http.Request) {
	key, err := s.proofs.PublicKey(r.Context())
	if err != nil {
		s.unavailable(w, "the key of proofs could not be read", err)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(key)
}

// Title is the announcement's title in the page's language, or in another.
func (v proofView) Title() string {
	a := announce.Announcement{Texts: map[announce.Language]announce.Text{}}
	for l, t := range v.Statement.Announcement.Titles {
		a.Texts[l] = announce.Text{Title: t}
		if a.Default == "" || l < a.Default {
			a.Default = l
		}
	}
	_, t := a.Pick(announce.Language(v.Lang))
	return t.Title
}

// When is a moment in the community's zone, with the zone.
func (v proofView) When(t time.Time) string { return v.zoned(t, v.Site.Zone) }

// Starts is when the event starts, in its own zone.
func (v proofView) Starts() string {
	e := v.Statement.Announcement.Event
	return v.zoned(e.StartsAt, e.Zone)
}

// Messages is how many messages there are: "3 messages".
func (v proofView) Messages(n int) string {
	if n == 1 || n == 0 && v.Lang == "fr" {
		return fmt.Sprintf("%d message", n)
	}
	return fmt.Sprintf("%d messages", n)
}

// Counted is how many messages are in a state: "3 publiés".
func (v proofView) Counted(state announce.State, n int) string {
	word := v.StateWord(state)
	if v.Lang == "fr" && n > 1 {
		switch state {
		case announce.Published, announce.FailedState, announce.Retracted:
			word += "s"
		case announce.SkippedState:
			word = "laissés de côté"
		}
	}
	return fmt.Sprintf("%d\u00a0%s", n, word)
}

// StateWord is a state of a delivery in the page's language.
func (v proofView) StateWord(state announce.State) string {
	switch state {
	case announce.Published:
		return v.Say("publié", "published")
	case announce.Waiting:
		return v.Say("à venir", "to come")
	case announce.CallingNow:
		return v.Say("en cours", "under way")
	case announce.FailedState:
		return v.Say("refusé", "refused")
	case announce.Unknown:
		return v.Say("à vérifier", "to be verified")
	case announce.Retracted:
		return v.Say("retiré", "taken back")
	case announce.SkippedState:
		return v.Say("laissé de côté", "left out")
	}
	return string(state)
}

// By is who decided something, in the page's language.
func (v proofView) By(who string) string {
	if who == AtTheServer {
		return v.Say("la machine du serveur", AtTheServer)
	}
	if name, is := strings.CutPrefix(who, "token "); is {
		return v.Say("le jeton ", "token ") + name
	}
	return who
}

// KindWord is what follows an announcement, in the page's language.
func (v proofView) KindWord(k announce.Kind) string {
	switch k {
	case announce.KindChange:
		return v.Say("correction", "correction")
	case announce.KindCancellation:
		return v.Say("annulation", "cancellation")
	case announce.KindReminder:
		return v.Say("rappel", "reminder")
	case announce.KindRecap:
		return v.Say("retour sur l’événement", "recap")
	}
	return string(k)
}

// ActWord is what somebody decided, in the page's language.
func (v proofView) ActWord(d proof.Decision) string {
	switch d.Event {
	case proof.Cancelled:
		return v.Say("événement annulé", "event cancelled")
	case proof.Postponed:
		return v.Say("événement reporté à une date à venir", "event put off until a new date is known")
	case proof.Moved:
		return v.Say("événement déplacé à une autre date", "event moved to another date")
	case proof.Restored:
		return v.Say("événement maintenu", "event taking place after all")
	}
	switch d.What {
	case "submitted":
		return v.Say("accepté", "accepted")
	case "amended":
		return v.Say("modifié", "changed")
	case "retracted":
		return v.Say("retiré", "taken back")
	case "settled":
		return v.Say("réglé à la main", "settled by hand")
	case "announcement-resumed":
		return v.Say("envoi repris", "mailing resumed")
	case "released":
		return v.Say("libéré", "released")
	}
	return d.What
}
