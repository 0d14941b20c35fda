package web

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/proof"
	"github.com/crieur/crieur/internal/store"
)

// proven is the page of a proof: of an event in two languages that is out on one place, waits on another, and went to
// people.
func (s *site) proven() string {
	s.Helper()
	ctx, now := s.Context(), s.clock()
	start, err := announce.ParseWhen("2027-04-14T18:30", "America/Toronto")
	if err != nil {
		s.Fatal(err)
	}
	a := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: announce.KindEvent, Default: "fr", Zone: "America/Toronto", Created: now, Updated: now, Link: "https://example.org/avril",
		Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre d’avril"}, "en": {Title: "April meetup"}},
		Event: &announce.Event{Start: start, Zone: "America/Toronto", Venue: &announce.Venue{Name: "Café du Clocher"}, Partners: []announce.Partner{{Name: "Coop du Fjord"}, {Name: "Ville d’Alma"}}},
	}
	sub := store.Submission{Announcement: a, Actor: "token site", Plans: []store.Plan{{Account: email, First: now, Next: now}}}
	for _, account := range []string{email, "slack", "linkedin"} {
		sub.Payloads = append(sub.Payloads, store.Payload{Account: account, Language: "fr", Message: announce.Message{Rev: 1, Language: "fr", Text: "x"}})
		if account != email {
			sub.Deliveries = append(sub.Deliveries, announce.Delivery{Account: account, Language: "fr", Wanted: true, Rev: 1, First: now, Next: now})
		}
	}
	if _, _, err := s.store.Save(ctx, sub); err != nil {
		s.Fatal(err)
	}
	c, ok, err := s.store.Claim(ctx, "slack", a.ID, store.ClaimOptions{Owner: "w", Lease: time.Minute})
	if err != nil || !ok {
		s.Fatal(ok, err)
	}
	d := c.Delivery
	d.Calling, d.Shown, d.Receipt = announce.Nothing, 1, announce.Receipt{ID: "C1:2", URL: "https://example.slack.com/archives/C0123456/p1800000000000200", At: now}
	if err := s.store.Record(ctx, c.Fence, d); err != nil {
		s.Fatal(err)
	}
	answer := s.get("/v1/announcements/"+string(a.ID)+"/proof", "Authorization", "Bearer "+s.token("read"))
	var p proof.Proof
	if err := json.Unmarshal([]byte(answer.body), &p); err != nil || answer.status != http.StatusOK {
		s.Fatalf("%v %d %s", err, answer.status, answer.body)
	}
	return strings.TrimPrefix(p.Page, s.url)
}

func (s *site) token(scope string) string {
	s.Helper()
	plain, _, err := s.store.CreateToken(s.Context(), "proofs", []string{scope})
	if err != nil {
		s.Fatal(err)
	}
	return plain.Reveal()
}

// A partner reads the proof, and checks its file with the key, with nothing but the address that they were given.
func TestProofPage(t *testing.T) {
	s := newSite(t, nil)
	path := s.proven()
	for lang, words := range map[string][]string{
		"fr": {"Rencontre d’avril", "Preuve de publication", "publié", "à venir", "Coop du Fjord, Ville d’Alma", "par le jeton site", "https://example.slack.com/archives/C0123456/p1800000000000200"},
		"en": {"April meetup", "Proof of publication", "published", "to come", "by token site"},
	} {
		page := s.get(path + "?lang=" + lang)
		for _, w := range words {
			if page.status != http.StatusOK || !strings.Contains(page.body, w) {
				t.Errorf("%s: %d, %q is not in\n%s", lang, page.status, w, page.body)
			}
		}
	}
	file, key := s.get(path+"/proof.json"), s.get("/proof/key.pem")
	if st, err := proof.Verify([]byte(file.body), []byte(key.body)); err != nil || len(st.Places) != 2 || st.Places[1].Rev != 1 {
		t.Errorf("%v %+v\n%s", err, st, file.body)
	}
	if got := file.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("the file is %s", got)
	}
}

// The address of one proof opens no other, no other kind of link opens a proof, and without a token there is no list of them.
func TestProofLinksArePurposeBound(t *testing.T) {
	s := newSite(t, nil)
	first := s.proven()
	s.later(time.Second)
	second := s.proven()
	parts, others := strings.Split(first, "/"), strings.Split(second, "/")
	for _, path := range []string{
		"/proof/" + parts[2] + "/" + others[3], "/proof/" + parts[2] + "/AAAA",
		first + "A", first[:len(first)-1], "/proof/none/" + parts[3],
		"/proof/" + parts[2] + "/" + strings.TrimPrefix(s.link('a', 1), "/read/"),
	} {
		for _, at := range []string{path, path + "/proof.json"} {
			if g := s.get(at); g.status != http.StatusNotFound || strings.Contains(g.body, "avril") {
				t.Errorf("%s answers %d", at, g.status)
			}
		}
	}
	if g := s.get("/v1/announcements/" + parts[2] + "/proof"); g.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", g.status)
	}
	if g := s.get("/v1/announcements/none/proof", "Authorization", "Bearer "+s.token("read")); g.status != http.StatusNotFound {
		t.Errorf("of nothing: %d", g.status)
	}
}

// A proof tells in the reader's language who called the event off, and what followed.
func TestProofPageOfACancellation(t *testing.T) {
	s := newSite(t, nil)
	path := s.proven()
	id := announce.ID(strings.Split(path, "/")[2])
	a, _, err := s.store.Announcement(s.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	e := *a.Event
	a.Rev, a.Event, e.Cancelled = 2, &e, true
	sub := store.Submission{Announcement: a, Actor: AtTheServer, Why: "called off"}
	for _, account := range []string{email, "slack", "linkedin"} {
		sub.Payloads = append(sub.Payloads, store.Payload{Account: account, Language: "fr", Message: announce.Message{Rev: 2, Language: "fr", Text: "x"}})
	}
	if err := s.store.Revise(s.Context(), 1, sub); err != nil {
		t.Fatal(err)
	}
	after := a
	after.ID, after.Of, after.Rev, after.Kind = announce.NewID(s.clock()), id, 1, announce.KindCancellation
	if _, _, err := s.store.Save(s.Context(), store.Submission{Announcement: after, Actor: "crieur"}); err != nil {
		t.Fatal(err)
	}
	for lang, words := range map[string][]string{
		"fr": {"14\u00a0avril 2027, 18\u00a0h\u00a030 (HAE)", "événement annulé, version 2", "par la machine du serveur", "annulation · <code>" + string(after.ID)},
		"en": {"April\u00a014, 2027, 6:30\u00a0p.m. (EDT)", "event cancelled, revision 2", "by the server&#39;s own machine", "cancellation · <code>" + string(after.ID)},
	} {
		page := s.get(path + "?lang=" + lang)
		for _, w := range words {
			if !strings.Contains(page.body, w) {
				t.Errorf("%s: %q is not in\n%s", lang, w, page.body)
			}
		}
		if visible := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page.body, ""); regexp.MustCompile(`\d{4}-\d\d-\d\d`).MatchString(visible) {
			t.Errorf("%s: a date is told as machines write it:\n%s", lang, visible)
		}
	}
}

// Numbers, dates and words agree as the language has it.
func TestWordsAgree(t *testing.T) {
	fr, en := proofView{view: view{Lang: "fr"}}, proofView{view: view{Lang: "en"}}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for got, want := range map[string]string{
		fr.Messages(0): "0 message", fr.Messages(1): "1 message", fr.Messages(3): "3 messages", en.Messages(0): "0 messages", en.Messages(1) + "!": "1 message!",
		fr.Counted(announce.Published, 3): "3\u00a0publiés", fr.Counted(announce.Published, 1): "1\u00a0publié", fr.Counted(announce.SkippedState, 2): "2\u00a0laissés de côté",
		fr.Counted(announce.CallingNow, 2): "2\u00a0en cours", en.Counted(announce.Published, 3): "3\u00a0published",
		fr.moment(noon): "1er\u00a0mars 2026, 12\u00a0h", en.moment(noon): "March\u00a01, 2026, noon", en.moment(noon.Add(-708 * time.Minute)): "March\u00a01, 2026, 12:12\u00a0a.m.",
		fr.zoned(noon, "Europe/Paris"): "1er\u00a0mars 2026, 13\u00a0h (UTC+01:00)", en.zoned(noon, "America/Toronto"): "March\u00a01, 2026, 7\u00a0a.m. (EST)",
		en.zoned(noon, "America/Sao_Paulo"): "March\u00a01, 2026, 9\u00a0a.m. (UTC-03:00)", en.zoned(noon, "Europe/Paris"): "March\u00a01, 2026, 1\u00a0p.m. (UTC+01:00)",
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
