package twittertest

import (
	"encoding/base64"
	"html/template"
	"strings"

	"github.com/crieur/crieur/publishers/sim"
)

// Posts are what the account's readers see, oldest first. An edited post is one, under the number of its last version.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := make([]sim.Post, 0, len(p.tweets))
	for _, t := range p.tweets {
		v := t.last()
		post := sim.Post{
			ID: v.id, URL: "https://x.com/" + handle + "/status/" + v.id, Author: name + " @" + handle, Text: v.text, HTML: v.html(len(t.versions) > 1),
			Raw: v.raw, At: t.versions[0].at, Edited: len(t.versions) - 1, Deleted: t.deleted,
		}
		for _, m := range v.media {
			post.Images = append(post.Images, sim.Image{URL: m.address(), Alt: m.alt})
		}
		posts = append(posts, post)
	}
	return posts
}

func (m *media) address() string {
	return "data:" + m.kind + ";base64," + base64.StdEncoding.EncodeToString(m.data)
}

// piece is a run of a post's text: plain, a link, or the end of a line.
type piece struct {
	Text, Link string
	End        bool
}

type picture struct {
	Address template.URL
	Alt     string
}

var page = template.Must(template.New("tweet").Parse(`<article class="tweet"><header><b>{{.Name}}</b> <span>@{{.Handle}}</span></header>` +
	`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Link}}" rel="nofollow">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</p>` +
	`{{range .Pictures}}<img src="{{.Address}}" alt="{{.Alt}}">{{end}}` +
	`<footer><time datetime="{{.At}}">{{.Shown}}</time>{{if .Edited}} · Edited{{end}}</footer></article>`))

func (v version) html(edited bool) string {
	var pieces []piece
	end := 0
	for _, l := range links(v.text) {
		address, display := expand(v.text[l.start:l.end])
		pieces = append(lines(pieces, v.text[end:l.start]), piece{Text: display, Link: address})
		end = l.end
	}
	pieces = lines(pieces, v.text[end:])
	var pictures []picture
	for _, m := range v.media {
		pictures = append(pictures, picture{template.URL(m.address()), m.alt}) //nolint:gosec // base64 of a picture, made above
	}
	var b strings.Builder
	if err := page.Execute(&b, map[string]any{
		"Name": name, "Handle": handle, "Pieces": pieces, "Pictures": pictures, "Edited": edited,
		"At": v.at.UTC().Format("2006-01-02T15:04:05Z"), "Shown": v.at.UTC().Format("3:04 PM · Jan 2, 2006"),
	}); err != nil {
		return ""
	}
	return b.String()
}

// lines appends a run of text, line by line.
func lines(pieces []piece, text string) []piece {
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			pieces = append(pieces, piece{End: true})
		}
		pieces = append(pieces, piece{Text: line})
	}
	return pieces
}
