package telegramtest

import (
	"encoding/json"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// content is a text or a caption as Telegram understood it.
type content struct {
	text  string // what readers see
	html  string // the same with its styles, safe to embed
	pings int    // people called by name
	first string // the first address in it
}

// preview is what stands above or below a text about something it links to.
type preview struct {
	url   string
	large bool // a picture above the text
}

func previewOf(a arguments, c content) preview {
	var o struct {
		Disabled bool   `json:"is_disabled"`
		URL      string `json:"url"`
		Large    bool   `json:"prefer_large_media"`
	}
	if raw := a.fields["link_preview_options"]; raw != nil {
		_ = json.Unmarshal(raw, &o) // Telegram ignores what it cannot read
	}
	if o.URL == "" {
		o.URL = c.first
	}
	if u, err := url.Parse(o.URL); o.Disabled || err != nil || u.Host == "" {
		return preview{}
	}
	return preview{o.URL, o.Large}
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

func escape(s string) string {
	return strings.ReplaceAll(template.HTMLEscapeString(s), "\n", "<br>")
}

var (
	tag     = regexp.MustCompile(`^<(/?)([a-zA-Z-]+)((?:\s+[a-z]+(?:="[^"<>]*")?)*)\s*>`)
	href    = regexp.MustCompile(`\bhref="([^"]*)"`)
	entity  = regexp.MustCompile(`&(lt|gt|amp|quot);`)
	calls   = regexp.MustCompile(`(?:^|[^\pL\pN_])@[A-Za-z0-9_]+`)
	address = regexp.MustCompile(`https?://[^\s<>"]+`)
)

// styles are the tags that Telegram takes, and what they are in a page.
func styles() map[string]string {
	return map[string]string{"b": "strong", "strong": "strong", "i": "em", "em": "em", "u": "u", "s": "s", "del": "s", "code": "code", "pre": "pre", "a": "a", "blockquote": "blockquote"}
}

// reader reads Telegram's HTML.
type reader struct {
	text, html strings.Builder
	open       []string // tags, the outermost first
	run        strings.Builder
	pings      int
	first      string
}

func parse(s string) (content, *refusal) {
	r := &reader{}
	for s != "" {
		switch s[0] {
		case '<':
			m := tag.FindStringSubmatch(s)
			if m == nil {
				return content{}, bad("can't parse entities: Unsupported start tag")
			}
			if refused := r.tag(m[1] == "/", strings.ToLower(m[2]), m[3]); refused != nil {
				return content{}, refused
			}
			s = s[len(m[0]):]
		case '&':
			if at := entity.FindStringIndex(s); at != nil && at[0] == 0 {
				r.run.WriteString(decode(s[:at[1]]))
				s = s[at[1]:]
				continue
			}
			r.run.WriteByte('&')
			s = s[1:]
		default:
			end := strings.IndexAny(s, "<&")
			if end < 0 {
				end = len(s)
			}
			r.run.WriteString(s[:end])
			s = s[end:]
		}
	}
	r.flush()
	if len(r.open) > 0 {
		return content{}, bad(`can't parse entities: Can't find end tag corresponding to start tag "` + r.open[len(r.open)-1] + `"`)
	}
	c := content{text: strings.TrimSpace(r.text.String()), html: r.html.String(), first: r.first}
	c.pings = r.pings
	return c, nil
}

func decode(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&amp;", "&").Replace(s)
}

// flush ends a run of text in one style.
func (r *reader) flush() {
	s := r.run.String()
	r.run.Reset()
	if s == "" {
		return
	}
	r.text.WriteString(s)
	inside := func(tags ...string) bool {
		return slices.ContainsFunc(r.open, func(t string) bool { return slices.Contains(tags, t) })
	}
	if inside("code", "pre", "a") {
		r.html.WriteString(escape(s))
		return
	}
	// An @ at the end of one run and a name at the beginning of the next call somebody, too.
	before := r.text.String()
	before = before[:len(before)-len(s)]
	if strings.HasSuffix(before, "@") && calls.MatchString("@"+s) && strings.HasPrefix(calls.FindString("@"+s), "@") {
		r.pings++
	}
	r.pings += len(calls.FindAllString(s, -1))
	last := 0
	for _, at := range address.FindAllStringIndex(s, -1) {
		r.html.WriteString(escape(s[last:at[0]]) + link(s[at[0]:at[1]]) + escape(s[at[0]:at[1]]) + "</a>")
		r.note(s[at[0]:at[1]])
		last = at[1]
	}
	r.html.WriteString(escape(s[last:]))
}

func (r *reader) note(address string) {
	if r.first == "" {
		r.first = address
	}
}

func link(address string) string {
	return `<a href="` + template.HTMLEscapeString(address) + `" rel="noreferrer">`
}

func (r *reader) tag(closing bool, name, attributes string) *refusal {
	shown, known := styles()[name]
	if !known {
		return bad(`can't parse entities: Unsupported start tag "` + name + `"`)
	}
	r.flush()
	if closing {
		if len(r.open) == 0 || r.open[len(r.open)-1] != name {
			return bad("can't parse entities: Unmatched end tag")
		}
		r.open = r.open[:len(r.open)-1]
		r.html.WriteString("</" + shown + ">")
		return nil
	}
	if name == "blockquote" && slices.Contains(r.open, name) || slices.Contains(r.open, "pre") || slices.Contains(r.open, "code") {
		return bad("can't parse entities: " + name + " cannot stand there")
	}
	r.open = append(r.open, name)
	if name != "a" {
		r.html.WriteString("<" + shown + ">")
		return nil
	}
	target := ""
	if m := href.FindStringSubmatch(attributes); m != nil {
		target = decode(m[1])
	}
	if u, err := url.Parse(target); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		r.html.WriteString("<a>")
		return nil
	}
	r.note(target)
	r.html.WriteString(link(target))
	return nil
}

// show is the message as the app shows it.
func (m *message) show() string {
	var b strings.Builder
	b.WriteString(`<div class="telegram">`)
	if m.photo != nil {
		b.WriteString(`<img class="photo" src="` + template.HTMLEscapeString(m.photo.uri()) + `" alt="">`)
	}
	if m.preview.large {
		b.WriteString(`<img class="preview" src="` + template.HTMLEscapeString(m.preview.url) + `" alt="" loading="lazy">`)
	}
	b.WriteString(`<div class="text">` + m.content.html + `</div>`)
	if m.preview.url != "" && !m.preview.large {
		u, _ := url.Parse(m.preview.url)
		b.WriteString(`<p class="preview">` + link(m.preview.url) + escape(u.Host) + `</a></p>`)
	}
	b.WriteString(`</div>`)
	return b.String()
}
