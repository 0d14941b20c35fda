package zuliptest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	markdownhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"

	"github.com/crieur/crieur/publishers/sim"
)

// reader reads Markdown much as Zulip does: tags are words, each line break is seen.
func reader() goldmark.Markdown {
	without := func(all []util.PrioritizedValue, priorities ...int) []util.PrioritizedValue {
		return slices.DeleteFunc(all, func(v util.PrioritizedValue) bool { return slices.Contains(priorities, v.Priority) })
	}
	const setext, htmlBlock, autolink, rawHTML = 100, 900, 300, 400 // their priorities among goldmark's parsers
	return goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(without(parser.DefaultBlockParsers(), setext, htmlBlock)...),
			parser.WithInlineParsers(without(parser.DefaultInlineParsers(), autolink, rawHTML)...),
		)),
		goldmark.WithExtensions(extension.Linkify, extension.Strikethrough, extension.Table),
		goldmark.WithRendererOptions(markdownhtml.WithHardWraps()),
	)
}

func shown() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowURLSchemes("https", "http", "mailto")
	p.AllowRelativeURLs(true)
	p.RequireNoReferrerOnLinks(true)
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	return p
}

// Zulip knows no backslash and no mark of underscores; they step aside while Markdown is read.
var (
	aside = strings.NewReplacer("_", "\ue000", `\`, "\ue001")
	back  = strings.NewReplacer("\ue000", "_", "\ue001", `\`, "%EE%80%80", "_", "%EE%80%81", "%5C")
)

func (p *Platform) render(content string) string {
	var b bytes.Buffer
	if err := p.markdown.Convert([]byte(aside.Replace(content)), &b); err != nil {
		return template.HTMLEscapeString(content)
	}
	return strings.TrimSpace(p.policy.Sanitize(back.Replace(b.String())))
}

var ends = regexp.MustCompile(`</(p|li|h[1-6]|pre|tr)>|<(br|hr)/?>`)

// words is what a reader of the HTML reads.
func (p *Platform) words(rendered string) string {
	return strings.TrimSpace(html.UnescapeString(p.bare.Sanitize(ends.ReplaceAllString(rendered, "$0\n"))))
}

var (
	block  = regexp.MustCompile("(?ms)^[> ]*(`{3,}|~{3,})[^`\n]*\n.*?(^[> ]*(`{3,}|~{3,})$|\\z)")
	inline = regexp.MustCompile("(``.+?``|`[^`]+`)")
	person = regexp.MustCompile(`(^|[\s'"(,:<\[{])@\*\*([^*]+)\*\*`)
	group  = regexp.MustCompile(`(^|[\s'"(,:<\[{])@\*([^*]+)\*`)
)

// pings counts whom a message calls, in everything but code. Zulip finds mentions before it finds bold words.
func pings(content string) int {
	content = inline.ReplaceAllString(block.ReplaceAllString(content, ""), " ")
	n := len(group.FindAllString(content, -1))
	for _, m := range person.FindAllStringSubmatch(content, -1) {
		if slices.Contains([]string{"all", "everyone", "channel", "stream", "topic", "Ada", "|10"}, m[2]) {
			n++
		}
	}
	return n
}

var link = regexp.MustCompile(`<a href="(/user_uploads/[^"]+)"[^>]*>([^<]*)</a>`)

// Posts are the bot's messages, oldest first. A picture to which a message links is shown below it.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, m := range p.messages {
		if m.sender != botID {
			continue
		}
		rendered := p.render(m.content)
		id := strconv.FormatInt(m.id, 10)
		seen := sim.Post{ID: id, URL: p.server.URL + "/#narrow/near/" + id, Author: "Crieur", Subject: m.topic, Text: p.words(rendered), Raw: pretty(m.raw), At: m.at, Edited: m.edited, Deleted: m.deleted}
		var b strings.Builder
		b.WriteString(`<div class="zulip"><p class="topic">` + template.HTMLEscapeString("#"+Stream+" > "+m.topic) + "</p>" + link.ReplaceAllString(rendered, "$2"))
		for _, l := range link.FindAllStringSubmatch(rendered, -1) {
			f := p.files[html.UnescapeString(l[1])]
			if !strings.HasPrefix(f.kind, "image/") {
				continue
			}
			i := sim.Image{URL: "data:" + f.kind + ";base64," + base64.StdEncoding.EncodeToString(f.data), Alt: html.UnescapeString(l[2])}
			seen.Images = append(seen.Images, i)
			b.WriteString(`<figure><img src="` + template.HTMLEscapeString(i.URL) + `" alt="` + template.HTMLEscapeString(i.Alt) + `"></figure>`)
		}
		seen.HTML = b.String() + "</div>"
		posts = append(posts, seen)
	}
	return posts
}

func pretty(fields map[string][]string) string {
	one := map[string]string{}
	for k, v := range fields {
		one[k] = strings.Join(v, ", ")
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(one)
	return b.String()
}
