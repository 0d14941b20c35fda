package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"

	"github.com/crieur/crieur/internal/store"
)

// challenge is what a program needs to subscribe somebody who asked it to: the work to do, the words to show, the choices.
func (s *server) challenge(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, "")
	offers, paces, err := s.offers(r, v)
	if err != nil {
		s.unavailable(w, "the topics could not be read", err)
		return
	}
	type topic struct {
		Name  string `json:"name"`
		Words string `json:"words"`
	}
	topics := []topic{}
	for _, f := range offers {
		for _, t := range f.Topics {
			topics = append(topics, topic{t.Name, t.Label})
		}
	}
	often := make([]store.Frequency, len(paces))
	for i, p := range paces {
		often[i] = p.Frequency
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, http.StatusOK, map[string]any{
		"challenge": s.gate.challenge(s.Store.Now()), "bits": s.gate.work, "after_seconds": s.gate.fill.Seconds(), "good_seconds": s.gate.keep.Seconds(),
		"lang": v.Lang, "words": v.Words(), "languages": s.Site.Languages, "topics": topics, "frequencies": often,
	})
}

type embedView struct {
	view
	Snippet string
}

// embed shows a form that works on any site.
func (s *server) embed(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, "")
	s.page(w, http.StatusOK, "embed.html", embedView{v, fmt.Sprintf(`<form method="post" action="%s/subscribe" accept-charset="utf-8">
  <input type="hidden" name="lang" value="%s">
  <p><label for="crieur-address">%s</label>
  <input id="crieur-address" name="address" type="email" autocomplete="email" required></p>
  <p><button type="submit">%s</button></p>
</form>`, template.HTMLEscapeString(s.Site.URL), v.Lang, v.Say("Votre adresse courriel", "Your e-mail address"), v.Say("M’abonner", "Subscribe"))})
}

// renew is told by the script that shows notifications that its browser subscribed anew. It answers the same, whoever asks.
func (s *server) renew(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Old string          `json:"old"`
		New json.RawMessage `json:"new"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&in); err != nil {
		unreadable(w, err)
		return
	}
	address, err := s.PushAddress(string(in.New))
	if err == nil && s.networks.allow(s.network(r), s.Store.Now()) {
		if err := s.People.Renew(r.Context(), in.Old, address, s.network(r)); err != nil {
			s.unavailable(w, "a browser could not be renewed", err)
			return
		}
	}
	w.WriteHeader(http.StatusAccepted)
}
