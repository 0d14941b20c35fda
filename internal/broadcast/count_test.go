package broadcast

import (
	"html"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/templates"
)

// mailed is a mail of an announcement with links of every kind, as it is put on record.
func mailed(t *testing.T, account string) *composed {
	t.Helper()
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := announce.Announcement{
		ID: "06gzz", Rev: 1, Kind: announce.KindNews, Default: "fr", Link: "https://example.org/a?b=1&c=é",
		Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre", Body: "Voir [le site](https://example.org/b_(c)) (ou https://example.org/d), " +
			"<https://example.org>, [nous](https://crieur.example.org/events) et [écrire](mailto:ada@example.org)."}},
	}
	all, err := set.Render(templates.Request{
		Account: account, Language: "fr", Announcement: a, Limits: announce.Limits{HTML: true, Personal: true, Links: true},
		Site: announce.Site{Name: "Fjord", URL: "https://crieur.example.org", Postal: "1, rue du Port", Languages: []announce.Language{"fr"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &composed{payloads: []store.Payload{{Account: account, Language: "fr", Message: all[0]}}}
}

// Counted mails are those that are not, with other addresses in their links and a pixel: what is a person's own, and what is of
// this site, is untouched.
func TestCountedMails(t *testing.T) {
	s := &Service{Options: Options{Site: announce.Site{URL: "https://crieur.example.org"}}}
	before := mailed(t, "email@people").payloads[0].Message
	off := mailed(t, "email@people")
	if all := s.count(off, "06gzz"); all != nil || off.payloads[0].Message.HTML != before.HTML || off.payloads[0].Message.Text != before.Text {
		t.Errorf("switched off, mails are not what they were: %v", all)
	}
	s.CountKey = []byte("key")
	elsewhere := mailed(t, "matrix")
	if all := s.count(elsewhere, "06gzz"); all != nil || strings.Contains(elsewhere.payloads[0].Message.HTML, LinkPath) {
		t.Errorf("what is no mail is counted: %v", all)
	}
	on := mailed(t, "email@people")
	all := s.count(on, "06gzz")
	page, text := on.payloads[0].Message.HTML, on.payloads[0].Message.Text
	targets := map[string]bool{}
	for _, c := range all {
		targets[c.Target] = true
		path := LinkPath
		if c.Target == "" {
			path = PixelPath
			pixel := `<img src="https://crieur.example.org/o/` + c.Token + `" width="1" height="1" alt="">`
			if strings.Count(page, pixel+"</body>") != 1 {
				t.Error("the pixel is not there once, at the end")
			}
			page = strings.Replace(page, pixel, "", 1)
			continue
		}
		link := "https://crieur.example.org" + path + c.Token
		if !strings.Contains(page, `href="`+link+`"`) || !strings.Contains(text, link) {
			t.Errorf("%s is not counted in both parts", c.Target)
		}
		page = strings.ReplaceAll(page, link, html.EscapeString(c.Target))
		text = strings.ReplaceAll(text, link, strings.ReplaceAll(c.Target, "%c3%a9", "é"))
	}
	if page != before.HTML || text != before.Text {
		t.Errorf("more than links was changed:\n%s\n%s\nwas\n%s\n%s", page, text, before.HTML, before.Text)
	}
	for target, want := range map[string]bool{
		"": true, "https://example.org/b_(c)": true, "https://example.org/d": true, "https://example.org": true, "mailto:ada@example.org": false,
		"https://crieur.example.org/events": false, announce.UnsubscribeMark: false, announce.PreferencesMark: false, announce.PreferencesMark + "#why": false, announce.ArchiveMark: false,
	} {
		if targets[target] != want {
			t.Errorf("%q is counted: %v", target, !want)
		}
	}
	if again := s.count(mailed(t, "email"), "06gzz"); again[0] != all[0] || countToken(s.CountKey, "other", "") == countToken(s.CountKey, "06gzz", "") {
		t.Error("a link is not one per announcement and target")
	}
}
