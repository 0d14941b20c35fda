package slack

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"github.com/crieur/crieur/internal/announce"
)

func TestWords(t *testing.T) {
	for md, want := range map[string]string{
		"un\ndeux":                         `{"type":"rich_text_section","elements":[{"type":"text","text":"un\ndeux"}]}`,
		"un\\\ndeux":                       `{"type":"rich_text_section","elements":[{"type":"text","text":"un\ndeux"}]}`,
		"un\n\n\n\ndeux":                   `{"type":"rich_text_section","elements":[{"type":"text","text":"un\n\ndeux"}]}`,
		"**gras _et_ ~~barré~~**":          `{"type":"rich_text_section","elements":[{"type":"text","text":"gras ","style":{"bold":true}},{"type":"text","text":"et","style":{"bold":true,"italic":true}},{"type":"text","text":" ","style":{"bold":true}},{"type":"text","text":"barré","style":{"bold":true,"strike":true}}]}`,
		"<b>gras</b> <!channel>":           `{"type":"rich_text_section","elements":[{"type":"text","text":"<b>gras</b> <!channel>"}]}`,
		"<div>\n<!here>\n</div>":           `{"type":"rich_text_section","elements":[{"type":"text","text":"<div>\n<!here>\n</div>"}]}`,
		"&eacute; &amp;lt; \\*a\\* &#7;":   `{"type":"rich_text_section","elements":[{"type":"text","text":"é &lt; *a* "}]}`,
		"[**a** b](https://example.org)":   `{"type":"rich_text_section","elements":[{"type":"link","url":"https://example.org","text":"a b"}]}`,
		"*[a](https://example.org/?a|b)*":  `{"type":"rich_text_section","elements":[{"type":"link","url":"https://example.org/?a%7Cb","text":"a","style":{"italic":true}}]}`,
		"[a](/relatif) [b](data:x)":        `{"type":"rich_text_section","elements":[{"type":"text","text":"a b"}]}`,
		"![Une fusée](https://a.example/)": `{"type":"rich_text_section","elements":[{"type":"link","url":"https://a.example/","text":"Une fusée"}]}`,
		"https://example.org/à.":           `{"type":"rich_text_section","elements":[{"type":"link","url":"https://example.org/%C3%A0","text":"https://example.org/à"},{"type":"text","text":"."}]}`,
		"- a\n\n  suite\n- `b`":            `{"type":"rich_text_list","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"a\nsuite"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"b","style":{"code":true}}]}],"style":"bullet","indent":0,"border":0,"offset":0}`,
		"3. a\n4. b":                       `{"type":"rich_text_list","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"a"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"b"}]}],"style":"ordered","indent":0,"border":0,"offset":2}`,
		"-\n-":                             ``,
		"> - a\n> - b\n>\n> c":             `{"type":"rich_text_quote","elements":[{"type":"text","text":"• a\n• b\nc"}]}`,
		"a\n> b\n\nc":                      `{"type":"rich_text_section","elements":[{"type":"text","text":"a"}]},{"type":"rich_text_quote","elements":[{"type":"text","text":"b"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"\nc"}]}`,
		"```\n\n```":                       ``,
		"[a]: https://example.org\n\n[a]":  `{"type":"rich_text_section","elements":[{"type":"link","url":"https://example.org","text":"a"}]}`,
	} {
		blocks, err := json.Marshal(translate(newMarkdown(), md, ""))
		if err != nil {
			t.Fatal(err)
		}
		if want != "" {
			want = `[{"type":"rich_text","elements":[` + want + `]}]`
		} else {
			want = "null"
		}
		got := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(blocks))
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", md, got, want)
		}
	}
}

func TestTheTitleIsSaidOnce(t *testing.T) {
	for md, want := range map[string]int{
		"# Une soirée\n\nTexte":        1,
		"**Une soirée**\n\nTexte":      1,
		"Une soirée\n\nTexte":          1,
		"Une soirée à Alma\n\nTexte":   2,
		"Texte\n\nUne soirée":          2,
		"Une soirée\nà Alma\n\nTexte":  2,
		"- Une soirée\n\nEt la suite.": 2,
	} {
		p := compose(newMarkdown(), announce.Message{Subject: "Une soirée", Text: md}, nil)
		if got := strings.Count(strings.ReplaceAll(p.fallback, " ", " "), "Une soirée"); got != want {
			t.Errorf("%q: said %d times:\n%s", md, got, p.fallback)
		}
	}
}

func TestTheLinkIsGivenOnce(t *testing.T) {
	const link, pumpkin = "https://example.org/inscription?a=1&b=2", "https://example.org/🎃"
	for _, x := range []struct {
		md, link string
		more     bool
	}{
		{"Texte", link, true},
		{"https://example.org/autre", link, true},
		{"Voir " + link, link, false},
		{"Voir <" + link + ">", link, false},
		{"[ici](" + link + ")", link, false},
		{"[ici](<https://example.org/inscription?a=1&amp;b=2>)", link, false},
		{"<https://example.org/%F0%9F%8E%83>", pumpkin, false},
		{"- [là](<" + pumpkin + ">)", pumpkin, false},
		{"> [là](<" + pumpkin + "/>)", pumpkin, false},
		{"Texte", "", false},
	} {
		p := compose(newMarkdown(), announce.Message{Subject: "S", Text: x.md, Link: x.link, Language: "fr-CA"}, nil)
		if got := strings.Contains(p.fallback, "En savoir plus"); got != x.more {
			t.Errorf("%q:\n%s", x.md, p.fallback)
		}
	}
}

// What fits in the text's limit fits in Slack's, whatever else the message holds.
func TestTheCeilingsAddUp(t *testing.T) {
	address := "https://example.org/" + strings.Repeat("a", 1980)
	m := announce.Message{Subject: strings.Repeat("T", 300), Text: strings.Repeat("é ", maxText/2), Link: address}
	for range maxImages {
		m.Images = append(m.Images, announce.Picture{URL: address, Alt: strings.Repeat("x", maxAlt)})
	}
	p, platform := open(t, false)
	if n := p.Limits().Measure(m.Text); n < maxText-2 || n > maxText {
		t.Fatalf("measures %d", n)
	}
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	post := platform.Posts()[0]
	if !strings.Contains(post.Text, m.Subject) || len(post.Images) != maxImages || !strings.Contains(post.Text, address) {
		t.Error("something was left out")
	}
}

func nasty() []string {
	return []string{
		gala().Text, "", "\\", "&", "&;", "<", "<!channel|x>", "- - - a", "1. - > a\n```", "# ", "[", "[]()", "![](https://a.example)", "[a](mailto:)", "[a](https://)", "<https://a>", "***", "---\n---\na",
		"a\n---\n\n---\n\nb", "\t- a\n\t\t- b\n\t\t\t- c\n\t\t\t\t- d\n\t\t\t\t\t- e\n\t\t\t\t\t\t- f", "> > > a", "\u00a0", "\u202e", "https://é.example/|<", "99999999999. a", "- \n  - a", "www.", "a@b.c", "~~~\n~~~",
		"https://[::1]:8080/a", "https://a..b/", "[0](http://:#", "[a](https://:80/)", "https://a_b.example/", "[a](http://exa mple.org)", "<https://a.example/%zz>", strings.Repeat("---\n\na\n\n", 60), strings.Repeat("> ", 50) + "a", strings.Repeat("- ", 50) + "a",
	}
}

// Whatever an author writes, Slack takes it, shows it and calls nobody.
func TestNastyWordsArePublished(t *testing.T) {
	for _, md := range nasty() {
		for _, webhook := range []bool{false, true} {
			p, platform := open(t, webhook)
			if _, err := p.Publish(t.Context(), announce.Message{Key: "k", Subject: "Titre", Text: md}); err != nil {
				t.Errorf("%.300q: %v", md, err)
			}
			if n := platform.Pings(); n != 0 {
				t.Errorf("%q calls %d", md, n)
			}
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range append(nasty(), "[0](http://00<00)0") {
		f.Add(s)
	}
	p := newMarkdown()
	f.Fuzz(func(t *testing.T, md string) {
		out := compose(p, announce.Message{Subject: "Titre", Text: md}, nil)
		if strings.ContainsAny(out.fallback, "<>") || units(out.fallback) > maxFallback || len(out.blocks) > 50 {
			t.Fatalf("%.300q: %d blocks, %q", md, len(out.blocks), out.fallback)
		}
		each(out.blocks, func(spans []span) {
			if len(spans) == 0 {
				t.Fatalf("%q: an empty section", md)
			}
			for _, s := range spans {
				switch s := s.(type) {
				case *slackgo.RichTextSectionTextElement:
					if s.Text == "" {
						t.Fatalf("%q: an empty text", md)
					}
				case *slackgo.RichTextSectionLinkElement:
					u, err := url.Parse(s.URL)
					if err != nil || u.Scheme != "mailto" && (u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https") {
						t.Fatalf("%q: the link %q", md, s.URL)
					}
				default:
					t.Fatalf("%q: a %T", md, s)
				}
			}
		})
		var shown strings.Builder
		each(out.blocks, func(spans []span) { shown.WriteString(words(spans)) })
		if strings.ContainsAny(md, "[&`~") || !utf8.ValidString(md) {
			return // labels, references and fences take signs away
		}
		for _, r := range md {
			if unicode.IsLetter(r) && !strings.ContainsRune(shown.String()+"Titre", r) && !strings.Contains(md, "://") {
				t.Fatalf("%q lost %q:\n%s", md, r, shown.String())
			}
		}
	})
}

func TestVerdicts(t *testing.T) {
	header := http.Header{"Retry-After": {"5"}}
	for words, want := range map[string]announce.Error{
		"invalid_auth not_authed token_revoked token_expired account_inactive missing_scope no_permission org_login_required ekm_access_denied":    {Outcome: announce.Permanent, Stop: true},
		"not_in_channel channel_not_found is_archived restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel": {Outcome: announce.Permanent, Stop: true},
		"no_text msg_too_long msg_blocks_too_long": {Outcome: announce.Permanent, Field: "text"},
		"invalid_blocks invalid_blocks_format invalid_metadata_format metadata_too_large too_many_attachments message_not_found edit_window_closed some_new_word": {Outcome: announce.Permanent},
		"ratelimited rate_limited message_limit_exceeded":                {Outcome: announce.RateLimited, RetryAfter: 5 * time.Second},
		"internal_error fatal_error service_unavailable request_timeout": {Outcome: announce.Ambiguous},
		"team_added_to_org": {Outcome: announce.Temporary},
	} {
		for _, word := range strings.Fields(words) {
			body := []byte(`{"ok":false,"error":"` + word + `"}`)
			e := classify(true, false)(200, header, body)
			if e == nil || e.Outcome != want.Outcome || e.Stop != want.Stop || e.Field != want.Field || e.RetryAfter != want.RetryAfter || e.Status != word || e.Fault == "" {
				t.Errorf("%s: %+v", word, e)
			}
			changed := want.Outcome
			if changed == announce.Ambiguous {
				changed = announce.Temporary
			}
			if e := classify(false, true)(200, header, body); e == nil || e.Outcome != changed || e.Stop {
				t.Errorf("%s, on a change elsewhere: %+v", word, e)
			}
		}
	}
	picture := classify(true, false)(200, nil, []byte(`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] downloading image failed [json-pointer:/blocks/2/image_url]"]}}`))
	if picture.Field != "images" || picture.Outcome != announce.Permanent {
		t.Errorf("%+v", picture)
	}
	file := classify(true, false)(200, nil, []byte(`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] invalid slack file [json-pointer:/blocks/2/slack_file]"]}}`))
	if file.Field != "images" || file.Outcome != announce.Permanent {
		t.Errorf("%+v", file)
	}
	if e := classify(true, false)(200, nil, []byte(`{"ok":false,"error":"<b>sly</b> words"}`)); e.Status != "refused" {
		t.Errorf("%+v", e)
	}
	for _, lost := range []string{`{}`, `null`, `[]`, `{"ok":true}`, `{"ok":true,"ts":""}`, `{"ok":false}`, `"ok"`} {
		if e := classify(true, false)(200, nil, []byte(lost)); e == nil || e.Outcome != announce.Ambiguous {
			t.Errorf("%s: %+v", lost, e)
		}
	}
}

func TestWebhookVerdicts(t *testing.T) {
	for _, x := range []struct {
		status int
		word   string
		want   announce.Outcome
		stop   bool
		none   bool
	}{
		{200, "ok", 0, false, true},
		{200, "okay", announce.Ambiguous, false, false},
		{200, "", announce.Ambiguous, false, false},
		{302, "", 0, false, true},
		{400, "invalid_payload", announce.Permanent, false, false},
		{400, "user_not_found", announce.Permanent, false, false},
		{403, "action_prohibited", announce.Permanent, true, false},
		{403, "invalid_token", announce.Permanent, true, false},
		{404, "channel_not_found", announce.Permanent, true, false},
		{404, "no_service", announce.Permanent, true, false},
		{410, "channel_is_archived", announce.Permanent, true, false},
		{429, "", announce.RateLimited, false, false},
		{500, "rollup_error", 0, false, true}, // by status: ambiguous
	} {
		e := classifyHook(x.status, nil, []byte(x.word))
		if x.none {
			if e != nil {
				t.Errorf("%d %s: %+v", x.status, x.word, e)
			}
			continue
		}
		if e == nil || e.Outcome != x.want || e.Stop != x.stop || e.Fault == "" {
			t.Errorf("%d %s: %+v", x.status, x.word, e)
		}
	}
}
