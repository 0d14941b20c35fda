package facebook

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/facebook/facebooktest"
	"github.com/crieur/crieur/publishers/sim"
)

// The rule of duplicates on a repeat means that the first call arrived.
func TestADuplicateThatIsOursIsTheReceipt(t *testing.T) {
	for _, images := range []int{0, 1, 2} {
		c, platform := open(t)
		m := message(1)
		for i := range images {
			m.Images = append(m.Images, picture(i, "x"))
		}
		create := "/feed"
		if images == 1 {
			create = "/photos"
		}
		platform.Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyPath: create})
		_, err := c.Publish(t.Context(), m)
		failed(t, err, announce.Ambiguous, false)
		r := publish(t, c, m)
		if posts := platform.Posts(); len(posts) != 1 || r.ID != posts[0].ID {
			t.Errorf("%d images: %+v for %+v", images, r, posts)
		}
	}
}

func TestADuplicateOfAnEarlierDayIsRefused(t *testing.T) {
	c, platform := open(t)
	m := message(1)
	platform.Say(m.Text, time.Now().Add(-time.Hour))
	_, err := c.Publish(t.Context(), m)
	if e := failed(t, err, announce.Permanent, false); e.Field != "text" {
		t.Error(e)
	}
	m.Date = time.Time{}
	_, err = c.Publish(t.Context(), m)
	failed(t, err, announce.Permanent, false)
	m.Date = time.Now()
	platform.Script().Push(refusal(400, 506, 0, ""), sim.Fault{Kind: sim.Answer, Status: 500})
	_, err = c.Publish(t.Context(), m)
	failed(t, err, announce.Ambiguous, false)
}

func TestFindReadsEveryPage(t *testing.T) {
	c, platform := open(t)
	platform.Change(func(s *facebooktest.Settings) { s.PageSize = 2 })
	began := time.Now()
	want := publish(t, c, message(1))
	for n := range 7 {
		platform.Say(fmt.Sprint("parlons ", n), time.Now())
	}
	r, found, err := c.Find(t.Context(), message(1), began)
	if err != nil || !found || r.ID != want.ID || r.URL != want.URL || r.At.IsZero() {
		t.Errorf("%+v, %t, %v", r, found, err)
	}
	if _, found, err := c.Find(t.Context(), message(1), began.Add(time.Hour)); err != nil || found {
		t.Errorf("found before its time: %t, %v", found, err)
	}
	for range 20 {
		platform.Say("et encore", time.Now())
	}
	if _, found, err := c.Find(t.Context(), message(1), began); err == nil || found {
		t.Errorf("gave up silently: %t, %v", found, err)
	}
}

// Facebook trims texts, and what was neutralised is compared as it was written.
func TestFindKnowsATextThatWasChanged(t *testing.T) {
	c, _ := open(t)
	m := message(1)
	m.Text = "  E\u0301te\u0301 @[123]\r\n\r\n\r\nfin 👩‍💻 \n"
	want := publish(t, c, m)
	m.Text = strings.ReplaceAll(m.Text, "E\u0301te\u0301", "Été")
	if r, found, err := c.Find(t.Context(), m, m.Date); err != nil || !found || r.ID != want.ID {
		t.Errorf("%+v, %t, %v", r, found, err)
	}
	m.Text += "plus"
	if _, found, err := c.Find(t.Context(), m, m.Date); err != nil || found {
		t.Errorf("found another text: %t, %v", found, err)
	}
}

// A post that Facebook hides from the app is not gone.
func TestRetractingWhatIsNotOurs(t *testing.T) {
	c, platform := open(t)
	r := publish(t, c, message(1))
	platform.Change(func(s *facebooktest.Settings) { s.Foreign = true })
	if e := failed(t, c.Retract(t.Context(), r), announce.Permanent, false); !strings.Contains(e.Fault, "by hand") {
		t.Error(e)
	}
	platform.Change(func(s *facebooktest.Settings) { s.Foreign = false })
	if err := c.Retract(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := c.Retract(t.Context(), r); err != nil {
		t.Errorf("again: %v", err)
	}
	platform.Change(func(s *facebooktest.Settings) { s.Scopes = nil })
	failed(t, c.Retract(t.Context(), r), announce.Permanent, false)
	for _, id := range []string{"", "sent", "1_2/../3", "1_2_3"} {
		_, err := c.Amend(t.Context(), announce.Receipt{ID: id}, message(1))
		failed(t, err, announce.Permanent, false)
		failed(t, c.Retract(t.Context(), announce.Receipt{ID: id}), announce.Permanent, false)
	}
}

func TestAChangeThatIsNotConfirmed(t *testing.T) {
	c, platform := open(t)
	r := publish(t, c, message(1))
	for range 2 {
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"success":false}`})
	}
	_, err := c.Amend(t.Context(), r, message(2))
	failed(t, err, announce.Temporary, false)
	failed(t, c.Retract(t.Context(), r), announce.Temporary, false)
}

// What is no list says nothing about a post, and old posts end the search.
func TestFindTakesNothingForAnAnswer(t *testing.T) {
	c, platform := open(t)
	publish(t, c, message(1))
	for _, body := range []string{`{}`, `{"data":null}`, `{"success":true}`} {
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
