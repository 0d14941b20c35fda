package facebooktest

import (
	"encoding/base64"
	"html/template"
	"net/url"
	"regexp"
	"strings"

	"github.com/crieur/crieur/publishers/sim"
)

// Posts are what the Page's readers see, oldest first. What its people wrote by hand is not among them.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, x := range p.posts {
		if x.raw == "" {
			continue
		}
		s := sim.Post{ID: x.id, URL: x.url(), Author: pageName, Text: x.message, HTML: x.html(), Raw: x.raw, At: x.at, Edited: x.edited, Deleted: x.deleted}
		for _, ph := range x.photos {
			s.Images = append(s.Images, sim.Image{URL: ph.address(), Alt: ph.alt})
		}
		posts = append(posts, s)
	}
	return posts
}

func (x *photo) address() string {
	return "data:" + x.kind + ";base64," + base64.StdEncoding.EncodeToString(x.data)
}

// piece is a run of a post's text: words, a link, or the end of a line.
type piece struct {
	Text, Link string
	End        bool
}

var (
	address = regexp.MustCompile(`https?://[^\s\p{Z}<>"]*[^\s\p{Z}<>"'.,;:!?)\]»”]`)
	hashtag = regexp.MustCompile(`#[\p{L}\p{M}\p{N}_]+`)
)

var page = template.Must(template.New("post").Parse(`<article class="facebook"><header><b>{{.Name}}</b> <span>{{.Shown}}{{if .Edited}} · Edited{{end}}</span></header>` +
	`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Link}}" rel="nofollow">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</p>` +
	`{{range .Pictures}}<img src="{{.Address}}" alt="{{.Alt}}">{{end}}` +
	`{{with .Preview}}<a class="preview" href="{{.Link}}" rel="nofollow"><small>{{.Host}}</small> <span>{{.Link}}</span></a>{{end}}</article>`))

type picture struct {
	Address template.URL
	Alt     string
}

type preview struct{ Host, Link string }

func (x *post) html() string {
	var pictures []picture
	for _, ph := range x.photos {
		pictures = append(pictures, picture{template.URL(ph.address()), ph.alt}) //nolint:gosec // base64 of a picture, made above
	}
	var shown *preview
	if u, err := url.Parse(x.link); err == nil && x.link != "" {
		shown = &preview{strings.ToUpper(u.Hostname()), x.link}
	}
	var b strings.Builder
	if err := page.Execute(&b, map[string]any{
		"Name": pageName, "Shown": x.at.Format("2 January at 15:04"), "Edited": x.edited > 0, "Pieces": pieces(x.message), "Pictures": pictures, "Preview": shown,
	}); err != nil {
		return template.HTMLEscapeString(err.Error())
	}
	return b.String()
}

// pieces makes links of addresses and hashtags, as Facebook does.
func pieces(text string) []piece {
	var out []piece
	end := 0
	for _, at := range address.FindAllStringIndex(text, -1) {
		out = append(words(out, text[end:at[0]]), piece{Text: text[at[0]:at[1]], Link: text[at[0]:at[1]]})
		end = at[1]
	}
	return words(out, text[end:])
}

func words(out []piece, text string) []piece {
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			out = append(out, piece{End: true})
		}
		end := 0
		for _, at := range hashtag.FindAllStringIndex(line, -1) {
			tag := line[at[0]:at[1]]
			out = append(out, piece{Text: line[end:at[0]]}, piece{Text: tag, Link: "https://www.facebook.com/hashtag/" + url.PathEscape(strings.ToLower(tag[1:]))})
			end = at[1]
		}
		out = append(out, piece{Text: line[end:]})
	}
	return out
}
