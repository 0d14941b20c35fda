package mastodontest

import (
	"html"
	"html/template"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/publishers/sim"
)

type kind int

const (
	words kind = iota
	link
	mention
	hashtag
)

// entity is a run of a post's text.
type entity struct {
	kind kind
	text string
}

// entityForm finds links, mentions and hashtags as Mastodon does: what stands before them is judged apart.
var entityForm = regexp.MustCompile(`(?i)(https?://(?:[\pL\pN](?:[\pL\pN_-]*[\pL\pN])?\.)+[a-z]{2,24}(?::\d+)?(?:/(?:[\pL\pN!*';:=+,.$/%#\[\]_~@|&–-]|\([\pL\pN!*';:=+,.$/%#\[\]_~@|&–-]+\))*(?:[\pL\pN=_#/+-]|\([\pL\pN!*';:=+,.$/%#\[\]_~@|&–-]+\))|/)?(?:\?[a-z0-9!?*'();:&=+$/%#\[\]_.,~|@-]*[a-z0-9_&=#/-])?)` +
	`|(@[a-z0-9_]+(?:[.-]+[a-z0-9_]+)*(?:@[\pL\pN\pM_]+(?:[.-]+[\pL\pN\pM_]+)*)?)|([#＃][\pN_·・]*[\pL\pM_][\pL\pN\pM_·・]*)`)

// entities are the runs of a text, in order.
func entities(text string) []entity {
	var all []entity
	plain := func(s string) {
		switch n := len(all); {
		case s == "":
		case n > 0 && all[n-1].kind == words:
			all[n-1].text += s
		default:
			all = append(all, entity{words, s})
		}
	}
	rest := text
	for rest != "" {
		at := entityForm.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		before, _ := utf8.DecodeLastRuneInString(text[:len(text)-len(rest)+at[0]])
		found := entity{words, rest[at[0]:at[1]]}
		in := func(s string) bool { return strings.ContainsRune(s, before) }
		word := before == '_' || unicode.IsLetter(before) || unicode.IsDigit(before) || unicode.IsMark(before)
		switch {
		case at[2] >= 0 && !word && !in("@#$＃"):
			found.kind = link
		case at[4] >= 0 && !word && !in("=/"):
			found.kind = mention
		case at[6] >= 0 && !word && !in("=/)"):
			found.kind = hashtag
		}
		plain(rest[:at[0]])
		if found.kind == words {
			_, size := utf8.DecodeRuneInString(found.text)
			plain(found.text[:size])
			rest = rest[at[0]+size:]
			continue
		}
		all = append(all, found)
		rest = rest[at[1]:]
	}
	plain(rest)
	return all
}

// content is a text as Mastodon hands it out: paragraphs, with links whose ends are hidden by its style sheet.
func content(text string) string {
	return paragraphs(text, func(e entity) string {
		switch e.kind {
		case link:
			prefix := regexp.MustCompile(`(?i)^https?://(www\.)?`).FindString(e.text)
			shown, hidden := cut(e.text[len(prefix):])
			class := ""
			if hidden != "" {
				class = "ellipsis"
			}
			return `<a href="` + html.EscapeString(e.text) + `" target="_blank" rel="nofollow noopener noreferrer" translate="no"><span class="invisible">` + html.EscapeString(prefix) +
				`</span><span class="` + class + `">` + html.EscapeString(shown) + `</span><span class="invisible">` + html.EscapeString(hidden) + `</span></a>`
		case mention:
			local, server, there := strings.Cut(e.text[1:], "@")
			if !there {
				server = "mastodon.test"
			}
			return `<span class="h-card" translate="no"><a href="https://` + html.EscapeString(server) + `/@` + html.EscapeString(local) + `" class="u-url mention">@<span>` + html.EscapeString(local) + `</span></a></span>`
		case hashtag:
			tag := html.EscapeString(strings.TrimLeft(e.text, "#＃"))
			return `<a href="https://mastodon.test/tags/` + strings.ToLower(tag) + `" class="mention hashtag" rel="tag">#<span>` + tag + `</span></a>`
		}
		return html.EscapeString(e.text)
	})
}

// read is a text as a reader sees it.
func read(text string) string {
	return paragraphs(text, func(e entity) string {
		escaped := html.EscapeString(e.text)
		switch e.kind {
		case link:
			shown, hidden := cut(regexp.MustCompile(`(?i)^https?://(www\.)?`).ReplaceAllString(e.text, ""))
			if hidden != "" {
				shown += "…"
			}
			return `<a href="` + escaped + `" rel="nofollow noopener noreferrer">` + html.EscapeString(shown) + `</a>`
		case mention, hashtag:
			return `<a class="mention">` + escaped + `</a>`
		}
		return escaped
	})
}

func cut(s string) (shown, hidden string) {
	r := []rune(s)
	n := min(30, len(r))
	return string(r[:n]), string(r[n:])
}

func paragraphs(text string, one func(entity) string) string {
	var b strings.Builder
	for _, e := range entities(strings.TrimSpace(text)) {
		b.WriteString(one(e))
	}
	out := regexp.MustCompile(`\n\n+`).ReplaceAllString(b.String(), "</p><p>")
	return "<p>" + strings.ReplaceAll(out, "\n", "<br />") + "</p>"
}

var page = template.Must(template.New("").Parse(`<article class="toot"><header><b>{{.Display}}</b> <span>@{{.User}}@mastodon.test</span></header>` +
	`{{if .Warning}}<details><summary>{{.Warning}}</summary>{{end}}{{.Content}}` +
	`{{range .Images}}{{if $.Sensitive}}<details><summary>Sensitive content</summary>{{end}}<img src="{{.Address}}" alt="{{.Alt}}">{{if $.Sensitive}}</details>{{end}}{{end}}` +
	`{{if .Warning}}</details>{{end}}<footer><time datetime="{{.At}}">{{.Shown}}</time> · {{.Visibility}}{{if .Edited}} · Edited{{end}}</footer></article>`))

// Posts are the account's, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []sim.Post
	for _, n := range p.posts {
		shown := strings.NewReplacer("\u2060", "", "\u200b", "").Replace(strings.TrimSpace(n.Status))
		if n.Warning != "" {
			shown = n.Warning + "\n" + shown
		}
		one := sim.Post{
			ID: n.id, URL: p.url(n), Author: display + " @" + user, Text: shown, HTML: n.html(), Raw: n.raw, At: n.at, Edited: n.edited, Deleted: n.deleted,
		}
		if i := strings.LastIndexByte(n.key, '-'); i > 0 {
			one.Key = n.key[:i] // without the revision
		}
		for _, m := range n.pictures {
			one.Images = append(one.Images, sim.Image{URL: m.address(), Alt: m.alt})
		}
		out = append(out, one)
	}
	return out
}

type picture struct {
	Address template.URL
	Alt     string
}

func (n *post) html() string {
	var pictures []picture
	for _, m := range n.pictures {
		pictures = append(pictures, picture{template.URL(m.address()), m.alt}) //nolint:gosec // base64 of a picture, made above
	}
	var b strings.Builder
	if err := page.Execute(&b, map[string]any{
		"Display": display, "User": user, "Warning": n.Warning, "Sensitive": n.Sensitive, "Visibility": n.Visibility, "Edited": n.edited > 0,
		"Content": template.HTML(read(n.Status)), "Images": pictures, //nolint:gosec // escaped piece by piece in read
		"At": n.at.Format("2006-01-02T15:04:05Z"), "Shown": n.at.Format("Jan 2, 2006, 15:04"),
	}); err != nil {
		return ""
	}
	return b.String()
}
