package twitter_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
)

func picture(t testing.TB, c color.Gray) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 2, 2))
	img.SetGray(0, 0, c)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDuplicateAfterALostAnswerIsThisPost(t *testing.T) {
	p := platform(t)
	pub, m := open(t, p), message(1)
	m.Images = []announce.Picture{{Data: picture(t, color.Gray{1}), Type: "image/png", Alt: "Affiche"}}
	p.Script().Push(on(http.MethodPost, "/2/tweets", sim.Fault{Kind: sim.DropAfter}))
	_, err := pub.Publish(context.Background(), m)
	failed(t, err, announce.Ambiguous, false)
	r := publish(t, pub, m)
	if posts := p.Posts(); len(posts) != 1 || posts[0].ID != r.ID {
		t.Errorf("receipt %q, posts %v", r.ID, posts)
	}
	if d := time.Since(r.At); d < 0 || d > time.Minute || r.URL != "https://x.com/meetup_sim/status/"+r.ID {
		t.Errorf("receipt %+v", r)
	}
}

func TestDuplicateOfAnEarlierPostIsRefused(t *testing.T) {
	p := platform(t)
	pub, m := open(t, p), message(1)
	publish(t, pub, m)
	m.Key, m.Date = "delivery-2", time.Now().Add(10*time.Minute)
	_, err := pub.Publish(context.Background(), m)
	if e := failed(t, err, announce.Permanent, false); e.Field != "text" || !strings.Contains(e.Fault, "identical to an earlier post") {
		t.Errorf("%s: %s", e.Field, e.Fault)
	}
	m.Date, m.Created, m.Updated = time.Time{}, time.Time{}, time.Time{}
	_, err = pub.Publish(context.Background(), m)
	failed(t, err, announce.Permanent, false)
	if n := len(p.Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

func TestDuplicateOfADeletedPostIsRefused(t *testing.T) {
	p := platform(t)
	pub, m := open(t, p), message(1)
	r := publish(t, pub, m)
	if err := pub.(announce.Retracter).Retract(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	_, err := pub.Publish(context.Background(), m)
	if e := failed(t, err, announce.Permanent, false); !strings.Contains(e.Fault, "perhaps a deleted one") {
		t.Error(e.Fault)
	}
}

func TestDuplicateThatCannotBeLookedForIsAmbiguous(t *testing.T) {
	for _, f := range []sim.Fault{answer(503, ""), answer(429, `{}`), {Kind: sim.CutAfter}, answer(200, "<html>")} {
		p := platform(t)
		pub, m := open(t, p), message(1)
		publish(t, pub, m)
		p.Script().Push(on(http.MethodGet, "/tweets", f))
		_, err := pub.Publish(context.Background(), m)
		failed(t, err, announce.Ambiguous, false)
	}
}

func TestPictures(t *testing.T) {
	p := platform(t)
	pub, m := open(t, p), message(1)
	m.Images = []announce.Picture{
		{Data: picture(t, color.Gray{1}), Type: "image/png", Alt: "Une affiche « rouge » & bleue"},
		{URL: "https://example.org/salle.png", Alt: "La salle"},
		{Data: picture(t, color.Gray{2}), Type: "image/png"},
	}
	publish(t, pub, m)
	post := p.Posts()[0]
	if len(post.Images) != 2 || post.Images[0].Alt != "Une affiche « rouge » & bleue" || post.Images[1].Alt != "" {
		t.Errorf("images %v", post.Images)
	}
	if r, found, err := pub.(announce.Finder).Find(context.Background(), m, time.Now()); err != nil || !found || r.ID != post.ID {
		t.Errorf("Find: %v, %t, %v", r, found, err)
	}
}

func TestPicturesThatFail(t *testing.T) {
	bad := answer(400, `{"errors":[{"message":"The media type is not supported"}],"title":"Invalid Request","type":"https://api.twitter.com/2/problems/invalid-request"}`)
	for name, c := range map[string]struct {
		path  string
		fault sim.Fault
		want  announce.Outcome
		stop  bool
	}{
		"upload 503":          {"/2/media/upload", answer(503, "<html>"), announce.Temporary, false},
		"upload lost":         {"/2/media/upload", sim.Fault{Kind: sim.DropAfter}, announce.Temporary, false},
		"upload names none":   {"/2/media/upload", answer(200, `{"data":{}}`), announce.Temporary, false},
		"upload refused":      {"/2/media/upload", bad, announce.Permanent, false},
		"upload too big":      {"/2/media/upload", answer(413, "<html>"), announce.Permanent, false},
		"upload unauthorized": {"/2/media/upload", answer(401, `{}`), announce.Permanent, true},
		"upload unpaid":       {"/2/media/upload", answer(402, `{}`), announce.Permanent, true},
		"words 429":           {"/2/media/metadata", answer(429, `{}`), announce.RateLimited, false},
		"words 500":           {"/2/media/metadata", answer(500, `{}`), announce.Temporary, false},
		"words lost":          {"/2/media/metadata", sim.Fault{Kind: sim.DropAfter}, announce.Temporary, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := platform(t)
			pub, m := open(t, p), message(1)
			m.Images = []announce.Picture{{Data: picture(t, color.Gray{1}), Type: "image/png", Alt: "Affiche"}}
			p.Script().Push(on("", c.path, c.fault))
			_, err := pub.Publish(context.Background(), m)
			if e := failed(t, err, c.want, c.stop); c.want == announce.Permanent && !c.stop && e.Field != "images" {
				t.Errorf("the field is %q", e.Field)
			}
			if n := len(p.Posts()); n != 0 {
				t.Errorf("%d posts", n)
			}
			if c.want == announce.Temporary || c.want == announce.RateLimited {
				publish(t, pub, m)
			}
		})
	}
}

func TestWithoutLinks(t *testing.T) {
	p := platform(t)
	pub := open(t, p, "LINKS", "false")
	m := message(1)
	m.Text = "Lisez README.md, puis example.com/a.html et HTTPS://sous.example.co.uk:8080/x?y=z."
	publish(t, pub, m)
	post := p.Posts()[0]
	if strings.Contains(post.HTML, "<a ") || strings.Contains(post.Raw, "README.md") {
		t.Errorf("still a link: %s", post.HTML)
	}
	if got := strings.ReplaceAll(post.Text, "\u200c", ""); got != m.Text {
		t.Errorf("reads %q", got)
	}
	l := pub.Limits()
	if l.Links || l.Measure(m.Text) != utf8.RuneCountInString(post.Text) || l.Measure(m.Text) <= utf8.RuneCountInString(m.Text) {
		t.Errorf("links %t, measures %d", l.Links, l.Measure(m.Text))
	}
	if r, found, err := pub.(announce.Finder).Find(context.Background(), m, time.Now()); err != nil || !found || r.ID != post.ID {
		t.Errorf("Find: %v, %t, %v", r, found, err)
	}
}

func TestCost(t *testing.T) {
	p := platform(t)
	plain := announce.Message{Text: "Rencontre ce soir, 18 h 30"}
	link := announce.Message{Text: "Lisez README.md"}
	words := announce.Message{Text: "Rencontre", Images: []announce.Picture{{Data: []byte("x"), Alt: "a"}, {Data: []byte("x")}, {URL: "https://example.org/a.png", Alt: "b"}}}
	for _, c := range []struct {
		links string
		m     announce.Message
		want  int64
	}{{"true", plain, 15_000}, {"true", link, 200_000}, {"true", words, 20_000}, {"false", plain, 15_000}, {"false", link, 15_000}} {
		pub := open(t, p, "LINKS", c.links, "BUDGET", "12.50")
		if got := pub.(announce.Coster).Cost(c.m); got != c.want || pub.Limits().Budget != 12_500_000 {
			t.Errorf("LINKS=%s, %q: costs %d of %d, want %d", c.links, c.m.Text, got, pub.Limits().Budget, c.want)
		}
	}
	if b := open(t, p).Limits().Budget; b != 0 {
		t.Errorf("a budget of %d by itself", b)
	}
}

func TestWrongAccountIsNeverPostedOn(t *testing.T) {
	p := platform(t)
	pub := open(t, p, "HANDLE", "@somebody")
	_, err := pub.Publish(context.Background(), message(1))
	if e := failed(t, err, announce.Permanent, true); !strings.Contains(e.Fault, "@meetup_sim") || !strings.Contains(e.Fault, "@somebody") {
		t.Error(e.Fault)
	}
	report, err := pub.(announce.Checker).Check(context.Background())
	if err != nil || len(report.Findings) != 1 || !report.Findings[0].Severe || report.Identity != "@meetup_sim" {
		t.Errorf("%+v, %v", report, err)
	}
	if n := len(p.Posts()); n != 0 {
		t.Errorf("%d posts", n)
	}
	open(t, p, "HANDLE", "Meetup_SIM")
	publish(t, open(t, p, "HANDLE", "Meetup_SIM"), message(2))
}

func TestWrongKeysStopTheAccount(t *testing.T) {
	for _, v := range []string{"CONSUMER_KEY", "CONSUMER_SECRET", "ACCESS_TOKEN", "ACCESS_SECRET"} {
		p := platform(t)
		pub := open(t, p, v, "wrong", "HANDLE", "")
		_, err := pub.Publish(context.Background(), message(1))
		failed(t, err, announce.Permanent, true)
		_, err = pub.(announce.Checker).Check(context.Background())
		failed(t, err, announce.Permanent, true)
		if n := len(p.Posts()); n != 0 {
			t.Errorf("%s: %d posts", v, n)
		}
	}
}

func TestCheck(t *testing.T) {
	p := platform(t)
	pub := open(t, p)
	report, err := pub.(announce.Checker).Check(context.Background())
	if err != nil || report.Identity != "@meetup_sim" || len(report.Findings) != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	p.ReadOnly()
	for range 70 {
		if report, err = pub.(announce.Checker).Check(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(report.Findings) != 2 || !report.Findings[0].Severe || report.Findings[1].Severe || !strings.Contains(report.Findings[1].What, "4 more of 75") {
		t.Errorf("%+v", report.Findings)
	}
	_, err = pub.Publish(context.Background(), message(1))
	if e := failed(t, err, announce.Permanent, true); !strings.Contains(e.Fault, "Read and Write") {
		t.Error(e.Fault)
	}
}

func TestRateLimitOfThePlatform(t *testing.T) {
	p := platform(t)
	p.Grant(2)
	pub := open(t, p)
	publish(t, pub, message(1))
	publish(t, pub, message(2))
	_, err := pub.Publish(context.Background(), message(3))
	if e := failed(t, err, announce.RateLimited, false); e.RetryAfter < 14*time.Minute || e.RetryAfter > 15*time.Minute+5*time.Second {
		t.Errorf("waits %s", e.RetryAfter)
	}
}

func TestFindReadsEveryPage(t *testing.T) {
	p := platform(t, func(p *twittertest.Platform) { p.Grant(1000) })
	pub, began := open(t, p), time.Now()
	first := publish(t, pub, message(1))
	for n := range 120 {
		publish(t, pub, message(n+2))
	}
	f := pub.(announce.Finder)
	if r, found, err := f.Find(context.Background(), message(1), began); err != nil || !found || r.ID != first.ID {
		t.Errorf("%v, %t, %v", r, found, err)
	}
	if r, found, err := f.Find(context.Background(), message(1), time.Now().Add(5*time.Minute)); err != nil || found {
		t.Errorf("before since: %v, %t, %v", r, found, err)
	}
	p.Script().Push(on(http.MethodGet, "/tweets", sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"meta":{"result_count":0,"next_token":"100"}}`}), on(http.MethodGet, "/tweets", answer(503, "")))
	_, _, err := f.Find(context.Background(), message(500), began)
	failed(t, err, announce.Temporary, false)
}

func TestAnAppThatMayNotReadStillPosts(t *testing.T) {
	p := platform(t)
	pub := open(t, p)
	publish(t, pub, message(1))
	forbidden := answer(403, `{"title":"Client Forbidden","type":"https://api.twitter.com/2/problems/client-forbidden"}`)
	p.Script().Push(on(http.MethodGet, "/tweets", forbidden))
	_, _, err := pub.(announce.Finder).Find(context.Background(), message(1), time.Now())
	failed(t, err, announce.Permanent, false)
	p.Script().Push(on(http.MethodGet, "/me", forbidden))
	_, err = pub.(announce.Checker).Check(context.Background())
	failed(t, err, announce.Permanent, true)
}

func TestRetract(t *testing.T) {
	p := platform(t)
	pub := open(t, p).(announce.Retracter)
	for _, id := range []string{"1893377219055689999", "18"} { // never was
		if err := pub.Retract(context.Background(), announce.Receipt{ID: id}); err != nil {
			t.Error(err)
		}
	}
	failed(t, pub.Retract(context.Background(), announce.Receipt{ID: "x"}), announce.Permanent, false)
	failed(t, pub.Retract(context.Background(), announce.Receipt{}), announce.Permanent, false)
	for _, c := range []struct {
		fault sim.Fault
		want  announce.Outcome
		stop  bool
	}{
		{answer(200, `{"data":{"deleted":false}}`), announce.Temporary, false},
		{answer(200, ``), announce.Temporary, false},
		{answer(404, `<html>`), announce.Permanent, false},
		{answer(403, `{"detail":"You are not permitted to perform this action.","type":"about:blank"}`), announce.Permanent, false},
		{answer(401, `{}`), announce.Permanent, true},
		{sim.Fault{Kind: sim.DropAfter}, announce.Temporary, false},
	} {
		p.Script().Push(c.fault)
		failed(t, pub.Retract(context.Background(), announce.Receipt{ID: "1893377219055689999"}), c.want, c.stop)
	}
	p.Script().Push(answer(200, `{"errors":[{"title":"Not Found Error","type":"https://api.twitter.com/2/problems/resource-not-found"}]}`))
	if err := pub.Retract(context.Background(), announce.Receipt{ID: "1893377219055689999"}); err != nil {
		t.Error(err)
	}
}

func TestAmend(t *testing.T) {
	p := platform(t, (*twittertest.Platform).Premium)
	pub := open(t, p)
	if !pub.Limits().FreshAmends {
		t.Error("an edit makes a new post")
	}
	m, after := message(1), message(2)
	m.Images = []announce.Picture{{Data: picture(t, color.Gray{1}), Type: "image/png", Alt: "Affiche"}}
	after.Images = m.Images
	first := publish(t, pub, m)
	amender := pub.(announce.Amender)
	if r, err := amender.Amend(context.Background(), first, m); err != nil || r != first {
		t.Errorf("nothing to change: %v, %v", r, err)
	}
	p.Script().Push(on(http.MethodPost, "/2/tweets", sim.Fault{Kind: sim.DropAfter}))
	_, err := amender.Amend(context.Background(), first, after)
	failed(t, err, announce.Ambiguous, false)
	r, found, err := pub.(announce.Finder).Find(context.Background(), after, m.Date)
	if err != nil || !found || r.ID == first.ID {
		t.Fatalf("Find: %v, %t, %v", r, found, err)
	}
	if again, err := amender.Amend(context.Background(), first, after); err != nil || again.ID != r.ID {
		t.Errorf("repeated with the old receipt: %v, %v", again, err)
	}
	for n := range 4 {
		if r, err = amender.Amend(context.Background(), r, message(n+10)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = amender.Amend(context.Background(), r, message(20))
	if e := failed(t, err, announce.Permanent, false); !strings.Contains(e.Fault, "30 minutes") || !strings.Contains(e.Fault, "by hand") {
		t.Error(e.Fault)
	}
	if posts := p.Posts(); len(posts) != 1 || posts[0].Edited != 5 || !strings.Contains(posts[0].HTML, "Edited") {
		t.Errorf("%v", live(p))
	}
	if err := pub.(announce.Retracter).Retract(context.Background(), first); err != nil || len(live(p)) != 0 {
		t.Errorf("the first receipt takes every version away: %v, %v", err, live(p))
	}
	p.Script().Push(answer(201, `{"data":{}}`))
	_, err = amender.Amend(context.Background(), r, message(21))
	failed(t, err, announce.Ambiguous, false)
}

func TestAbilities(t *testing.T) {
	p := platform(t)
	if _, can := open(t, p).(announce.Amender); can || open(t, p).Limits().FreshAmends {
		t.Error("edits without Premium")
	}
	l := open(t, p).Limits()
	if l.Text != 280 || l.Images != 4 || l.Alt != 1000 || !l.Links || l.Idempotent != 0 || !l.Card || l.Picture.Bytes != 5_000_000 || len(l.Picture.Types) != 4 {
		t.Errorf("%+v", l)
	}
}

func TestConfigurationSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, value, say string }{
		{"HANDLE", "@two words", "HANDLE"}, {"HANDLE", "@sixteencharacters", "HANDLE"},
		{"BUDGET", "-1", "BUDGET"}, {"BUDGET", "NaN", "BUDGET"}, {"BUDGET", "0.1", "BUDGET"}, {"BUDGET", "0.219", "BUDGET"}, {"BUDGET", "0.22", ""}, {"BUDGET", "cheap", "Budget"}, {"LINKS", "perhaps", "Links"},
		{"API", "http://example.org", "API"}, {"API", "", ""}, {"API", "api.x.com", "API"}, {"CONSUMER_KEY", "", "CONSUMER_KEY"}, {"ACCESS_SECRET", "", "ACCESS_SECRET"},
	} {
		environ := map[string]string{"CONSUMER_KEY": "k-secret", "CONSUMER_SECRET": "s-secret", "ACCESS_TOKEN": "t-secret", "ACCESS_SECRET": "u-secret", c.name: c.value}
		pub, err := configure(environ)
		if c.say == "" {
			if err != nil || pub.Name() != "twitter" {
				t.Errorf("%s=%q: %v", c.name, c.value, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "-secret") {
			t.Errorf("%s=%q: %v", c.name, c.value, err)
		}
	}
}
