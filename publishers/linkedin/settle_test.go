package linkedin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/linkedin/linkedintest"
	"github.com/crieur/crieur/publishers/sim"
)

func lose(platform *linkedintest.Platform) {
	platform.Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyMethod: "POST", OnlyPath: "/posts"})
}

// A duplicate on a repeat means that the first call arrived.
func TestADuplicateThatIsOursIsTheReceipt(t *testing.T) {
	for _, nameless := range []bool{false, true} {
		c, platform := open(t)
		platform.Change(func(s *linkedintest.Settings) { s.Nameless = nameless })
		m := message(1)
		lose(platform)
		_, err := c.Publish(t.Context(), m)
		failed(t, err, announce.Ambiguous, false)
		r := publish(t, c, m)
		if posts := platform.Posts(); len(posts) != 1 || r.ID != posts[0].ID || r.URL != posts[0].URL || r.At.IsZero() {
			t.Errorf("%+v for %+v", r, posts)
		}
	}
}

func TestADuplicateOfAnEarlierDayIsRefused(t *testing.T) {
	for _, nameless := range []bool{false, true} {
		c, platform := open(t)
		platform.Change(func(s *linkedintest.Settings) { s.Nameless = nameless })
		m := message(1)
		urn := platform.Say(pen{}.write(m.Text, nil), time.Now().Add(-time.Hour))
		_, err := c.Publish(t.Context(), m)
		e := failed(t, err, announce.Permanent, false)
		if e.Field != "text" || e.Ask || !nameless && !strings.Contains(e.Fault, page(urn)) {
			t.Errorf("%+v", e)
		}
	}
}

// LinkedIn remembers a post for a day or two after it was deleted. Nobody but a person can tell.
func TestAGhostIsLeftToAPerson(t *testing.T) {
	c, platform := open(t)
	m := message(1)
	r := publish(t, c, m)
	if err := c.Retract(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, err := c.Publish(t.Context(), m)
	e := failed(t, err, announce.Ambiguous, false)
	if !e.Ask || !strings.Contains(e.Fault, r.ID) || e.Status != "422 DUPLICATE_POST" {
		t.Errorf("%+v", e)
	}
	if n := len(platform.Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

func TestADuplicateThatCannotBeLookedAt(t *testing.T) {
	for _, nameless := range []bool{false, true} {
		c, platform := open(t)
		platform.Change(func(s *linkedintest.Settings) { s.Nameless = nameless })
		m := message(1)
		publish(t, c, m)
		for _, f := range []sim.Fault{{Kind: sim.Answer, Status: 500}, {Kind: sim.Answer, Status: 404, Body: "<html>"}, refusal(403, "ACCESS_DENIED"), refusal(429, "")} {
			f.OnlyMethod = "GET"
			platform.Script().Push(f)
			_, err := c.Publish(t.Context(), m)
			if e := failed(t, err, announce.Ambiguous, false); e.Ask {
				t.Errorf("a person is asked: %v", e)
			}
		}
	}
}

func TestADuplicateOfSomebodyElse(t *testing.T) {
	c, platform := open(t)
	m := message(1)
	f := sim.Fault{Kind: sim.Answer, Status: 422, OnlyMethod: "POST", Body: `{"status":422,"message":"Content is a duplicate of urn:li:ugcPost:9","errorDetails":{"inputErrors":[{"code":"DUPLICATE_POST"}]}}`}
	for _, other := range []string{`"author":"urn:li:organization:1"`, `"author":"urn:li:organization:104242424","commentary":"autre"`} {
		platform.Script().Push(f, sim.Fault{Kind: sim.Answer, Status: 200, OnlyMethod: "GET", Body: fmt.Sprintf(`{"id":"urn:li:ugcPost:9","createdAt":%d,%s}`, time.Now().UnixMilli(), other)})
		_, err := c.Publish(t.Context(), m)
		failed(t, err, announce.Permanent, false)
	}
	m.Date = time.Time{}
	publish(t, c, m)
}

func TestFind(t *testing.T) {
	c, platform := open(t)
	began := time.Now()
	want := publish(t, c, message(1))
	for n := range 120 {
		platform.Say(fmt.Sprint("parlons ", n), time.Now())
	}
	if r, found, err := c.Find(t.Context(), message(1), began); err != nil || !found || r.ID != want.ID || r.URL != want.URL || r.At.IsZero() {
		t.Errorf("%+v, %t, %v", r, found, err)
	}
	platform.Change(func(s *linkedintest.Settings) { s.Plain = true })
	if r, found, err := c.Find(t.Context(), message(1), began); err != nil || !found || r.ID != want.ID {
		t.Errorf("given back without backslashes: %+v, %t, %v", r, found, err)
	}
	if _, found, err := c.Find(t.Context(), message(1), began.Add(time.Hour)); err != nil || found {
		t.Errorf("found before its time: %t, %v", found, err)
	}
	// An edit by hand long after brings an old post to the top: it is not this one.
	old := platform.Say(message(2).Text, time.Now().Add(-24*time.Hour))
	if _, err := c.Amend(t.Context(), announce.Receipt{ID: old}, message(2)); err != nil {
		t.Fatal(err)
	}
	if _, found, err := c.Find(t.Context(), message(2), began); err != nil || found {
		t.Errorf("found an old one: %t, %v", found, err)
	}
	for range 500 {
		platform.Say("et encore", time.Now())
	}
	if _, found, err := c.Find(t.Context(), message(1), began); err == nil || found {
		t.Errorf("gave up silently: %t, %v", found, err)
	}
}

// What is no list says nothing about a post, and old posts end the search.
func TestFindTakesNothingForAnAnswer(t *testing.T) {
	c, platform := open(t)
	publish(t, c, message(1))
	for _, body := range []string{`{}`, `{"elements":null}`, `{"value":[]}`} {
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 200, Body: body})
		_, _, err := c.Find(t.Context(), message(1), time.Now())
		failed(t, err, announce.Temporary, false)
	}
	for range 600 {
		platform.Say("il y a longtemps", time.Now().Add(-time.Hour))
	}
	if _, found, err := c.Find(t.Context(), message(2), time.Now()); err != nil || found {
		t.Errorf("%t, %v", found, err)
	}
}
