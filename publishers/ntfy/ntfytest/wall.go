package ntfytest

import (
	"encoding/json"
	"html/template"
	"regexp"
	"strings"

	"github.com/crieur/crieur/publishers/sim"
)

// Posts are the notifications as an app that knows sequences shows them: the last message of each, until it is deleted.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	place := map[string]int{}
	for _, e := range p.events {
		if e.raw == "" && e.Event == "message" {
			continue // somebody else's
		}
		i, known := place[e.Sequence]
		switch {
		case e.Event == "message_delete" && known:
			posts[i].Deleted = true
		case e.Event == "message_delete":
		case known && e.Sequence != "":
			edited := posts[i].Edited + 1
			posts[i] = e.post(p.server.URL)
			posts[i].Edited = edited
		default:
			place[e.Sequence] = len(posts)
			posts = append(posts, e.post(p.server.URL))
		}
	}
	return posts
}

func (e *event) post(base string) sim.Post {
	post := sim.Post{
		ID: e.Sequence, URL: base + "/" + e.Topic, Author: e.Topic, Subject: e.Title, Text: e.Message, HTML: e.html(), Raw: indent(e.raw), At: e.at, Key: e.Sequence,
	}
	if post.ID == "" {
		post.ID = e.ID
	}
	if e.Attachment != nil && e.Attachment.Type == "" {
		post.Images = []sim.Image{{URL: e.Attachment.URL}}
	}
	return post
}

func indent(raw string) string {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return raw
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
	return b.String()
}

// piece is a run of text: plain, an address, or the end of a line.
type piece struct {
	Text string
	Link bool
	End  bool
}

var (
	link = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)\]]`)
	page = template.Must(template.New("").Parse(`<article class="ntfy">` +
		`{{with .Title}}<h3>{{.}}</h3>{{end}}` +
		`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Text}}" rel="noreferrer">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</p>` +
		`{{with .Picture}}<img src="{{.}}" alt="" loading="lazy">{{end}}` +
		`{{with .File}}<p><a href="{{.URL}}" rel="noreferrer">{{.Name}}</a></p>{{end}}` +
		`{{with .Click}}<p><a href="{{.}}" rel="noreferrer">{{.}}</a></p>{{end}}</article>`))
)

func (e *event) html() string {
	var pieces []piece
	for i, line := range strings.Split(e.Message, "\n") {
		if i > 0 {
			pieces = append(pieces, piece{End: true})
		}
		end := 0
		for _, at := range link.FindAllStringIndex(line, -1) {
			pieces = append(pieces, piece{Text: line[end:at[0]]}, piece{Text: line[at[0]:at[1]], Link: true})
			end = at[1]
		}
		pieces = append(pieces, piece{Text: line[end:]})
	}
	v := struct {
		Title, Click, Picture string
		Pieces                []piece
		File                  *attachment
	}{Title: e.Title, Click: e.Click, Pieces: pieces}
	if strings.Contains(e.Message, e.Click) {
		v.Click = ""
	}
	if e.Attachment != nil && e.Attachment.Type == "" {
		v.Picture = e.Attachment.URL
	} else {
		v.File = e.Attachment
	}
	var b strings.Builder
	if page.Execute(&b, v) != nil {
		return ""
	}
	return b.String()
}
