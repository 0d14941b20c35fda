package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// filled is the form as a browser with our script sends it for an address.
func (s *site) filled(address string) url.Values {
	s.Helper()
	v := fields(s.T, s.get("/subscribe?lang=en").body)
	v.Set("address", address)
	v.Set("work", worked(v.Get("challenge"), address, newGate(s.links).work))
	return v
}

func TestJoin(t *testing.T) {
	s := newSite(t, nil)
	v := s.filled("ada@example.org")
	v.Set("everything", "0")
	v.Set("language", "en")
	v["topics"] = []string{"python"}
	s.later(4 * time.Second)
	got := s.post("/subscribe", v, "X-Forwarded-For", "203.0.113.77")
	if got.status != http.StatusOK || !strings.Contains(got.body, "Look at your messages") {
		t.Fatalf("%d\n%s", got.status, got.body)
	}
	a := s.known("ada@example.org")
	if a.Standing != store.Pending || a.Everything || fmt.Sprint(a.Topics) != "[python]" || a.Language != "en" {
		t.Errorf("on record: %+v", a)
	}
	deeds, err := s.store.Consents(t.Context(), a.ID)
	if err != nil || len(deeds) != 1 {
		t.Fatalf("%+v, %v", deeds, err)
	}
	page := s.get("/subscribe?lang=en").body
	if d := deeds[0]; d.Network.String() != "203.0.113.0/24" || d.Words == "" || !strings.Contains(page, d.Words) {
		t.Errorf("the proof of consent is not what was shown: %+v", d)
	}
	letters := s.written()
	if len(letters) != 1 {
		t.Fatalf("%d letters", len(letters))
	}
	link := s.link(purposeOf(letters[0].Kind), letters[0].Address)
	if page := s.get(link); page.status != http.StatusOK || !strings.Contains(page.body, deeds[0].Words) || !strings.Contains(page.body, `lang="en"`) || s.known("ada@example.org").Standing != store.Pending {
		t.Errorf("looking at the link: %d\n%s", page.status, page.body)
	}
	if done := s.post(link, nil); done.status != http.StatusOK || s.known("ada@example.org").Standing != store.Active {
		t.Errorf("the button: %d\n%s", done.status, done.body)
	}
}

// Without scripts, and from a form on another site, a second page makes the person wait.
func TestJoinWithoutScript(t *testing.T) {
	s := newSite(t, nil)
	first := s.post("/subscribe", url.Values{"address": {"ada@example.org"}, "lang": {"fr"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://example.com")
	if first.status != http.StatusOK || !strings.Contains(first.body, "Encore un pas") {
		t.Fatalf("%d\n%s", first.status, first.body)
	}
	v := fields(t, first.body)
	early := s.post("/subscribe", v)
	if !strings.Contains(early.body, "trop tôt") || len(s.written()) != 0 {
		t.Errorf("at once:\n%s", early.body)
	}
	s.later(6 * time.Second)
	other := fields(t, first.body)
	other.Set("address", "bob@example.org")
	if again := s.post("/subscribe", other); !strings.Contains(again.body, "Encore un pas") {
		t.Errorf("the pass is good for another address:\n%s", again.body)
	}
	if done := s.post("/subscribe", fields(t, early.body)); !strings.Contains(done.body, "Regardez vos messages") {
		t.Errorf("after the wait:\n%s", done.body)
	}
	if letters := s.written(); len(letters) != 1 || s.known("ada@example.org").Standing != store.Pending {
		t.Errorf("letters: %+v", letters)
	}
}

// Whatever is wrong with a request that a program makes, the answer is the usual one and nothing is done.
func TestProgramsGetTheUsualAnswer(t *testing.T) {
	s := newSite(t, nil)
	good := s.filled("ada@example.org")
	s.later(4 * time.Second)
	usual := s.post("/subscribe", good)
	letters := len(s.written())
	before := s.record()
	for what, change := range map[string]func(url.Values){
		"the trap":            func(v url.Values) { v.Set("homepage", "https://example.com") },
		"idle work":           func(v url.Values) { v.Set("work", "0x") },
		"another address":     func(v url.Values) { v.Set("address", "bob@example.org") },
		"made up challenge":   func(v url.Values) { v.Set("challenge", "AAAA") },
		"no challenge at all": func(v url.Values) { v.Del("challenge") },
	} {
		v := s.filled("carol@example.org")
		s.later(4 * time.Second)
		change(v)
		if got := s.post("/subscribe", v); got.status != usual.status || got.body != usual.body {
			t.Errorf("%s: %d\n%s", what, got.status, got.body)
		}
	}
	v := s.filled("carol@example.org") // too fast for a person
	if got := s.post("/subscribe", v); got.body != usual.body {
		t.Errorf("too fast:\n%s", got.body)
	}
	if len(s.written()) != letters || s.record() != before {
		t.Error("something was done")
	}
}

func TestKnownAndUnknownLookAlike(t *testing.T) {
	s := newSite(t, nil)
	s.joined("known@example.org")
	left := s.joined("left@example.org")
	s.post(s.link(people.Unsubscribe, left.ID), nil)
	gone := s.joined("erased@example.org")
	if err := s.people.Erase(t.Context(), people.Bearer{Address: gone.ID}, "test"); err != nil {
		t.Fatal(err)
	}
	answers := map[string]bool{}
	for _, address := range []string{"known@example.org", "unknown@example.org", "left@example.org", "erased@example.org", "known@example.org"} {
		v := s.filled(address)
		s.later(4 * time.Second)
		got := s.post("/subscribe", v)
		got.header.Del("Date")
		answers[fmt.Sprint(got)] = true
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers: %v", len(answers), answers)
	}
}

func TestFormFaults(t *testing.T) {
	s := newSite(t, nil)
	for field, change := range map[string]func(url.Values){
		"address": func(v url.Values) { v.Set("address", "ada at example") },
		"name":    func(v url.Values) { v.Set("name", strings.Repeat("a", 101)) },
		"topics":  func(v url.Values) { v.Set("everything", "0") },
	} {
		v := url.Values{"address": {"ada@example.org"}, "lang": {"fr"}}
		change(v)
		got := s.post("/subscribe", v)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `<a href="#`+field+`">`) || !strings.Contains(got.body, `id="`+field+`-wrong"`) || !strings.Contains(got.body, `id="`+field+`"`) {
			t.Errorf("%s: %d\n%s", field, got.status, got.body)
		}
	}
	private := s.post("/subscribe", url.Values{"address": {"ada@example.org"}, "topics": {"board"}})
	none := s.post("/subscribe", url.Values{"address": {"ada@example.org"}, "topics": {"nonsense"}})
	if private.status != none.status || strings.Contains(private.body, `id="topics-wrong"`) != strings.Contains(none.body, `id="topics-wrong"`) || strings.Contains(private.body, "Bureau") {
		t.Errorf("a private topic can be told from none: %d, %d\n%s", private.status, none.status, private.body)
	}
	if got := s.post("/subscribe", url.Values{"address": {strings.Repeat("a", maxForm)}}); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge form: %d", got.status)
	}
}

// asJSON subscribes as a program does that was told to by a person.
func (s *site) asJSON(change map[string]any) got {
	s.Helper()
	var c struct {
		Challenge, Words string
		Bits             int
	}
	if err := json.Unmarshal([]byte(s.get("/subscribe/challenge?lang=en").body), &c); err != nil || c.Words == "" {
		s.Fatalf("%+v, %v", c, err)
	}
	s.later(4 * time.Second)
	body := map[string]any{"address": "ada@example.org", "lang": "en", "challenge": c.Challenge}
	for k, v := range change {
		body[k] = v
	}
	if body["work"] == nil {
		body["work"] = worked(c.Challenge, body["address"].(string), c.Bits)
	}
	b, err := json.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	return s.do(http.MethodPost, "/subscribe", "application/json", string(b))
}

func TestJoinAsJSON(t *testing.T) {
	s := newSite(t, nil)
	idle := s.asJSON(map[string]any{"work": ""})
	if idle.status != http.StatusAccepted || len(s.written()) != 0 {
		t.Errorf("without work: %d, %d letters", idle.status, len(s.written()))
	}
	got := s.asJSON(map[string]any{"topics": []string{"quebec"}})
	if got.status != http.StatusAccepted || got.body != idle.body || len(s.written()) != 1 || fmt.Sprint(s.known("ada@example.org").Topics) != "[quebec]" {
		t.Errorf("%d %s, %+v", got.status, got.body, s.known("ada@example.org"))
	}
	if again := s.asJSON(nil); again.body != idle.body || len(s.written()) != 1 {
		t.Errorf("again: %s, %d letters", again.body, len(s.written()))
	}
	if bad := s.asJSON(map[string]any{"address": "nobody"}); bad.status != http.StatusUnprocessableEntity || !strings.Contains(bad.body, "address") {
		t.Errorf("no address: %d %s", bad.status, bad.body)
	}
	if bad := s.do(http.MethodPost, "/subscribe", "application/json", `{"address":`); bad.status != http.StatusBadRequest {
		t.Errorf("no JSON: %d", bad.status)
	}
}

// A browser that allowed notifications is told at once, as its person chose.
func TestJoinByBrowser(t *testing.T) {
	s := newSite(t, func(o *Options) {
		o.PushKey, o.ServiceWorker = "BKey", []byte("// shows")
		o.PushAddress = func(s string) (string, error) { return strings.TrimSuffix(s, " "), nil }
	})
	if w := s.get("/webpush.js"); w.status != http.StatusOK || w.body != "// shows" || w.header.Get("Service-Worker-Allowed") != "/" {
		t.Errorf("the worker: %+v", w)
	}
	if page := s.get("/subscribe"); !strings.Contains(page.body, `data-push="BKey"`) || !strings.Contains(page.header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("the page has no button:\n%s", page.body)
	}
	browser := `{"endpoint":"https://push.example.org/1","keys":{"p256dh":"BA","auth":"AA"}}`
	if got := s.asJSON(map[string]any{"channel": webpush, "address": browser, "language": "fr"}); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	a, err := s.store.AddressOf(t.Context(), webpush, browser)
	if err != nil || a.Standing != store.Active || !a.Everything {
		t.Errorf("%+v, %v", a, err)
	}
	ada := s.joined("ada@example.org", "board", "python")
	token := strings.TrimPrefix(s.link(people.Preferences, ada.ID), "/preferences/")
	second := strings.Replace(browser, "/1", "/2?a=1&b=2", 1)
	if got := s.asJSON(map[string]any{"channel": webpush, "address": second, "person": token}); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if a, err := s.store.AddressOf(t.Context(), webpush, second); err != nil || a.Everything || fmt.Sprint(a.Topics) != "[board python]" {
		t.Errorf("%+v, %v", a, err)
	}
	third := strings.Replace(browser, "/1", "/3", 1)
	renew := func(old, address string) {
		t.Helper()
		if got := s.do(http.MethodPost, "/subscribe/renew", "application/json", `{"old":"`+old+`","new":`+address+`}`); got.status != http.StatusAccepted || got.body != "" {
			t.Errorf("renewed: %d %s", got.status, got.body)
		}
	}
	renew("https://push.example.org/", third) // only the beginning of an endpoint
	if _, err := s.store.AddressOf(t.Context(), webpush, third); err == nil {
		t.Error("whoever knows no endpoint takes a subscription over")
	}
	renew("https://push.example.org/2?a=1&b=2", third)
	if a, err := s.store.AddressOf(t.Context(), webpush, third); err != nil || a.Standing != store.Active || fmt.Sprint(a.Topics) != "[board python]" {
		t.Errorf("after the browser renewed it: %+v, %v", a, err)
	}
	if a, err := s.store.AddressOf(t.Context(), webpush, second); err != nil || a.Standing == store.Active {
		t.Errorf("the old one: %+v, %v", a, err)
	}
	for _, other := range []string{"telegram", "sms"} {
		if got := s.asJSON(map[string]any{"channel": other, "address": "12345"}); got.status != http.StatusAccepted {
			t.Errorf("%s: %d", other, got.status)
		}
		if _, err := s.store.AddressOf(t.Context(), other, "12345"); err == nil {
			t.Errorf("a stranger joined over %s", other)
		}
	}
}

func TestCrowdOfOneNetwork(t *testing.T) {
	s := newSite(t, nil)
	most := newNetworks().burst
	for i := range most + 5 {
		got := s.post("/subscribe", url.Values{"address": {fmt.Sprintf("p%d@example.org", i)}, "lang": {"en"}}, "X-Forwarded-For", "198.51.100.7")
		if want := i < most; strings.Contains(got.body, "One more step") != want || got.status != http.StatusOK {
			t.Fatalf("request %d: %d\n%s", i, got.status, got.body)
		}
	}
	if got := s.post("/subscribe", url.Values{"address": {"q@example.org"}, "lang": {"en"}}, "X-Forwarded-For", "198.51.101.7"); !strings.Contains(got.body, "One more step") {
		t.Error("another network pays for it")
	}
}

// Where no mail is sent, the page says what there is instead, and takes no address.
func TestWithoutMail(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Feeds = http.NotFoundHandler() })
	s.people.Channels = []string{webpush}
	page := s.get("/subscribe?lang=en")
	if page.status != http.StatusOK || strings.Contains(page.body, "<form") || !strings.Contains(page.body, `href="/events"`) {
		t.Errorf("%d\n%s", page.status, page.body)
	}
	for _, fault := range unsound(page.body) {
		t.Error(fault)
	}
	if got := s.post("/subscribe", url.Values{"address": {"ada@example.org"}}); got.status != http.StatusNotFound || strings.Contains(got.body, "pass") {
		t.Errorf("%d\n%s", got.status, got.body)
	}
}
