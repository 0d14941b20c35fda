package matrixtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"strings"

	"github.com/microcosm-cc/bluemonday"

	"github.com/crieur/crieur/publishers/sim"
)

// suggested are the elements that the specification tells apps to show.
func suggested() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("del", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "p", "ul", "ol", "sup", "sub", "li", "b", "i", "u", "strong", "em", "s", "code",
		"hr", "br", "div", "table", "thead", "tbody", "tr", "th", "td", "caption", "pre", "span", "details", "summary")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("https", "http", "mailto")
	p.RequireNoReferrerOnLinks(true)
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	return p
}

// Posts are the messages of the bot as people's apps show them, oldest first: edited ones as they are now.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, e := range p.events {
		if e.sender != User || replaces(e) != "" {
			continue
		}
		now, raw, edited := e.content, e.raw, 0
		for _, x := range p.events {
			fresh, ok := x.content["m.new_content"].(map[string]any)
			if ok && replaces(x) == e.id && x.sender == e.sender && !x.redacted {
				now, raw = fresh, x.raw
				edited++
			}
		}
		key, _ := now["io.github.crieur.delivery_id"].(string)
		room, to := p.room(), ""
		if d := p.direct(e.room); d != nil {
			room, to = d.room, d.person
		}
		posts = append(posts, sim.Post{
			ID: room + "/" + e.id, URL: link(room, e.id), To: to, Author: "Crieur", Text: text(now, "body"), HTML: p.show(now), Raw: pretty(raw),
			Images: p.pictures(now), At: e.at, Edited: edited, Deleted: e.redacted, Key: key,
		})
	}
	return posts
}

func replaces(e *event) string {
	relation, _ := e.content["m.relates_to"].(map[string]any)
	if relation["rel_type"] != "m.replace" {
		return ""
	}
	return text(relation, "event_id")
}

func text(content map[string]any, key string) string {
	s, _ := content[key].(string)
	return s
}

// pictures are those of a message. Apps have no other words for a picture than the message's own.
func (p *Platform) pictures(content map[string]any) []sim.Image {
	m, ok := p.media[text(content, "url")]
	if text(content, "msgtype") != "m.image" || !ok {
		return nil
	}
	return []sim.Image{{URL: "data:" + m.kind + ";base64," + base64.StdEncoding.EncodeToString(m.data), Alt: text(content, "body")}}
}

var shown = template.Must(template.New("").Parse(`<div class="matrix{{if .Notice}} notice{{end}}">{{range .Pictures}}<figure><img src="{{.URL}}" alt="{{.Alt}}"></figure>{{end}}{{.Words}}</div>`))

func (p *Platform) show(content map[string]any) string {
	body := text(content, "body")
	if file := text(content, "filename"); text(content, "msgtype") == "m.image" && (file == "" || file == body) {
		body = "" // a file name, no caption
	}
	words := template.HTML(strings.ReplaceAll(template.HTMLEscapeString(body), "\n", "<br>")) // #nosec G203 -- escaped on this line
	if text(content, "format") == "org.matrix.custom.html" {
		words = template.HTML(p.policy.Sanitize(text(content, "formatted_body"))) // #nosec G203 -- sanitised on this line
	}
	type picture struct {
		URL template.URL
		Alt string
	}
	view := struct {
		Notice   bool
		Pictures []picture
		Words    template.HTML
	}{Notice: text(content, "msgtype") == "m.notice", Words: words}
	for _, i := range p.pictures(content) {
		if strings.HasPrefix(i.URL, "data:image/") {
			view.Pictures = append(view.Pictures, picture{template.URL(i.URL), i.Alt}) // #nosec G203 -- base64 of an image type
		}
	}
	var b strings.Builder
	if err := shown.Execute(&b, view); err != nil {
		return template.HTMLEscapeString(err.Error())
	}
	return b.String()
}

func pretty(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String() + "\n"
}
