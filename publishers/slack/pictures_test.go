package slack

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/slack/slacktest"
)

// pictured is a message with a picture that has no address and one that has.
func pictured() announce.Message {
	m := message(1)
	m.Images = []announce.Picture{poster(), {Data: []byte("\xff\xd8\xff\xe0"), Type: "image/jpeg", URL: "https://crieur.example.org/media/plan.jpg", Alt: "Le plan"}}
	return m
}

const posterData, planData, planURL = "data:image/png;base64,iVBORw0KGgo=", "data:image/jpeg;base64,/9j/4A==", "https://crieur.example.org/media/plan.jpg"

func TestPictures(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*slacktest.Workspace)
		want   []string // where the poster and the plan are shown from; empty: by their words
		files  int      // that were brought to Slack
	}{
		"one is uploaded, the other has an address": {func(*slacktest.Workspace) {}, []string{posterData, planURL}, 1},
		"slow to be looked into":                    {func(w *slacktest.Workspace) { w.Slow = 2 }, []string{posterData, planURL}, 1},
		"never looked into":                         {func(w *slacktest.Workspace) { w.Slow = -1 }, []string{"", planURL}, 1},
		"without the right to upload":               {without("files:write"), []string{"", planURL}, 0},
		"without the right to see files":            {without("files:read"), []string{"", planURL}, 0},
		"uploads are switched off":                  {func(w *slacktest.Workspace) { w.Uploads = false }, []string{"", planURL}, 0},
		"the address cannot be fetched":             {func(w *slacktest.Workspace) { w.Unseen = true }, []string{posterData, planData}, 2},
		"neither can the address, nor be uploaded": {func(w *slacktest.Workspace) {
			w.Unseen, w.Uploads = true, false
		}, []string{"", ""}, 0},
		"neither can the address, nor the files be shown": {func(w *slacktest.Workspace) {
			w.Unseen, w.Slow = true, -1
		}, []string{"", ""}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t, false)
			p.(*bot).asksFor = time.Minute
			if strings.Contains(name, "never") || strings.Contains(name, "nor the files") {
				p.(*bot).asksFor = 10 * time.Millisecond
			}
			platform.Change(x.change)
			m := pictured()
			r, err := p.Publish(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			looks(t, platform, m, x.want)
			if n := len(platform.Files()); n != x.files {
				t.Errorf("%d files: %+v", n, platform.Files())
			}
			m.Subject = "Rencontre corrigée"
			if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
				t.Fatal(err)
			}
			looks(t, platform, m, x.want)
			for _, f := range platform.Files() {
				if f.Alt != "L’affiche" && f.Alt != "Le plan" || f.Title == "" || f.Bytes == 0 || f.Name == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func without(scope string) func(*slacktest.Workspace) {
	return func(w *slacktest.Workspace) {
		w.Scopes = strings.Fields(strings.ReplaceAll(strings.Join(w.Scopes, " "), scope, ""))
	}
}

// looks holds the only post to what readers are to see of its pictures.
func looks(t *testing.T, platform *slacktest.Platform, m announce.Message, want []string) {
	t.Helper()
	posts := platform.Posts()
	if len(posts) != 1 || !strings.Contains(posts[0].Text, m.Subject) {
		t.Fatalf("%+v", posts)
	}
	var shown []string
	for _, i := range posts[0].Images {
		shown = append(shown, i.URL+" "+i.Alt)
	}
	for i, from := range want {
		alt := m.Images[i].Alt
		if from != "" {
			if len(shown) == 0 || shown[0] != from+" "+alt {
				t.Errorf("pictures %q, want next %s", shown, from)
				return
			}
			shown = shown[1:]
		} else if !strings.Contains(posts[0].Text, "Image\u00a0: "+alt) {
			t.Errorf("the words %q stand nowhere: %s", alt, posts[0].Text)
		}
	}
	if len(shown) > 0 {
		t.Errorf("too many pictures: %q", shown)
	}
}

// A picture that cannot be brought now is brought later, with its post: nothing appears meanwhile.
func TestAnUploadMayBeTriedAgain(t *testing.T) {
	for _, at := range []string{"/files.getUploadURLExternal", "/upload/v1/", "/files.completeUploadExternal"} {
		for _, x := range []struct {
			fault sim.Fault
			want  announce.Outcome
		}{
			{sim.Fault{Kind: sim.Answer, Status: 503, Body: "<html>"}, announce.Temporary},
			{sim.Fault{Kind: sim.AnswerAfter, Status: 500}, announce.Temporary},
			{sim.Fault{Kind: sim.DropAfter}, announce.Temporary},
			{sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"ok":tr`}, announce.Temporary},
			{sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"ok":true}`}, announce.Temporary},
			{sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"ok":false,"error":"internal_error"}`}, announce.Temporary},
			{sim.Fault{Kind: sim.Answer, Status: 429, Header: map[string]string{"Retry-After": "7"}}, announce.RateLimited},
		} {
			x.fault.OnlyPath = at
			if at == "/upload/v1/" && x.fault.Status == 200 {
				continue // its status says all
			}
			p, platform := open(t, false)
			platform.Script().Push(x.fault)
			_, err := p.Publish(t.Context(), pictured())
			var e *announce.Error
			if !errors.As(err, &e) || e.Outcome != x.want || e.Stop || platform.Script().Left() != 0 {
				t.Errorf("%s, %s %d: %v", at, x.fault.Kind, x.fault.Status, err)
			}
			if n := len(platform.Posts()); n != 0 {
				t.Errorf("%s, %s: %d posts", at, x.fault.Kind, n)
			}
			if _, err := p.Publish(t.Context(), pictured()); err != nil {
				t.Errorf("%s, %s, again: %v", at, x.fault.Kind, err)
			}
			looks(t, platform, pictured(), []string{posterData, planURL})
		}
	}
}

// A look at a file that fails changes nothing: the post tells.
func TestALookThatFailsIsRepeated(t *testing.T) {
	p, platform := open(t, false)
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 500, OnlyPath: "/files.info"})
	if _, err := p.Publish(t.Context(), pictured()); err != nil {
		t.Fatal(err)
	}
	looks(t, platform, pictured(), []string{posterData, planURL})
}

// A token that died stops the account, with pictures as without.
func TestADeadTokenIsNotAPicturesFault(t *testing.T) {
	p, err := New(Config{Token: announce.NewSecret("xoxb-dead"), Channel: slacktest.Channel, API: deadEnd(t)}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Publish(t.Context(), pictured())
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || !e.Stop || e.Status != "invalid_auth" {
		t.Errorf("%v", err)
	}
}

func deadEnd(t *testing.T) string {
	_, platform := open(t, false)
	return platform.Environ()["API"]
}

func TestWebhookPictures(t *testing.T) {
	for _, unseen := range []bool{false, true} {
		p, platform := open(t, true)
		platform.Change(func(w *slacktest.Workspace) { w.Unseen = unseen })
		if _, err := p.Publish(t.Context(), pictured()); err != nil {
			t.Fatal(err)
		}
		want := []string{"", planURL}
		if unseen {
			want[1] = ""
		}
		looks(t, platform, pictured(), want)
		if n := len(platform.Files()); n != 0 {
			t.Errorf("%d files", n)
		}
	}
}

func TestAddresses(t *testing.T) {
	for address, public := range map[string]bool{
		"https://example.org/a.png": true, "http://127.0.0.1:8080/media/a.png": false, "": false, "https://example.org/" + strings.Repeat("a", mostLink): false,
	} {
		if got := addressed(announce.Message{Images: []announce.Picture{{URL: address}}})[0].address != ""; got != public {
			t.Errorf("%.80s: %t", address, got)
		}
	}
}
