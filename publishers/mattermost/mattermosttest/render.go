package mattermosttest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"html/template"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	markdownhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"

	"github.com/crieur/crieur/publishers/sim"
)

// reader reads Markdown as Mattermost's app does: tags are words, each line break is seen.
func reader() goldmark.Markdown {
	without := func(all []util.PrioritizedValue, priority int) []util.PrioritizedValue {
		return slices.DeleteFunc(all, func(v util.PrioritizedValue) bool { return v.Priority == priority })
	}
	const htmlBlock, rawHTML = 900, 400 // their priorities among goldmark's parsers
	return goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(without(parser.DefaultBlockParsers(), htmlBlock)...),
			parser.WithInlineParsers(without(parser.DefaultInlineParsers(), rawHTML)...),
			parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		)),
		goldmark.WithExtensions(extension.Linkify, extension.Strikethrough, extension.Table),
		goldmark.WithRendererOptions(markdownhtml.WithHardWraps()),
	)
}

// shown is what the app shows of it.
func shown() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowURLSchemes("https", "http", "mailto")
	p.RequireNoReferrerOnLinks(true)
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src", "alt").OnElements("img")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	return p
}

func (p *Platform) render(message string) string {
	var b bytes.Buffer
	if err := p.markdown.Convert([]byte(message), &b); err != nil {
		return template.HTMLEscapeString(message)
	}
	return strings.TrimSpace(p.policy.Sanitize(b.String()))
}

var ends = regexp.MustCompile(`</(p|li|h[1-6]|pre|tr)>|<(br|hr)/?>`)

// words is what a reader of the HTML reads.
func (p *Platform) words(rendered string) string {
	return strings.TrimSpace(html.UnescapeString(p.bare.Sanitize(ends.ReplaceAllString(rendered, "$0\n"))))
}

var code = regexp.MustCompile(`(?s)<(code|pre)>.*?</(code|pre)>`)

// calledBy counts whom the server would call: it looks for names in everything but code.
func (p *Platform) calledBy(message string) int {
	n := 0
	for _, word := range strings.FieldsFunc(p.words(code.ReplaceAllString(p.render(message), " ")), func(r rune) bool {
		return !strings.ContainsRune(":.-_@", r) && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	}) {
		word = strings.TrimLeft(strings.ToLower(word), ":.-_")
		parts := append([]string{word, strings.TrimRight(word, ":.-_")}, strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune(":.-", r) })...)
		if slices.ContainsFunc(parts, func(s string) bool {
			return slices.Contains([]string{"@all", "@channel", "@here", "@ada", "@noor_x"}, s)
		}) {
			n++
		}
	}
	return n
}

// Posts are those of the bot and of the webhook, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, x := range p.posts {
		if x.foreign {
			continue
		}
		rendered := p.render(x.message)
		key, _ := x.props["delivery_id"].(string)
		seen := sim.Post{ID: x.id, URL: p.server.URL + "/_redirect/pl/" + x.id, Author: "crieur", Text: p.words(rendered), Raw: pretty(x.raw), At: x.at, Edited: x.edited, Deleted: x.deleted, Key: key}
		var b strings.Builder
		b.WriteString(`<div class="mattermost">` + rendered)
		for _, id := range x.files {
			f := p.files[id]
			if !strings.HasPrefix(f.kind, "image/") {
				continue
			}
			i := sim.Image{URL: "data:" + f.kind + ";base64," + base64.StdEncoding.EncodeToString(f.data), Alt: strings.TrimSuffix(f.name, path.Ext(f.name))} // the app has no other words for it
			seen.Images = append(seen.Images, i)
			b.WriteString(`<figure><img src="` + template.HTMLEscapeString(i.URL) + `" alt="` + template.HTMLEscapeString(i.Alt) + `"></figure>`)
		}
		for _, m := range picture.FindAllStringSubmatch(rendered, -1) {
			seen.Images = append(seen.Images, sim.Image{URL: html.UnescapeString(m[1]), Alt: html.UnescapeString(m[2])})
		}
		seen.HTML = b.String() + "</div>"
		posts = append(posts, seen)
	}
	return posts
}

var picture = regexp.MustCompile(`<img src="([^"]*)" alt="([^"]*)"`)

func pretty(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String() + "\n"
}
