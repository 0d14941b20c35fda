package linkedintest

import (
	"encoding/base64"
	"html/template"
	"net/url"
	"regexp"
	"strings"

	"github.com/crieur/crieur/publishers/sim"
)

// piece is a run of a post's text: words, a hashtag or other link, a mention, or the end of a line.
type piece struct {
	Text, Link   string
	End, Mention bool
}

const reserved = `\|{}@[]()<>#*_~`

var (
	hashtagElement = regexp.MustCompile(`^\{hashtag\|(?:\\#|#|\x{FF03})\|([\pL\pM\pN]+)\}`)
	mentionElement = regexp.MustCompile(`^@\[((?:\\.|[^\]\\])+)\]\(urn:li:(?:organization|person):[A-Za-z0-9_-]+\)`)
	webAddress     = regexp.MustCompile(`https?://[^\s\p{Z}<>"]*[^\s\p{Z}<>"'.,;:!?)\]}»”’]`)
)

// parse reads little text as LinkedIn does: at the first reserved character that belongs to nothing it stops, silently.
func parse(little string) []piece {
	var out []piece
	var words strings.Builder
	flush := func(p ...piece) {
		if words.Len() > 0 {
			out = append(out, piece{Text: words.String()})
			words.Reset()
		}
		out = append(out, p...)
	}
	for i := 0; i < len(little); i++ {
		ch := little[i]
		if strings.IndexByte(reserved, ch) < 0 {
			words.WriteByte(ch)
			continue
		}
		if tag := hashtagElement.FindStringSubmatch(little[i:]); tag != nil {
			flush(piece{Text: "#" + tag[1], Link: "https://www.linkedin.com/feed/hashtag/?keywords=" + url.QueryEscape(strings.ToLower(tag[1]))})
			i += len(tag[0]) - 1
			continue
		}
		if m := mentionElement.FindStringSubmatch(little[i:]); m != nil {
			flush(piece{Text: m[1], Mention: true})
			i += len(m[0]) - 1
			continue
		}
		if ch != '\\' || i+1 == len(little) || strings.IndexByte(reserved, little[i+1]) < 0 {
			break
		}
		i++
		words.WriteByte(little[i])
	}
	flush()
	return out
}

// shown is what readers see of little text.
func shown(little string) string {
	var b strings.Builder
	for _, p := range parse(little) {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Shown is what readers of a post with this commentary see, and how many people or pages it mentions.
func Shown(commentary string) (text string, mentioned int) {
	return shown(commentary), mentions(commentary)
}

func mentions(little string) int {
	n := 0
	for _, p := range parse(little) {
		if p.Mention {
			n++
		}
	}
	return n
}

// Posts are what the page's readers see, oldest first. What its people wrote by hand is not among them.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, x := range p.posts {
		if x.raw == "" {
			continue
		}
		s := sim.Post{
			ID: x.urn, URL: "https://www.linkedin.com/feed/update/" + x.urn + "/", Author: pageName, Text: shown(x.commentary), HTML: p.html(x),
			Raw: x.raw, At: x.at, Edited: x.edited, Deleted: x.deleted,
		}
		for _, m := range x.content.pictures() {
			s.Images = append(s.Images, sim.Image{URL: p.images[m.ID].address(), Alt: m.Alt})
		}
		posts = append(posts, s)
	}
	return posts
}

func (x *image) address() string {
	return "data:" + x.kind + ";base64," + base64.StdEncoding.EncodeToString(x.data)
}

var page = template.Must(template.New("post").Parse(`<article class="linkedin"><header><b>{{.Name}}</b> <span>{{.Shown}}{{if .Edited}} • Edited{{end}}</span></header>` +
	`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Link}}" rel="nofollow">{{.Text}}</a>{{else if .Mention}}<b>{{.Text}}</b>{{else}}{{.Text}}{{end}}{{end}}</p>` +
	`{{range .Pictures}}<img src="{{.Address}}" alt="{{.Alt}}">{{end}}` +
	`{{with .Article}}<a class="preview" href="{{.Source}}" rel="nofollow"><span>{{.Title}}</span> <small>{{$.Host}}</small></a>{{end}}</article>`))

type picture struct {
	Address template.URL
	Alt     string
}

func (p *Platform) html(x *post) string {
	var pictures []picture
	for _, m := range x.content.pictures() {
		pictures = append(pictures, picture{template.URL(p.images[m.ID].address()), m.Alt}) //nolint:gosec // base64 of a picture, made above
	}
	host := ""
	if a := x.content.Article; a != nil {
		if u, err := url.Parse(a.Source); err == nil {
			host = strings.TrimPrefix(u.Hostname(), "www.")
		}
	}
	var pieces []piece
	for _, run := range parse(x.commentary) {
		if run.Link != "" || run.Mention {
			pieces = append(pieces, run)
			continue
		}
		end := 0
		for _, at := range webAddress.FindAllStringIndex(run.Text, -1) {
			pieces = append(lines(pieces, run.Text[end:at[0]]), piece{Text: run.Text[at[0]:at[1]], Link: run.Text[at[0]:at[1]]})
			end = at[1]
		}
		pieces = lines(pieces, run.Text[end:])
	}
	var b strings.Builder
	if err := page.Execute(&b, map[string]any{
		"Name": pageName, "Shown": x.at.Format("2 Jan 2006, 15:04"), "Edited": x.edited > 0, "Pieces": pieces, "Pictures": pictures, "Article": x.content.Article, "Host": host,
	}); err != nil {
		return template.HTMLEscapeString(err.Error())
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
