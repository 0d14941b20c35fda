package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// RFC 8058: a POST without a cookie, by the mail program, in either encoding; answered 200, without a redirect.
func TestOneClick(t *testing.T) {
	s := newSite(t, nil)
	const boundary = "crieur-one-click"
	for kind, body := range map[string]string{
		"application/x-www-form-urlencoded":         "List-Unsubscribe=One-Click",
		"multipart/form-data; boundary=" + boundary: "--" + boundary + "\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--" + boundary + "--\r\n",
		"":           "",
		"text/plain": "anything",
	} {
		address := fmt.Sprintf("p%d@example.org", len(kind))
		a := s.joined(address)
		link := s.link(people.Unsubscribe, a.ID)
		s.later(20 * 365 * 24 * time.Hour) // it never expires
		for range 2 {
			got := s.do(http.MethodPost, link, kind, body, "Sec-Fetch-Site", "cross-site", "Origin", "https://mail.example.com")
			if got.status != http.StatusOK || s.known(address).Standing != store.Unsubscribed {
				t.Errorf("%s: %d, %s", kind, got.status, s.known(address).Standing)
			}
		}
		deeds, err := s.store.Consents(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if last := deeds[len(deeds)-1]; last.Act != store.Unsubscribe || (last.How == "one-click") != strings.Contains(body, "One-Click") {
			t.Errorf("%s is on record as %+v", kind, last)
		}
	}
}

func TestUnsubscribePageAndBack(t *testing.T) {
	s := newSite(t, nil)
	a := s.joined("ada@example.org", "board", "python")
	link := s.link(people.Unsubscribe, a.ID)
	page := s.get(link)
	if page.status != http.StatusOK || !strings.Contains(page.body, "a…@example.org") || strings.Contains(page.body, "ada@") || s.known("ada@example.org").Standing != store.Active {
		t.Errorf("the page: %d\n%s", page.status, page.body)
	}
	done := s.post(link, fields(t, page.body))
	v := fields(t, done.body)
	v.Set("act", "back")
	if back := s.post(link, v); back.status != http.StatusOK || !strings.Contains(back.body, "Regardez vos messages") || s.known("ada@example.org").Standing != store.Unsubscribed {
		t.Errorf("undo: %d, %s\n%s", back.status, s.known("ada@example.org").Standing, back.body)
	}
	letters := s.written()
	if len(letters) != 1 || letters[0].Address != a.ID {
		t.Fatalf("letters: %+v", letters)
	}
	s.post(s.link(purposeOf(letters[0].Kind), letters[0].Address), nil)
	if a := s.known("ada@example.org"); a.Standing != store.Active || a.Everything || fmt.Sprint(a.Topics) != "[board python]" {
		t.Errorf("back again: %+v", a)
	}
}

// A mail that was passed on, years ago, unsubscribes and does nothing else: no page of its link leads to the preferences, whose link
// goes to the address alone.
func TestUnsubscribeLinkShowsNothing(t *testing.T) {
	s := newSite(t, nil)
	a := s.joined("ada@example.org", "python")
	link := s.link(people.Unsubscribe, a.ID)
	s.later(2 * 365 * 24 * time.Hour)
	pages := []got{s.get(link), s.post(link, url.Values{"act": {"preferences"}}), s.post(link, url.Values{"act": {"preferences"}})}
	if s.known("ada@example.org").Standing != store.Active {
		t.Error("asking for the link unsubscribed")
	}
	letters := s.written()
	if len(letters) != 1 || letters[0].Kind != announce.KindPreferences || letters[0].Address != a.ID {
		t.Errorf("letters: %+v", letters)
	}
	for _, x := range append(pages, s.post(link, nil), s.get(link)) {
		if x.status != http.StatusOK || strings.Contains(x.body, "/preferences/") || strings.Contains(x.body, "/confirm/") || strings.Contains(x.body, "ada@") {
			t.Errorf("%d\n%s", x.status, x.body)
		}
	}
}

func TestPreferences(t *testing.T) {
	s := newSite(t, nil)
	a := s.joined("ada@example.org", "board")
	link := s.link(people.Preferences, a.ID)
	page := s.get(link)
	if page.status != http.StatusOK || !strings.Contains(page.body, "Bureau") || !strings.Contains(page.body, "Québec") || !strings.Contains(page.body, "les organisateurs ont ajouté") {
		t.Fatalf("%d\n%s", page.status, page.body)
	}
	v := second(t, page.body)
	v.Set("act", "save")
	if same := s.post(link, v); same.status != http.StatusOK {
		t.Fatalf("the form as it is: %d\n%s", same.status, same.body)
	}
	if b := s.known("ada@example.org"); fmt.Sprintf("%v %t %q %d %d", b.Topics, b.Everything, b.Zone, b.QuietFrom, b.QuietTo) != `[board] false "" 0 0` {
		t.Errorf("saving the form as it is changed something: %+v", b)
	}
	v.Set("name", "Ada Lovelace")
	v.Set("language", "en")
	v["topics"] = []string{"board", "python"}
	v.Set("paused", "2027-04-01")
	v.Set("quiet_from", "22:00")
	v.Set("quiet_to", "07:30")
	v.Set("zone", "Europe/Paris")
	saved := s.post(link, v)
	b := s.known("ada@example.org")
	if saved.status != http.StatusOK || b.Name != "Ada Lovelace" || b.Language != "en" || fmt.Sprint(b.Topics) != "[board python]" || b.QuietFrom != 22*60 || b.QuietTo != 7*60+30 || b.Zone != "Europe/Paris" {
		t.Errorf("%d, %+v", saved.status, b)
	}
	if !strings.Contains(saved.body, "en pause jusqu’au 1er\u00a0avril 2027") {
		t.Errorf("the page tells the pause in another zone than the one that was saved:\n%s", saved.body)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2027, 4, 1, 0, 0, 0, 0, paris); !b.PausedUntil.Equal(want) {
		t.Errorf("paused until %v, want %v", b.PausedUntil, want)
	}
	again := second(t, s.get(link).body)
	for name, want := range map[string]string{"paused": "2027-04-01", "quiet_from": "22:00", "quiet_to": "07:30", "zone": "Europe/Paris", "name": "Ada Lovelace", "everything": "0"} {
		if again.Get(name) != want {
			t.Errorf("the form says %s = %q, want %q", name, again.Get(name), want)
		}
	}
	for field, wrong := range map[string][2]string{"zone": {"zone", "Europe/Quebec"}, "paused": {"paused", "soon"}, "quiet_from": {"quiet_to", ""}, "topics": {"topics", "nonsense"}} {
		w := url.Values{}
		for k, x := range v {
			w[k] = x
		}
		w.Set(wrong[0], wrong[1])
		got := s.post(link, w)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `href="#`+field+`"`) || !strings.Contains(got.body, `id="`+field+`-wrong"`) {
			t.Errorf("%s: %d\n%s", field, got.status, got.body)
		}
	}
	if got := s.post(link, v, "Sec-Fetch-Site", "cross-site", "Origin", "https://example.com"); got.status != http.StatusForbidden {
		t.Errorf("a form on another site: %d", got.status)
	}
}

// second are the fields of the form that saves.
func second(t *testing.T, page string) url.Values {
	t.Helper()
	before, after, ok := strings.Cut(page, `<form method="post" class="card">`)
	if !ok {
		t.Fatalf("no form that saves:\n%s", before)
	}
	return fields(t, `<form>`+after)
}

func TestOwnData(t *testing.T) {
	s := newSite(t, nil)
	a := s.joined("ada@example.org", "python")
	link := s.link(people.Preferences, a.ID)

	export := s.post(link, url.Values{"act": {"export"}})
	var all map[string]any
	if err := json.Unmarshal([]byte(export.body), &all); err != nil || !strings.Contains(export.body, "ada@example.org") || !strings.HasPrefix(export.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("export: %v, %v\n%s", err, export.header, export.body)
	}

	if got := s.post(link, url.Values{"act": {"move"}, "address": {"new at example"}}); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `href="#address"`) {
		t.Errorf("a wrong new address: %d\n%s", got.status, got.body)
	}
	if got := s.post(link, url.Values{"act": {"move"}, "address": {"ada@example.net"}}); got.status != http.StatusOK || s.known("ada@example.org").Standing != store.Active {
		t.Errorf("move: %d", got.status)
	}
	letters := s.written()
	if len(letters) != 1 {
		t.Fatalf("letters: %+v", letters)
	}
	s.post(s.link(purposeOf(letters[0].Kind), letters[0].Address), nil)
	if old, now := s.known("ada@example.org"), s.known("ada@example.net"); old.Standing == store.Active || now.Standing != store.Active || fmt.Sprint(now.Topics) != "[python]" {
		t.Errorf("moved: %+v, %+v", old, now)
	}

	link = s.link(people.Preferences, s.known("ada@example.net").ID)
	ask := s.post(link, url.Values{"act": {"erase"}})
	if ask.status != http.StatusOK || s.known("ada@example.net").Standing != store.Active {
		t.Errorf("without a second thought: %d", ask.status)
	}
	v := fields(t, ask.body)
	v.Set("act", "erase")
	if done := s.post(link, v); done.status != http.StatusOK {
		t.Errorf("erase: %d\n%s", done.status, done.body)
	}
	if _, err := s.store.AddressOf(t.Context(), email, "ada@example.net"); err == nil {
		t.Error("it is still on record")
	}
	unknown := s.get("/preferences/nonsense")
	if gone := s.get(link, "Accept-Language", "fr"); gone.status != http.StatusNotFound || strings.ReplaceAll(gone.body, strings.TrimPrefix(link, "/preferences/"), "nonsense") != unknown.body {
		t.Errorf("the link of an erased address can be told from none: %d\n%s", gone.status, gone.body)
	}
}

// A link that is too old can be exchanged for a fresh one, which goes to the address alone.
func TestExpiredLinks(t *testing.T) {
	s := newSite(t, nil)
	a := s.joined("ada@example.org")
	link := s.link(people.Preferences, a.ID)
	s.later(401 * 24 * time.Hour)
	page := s.get(link)
	if page.status != http.StatusGone || strings.Contains(page.body, "example.org<") {
		t.Fatalf("%d\n%s", page.status, page.body)
	}
	if got := s.post(link, url.Values{"act": {"save"}, "name": {"Mallory"}}); got.status != http.StatusGone || s.known("ada@example.org").Name != "" {
		t.Errorf("it still changes something: %d", got.status)
	}
	got := s.post(link, fields(t, page.body))
	if got.status != http.StatusOK || strings.Contains(got.body, "/preferences/"+s.links.Token(people.Preferences, people.Bearer{Address: a.ID}, s.clock())) {
		t.Errorf("%d\n%s", got.status, got.body)
	}
	letters := s.written()
	if len(letters) != 1 || s.get(s.link(purposeOf(letters[0].Kind), letters[0].Address)).status != http.StatusOK {
		t.Errorf("letters: %+v", letters)
	}
}

// The words of a link for one purpose are worth nothing for another.
func TestLinksArePurposeBound(t *testing.T) {
	s := newSite(t, nil)
	a := s.joined("ada@example.org")
	for _, p := range []people.Purpose{people.Unsubscribe, people.Preferences, people.Confirm, people.Archive} {
		token := s.links.Token(p, people.Bearer{Address: a.ID}, s.clock())
		for q, path := range map[people.Purpose]string{people.Unsubscribe: "/unsubscribe/", people.Preferences: "/preferences/", people.Confirm: "/confirm/"} {
			if p == q {
				continue
			}
			if got := s.post(path+token, url.Values{"act": {"export"}}); got.status != http.StatusNotFound {
				t.Errorf("%c at %s: %d", p, path, got.status)
			}
		}
	}
	if s.known("ada@example.org").Standing != store.Active {
		t.Error("it acted")
	}
}

func TestLanguageOfPages(t *testing.T) {
	s := newSite(t, nil)
	a := s.joined("ada@example.org") // fr
	prefs := s.link(people.Preferences, a.ID)
	for _, c := range []struct{ path, accept, want string }{
		{"/subscribe", "", "fr"}, // the community's first
		{"/subscribe", "en-GB,en;q=0.9,fr;q=0.5", "en"},
		{"/subscribe", "de,fr-CA;q=0.5", "fr"},
		{"/subscribe", "de", "fr"},
		{"/subscribe?lang=en", "fr", "en"},
		{"/subscribe?lang=xx", "en", "en"},
		{prefs, "en", "fr"}, // the address's own
		{prefs + "?lang=en", "fr", "en"},
		{"/unsubscribe/nonsense", "en", "en"},
	} {
		got := s.get(c.path, "Accept-Language", c.accept)
		if !strings.Contains(got.body, `<html lang="`+c.want+`">`) || got.header.Get("Content-Language") != c.want {
			t.Errorf("%s for %q: not %s\n%.200s", c.path, c.accept, c.want, got.body)
		}
	}
}
