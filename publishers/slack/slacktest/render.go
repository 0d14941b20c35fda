package slacktest

import (
	"encoding/base64"
	"html/template"
	"strconv"
	"strings"
)

// What a reader sees. Lines keep their breaks; emoji codes in a header show as emoji only where the message asks for it.
var page = template.Must(template.New("").Funcs(template.FuncMap{
	"lines": func(s string) []string { return strings.Split(s, "\n") },
	"start": func(e element) int { return e.Offset + 1 },
	"label": func(s span) string {
		if s.Text != "" {
			return s.Text
		}
		return strings.TrimPrefix(s.URL, "mailto:")
	},
}).Parse(`
{{- define "words"}}{{range $i, $l := lines .}}{{if $i}}<br>{{end}}{{$l}}{{end}}{{end -}}
{{- define "span" -}}
{{if .Style.Bold}}<strong>{{end}}{{if .Style.Italic}}<em>{{end}}{{if .Style.Strike}}<s>{{end}}{{if .Style.Code}}<code>{{end -}}
{{if eq .Type "text"}}{{template "words" .Text}}
{{- else if eq .Type "link"}}<a href="{{.URL}}" rel="noreferrer">{{template "words" (label .)}}</a>
{{- else if eq .Type "emoji"}}:{{.Name}}:
{{- else if eq .Type "broadcast"}}<mark>@{{.Range}}</mark>
{{- else}}<mark>@{{.UserID}}{{.GroupID}}{{.ChannelID}}</mark>{{end -}}
{{if .Style.Code}}</code>{{end}}{{if .Style.Strike}}</s>{{end}}{{if .Style.Italic}}</em>{{end}}{{if .Style.Bold}}</strong>{{end -}}
{{end -}}
{{- define "spans"}}{{range .}}{{template "span" .}}{{end}}{{end -}}
{{- define "rich" -}}
{{if eq .Type "rich_text_section"}}<p>{{template "spans" .Spans}}</p>
{{- else if eq .Type "rich_text_quote"}}<blockquote>{{template "spans" .Spans}}</blockquote>
{{- else if eq .Type "rich_text_preformatted"}}<pre>{{range .Spans}}{{label .}}{{end}}</pre>
{{- else if eq .Style "ordered"}}<ol start="{{start .}}" class="indent-{{.Indent}}">{{range .Items}}<li>{{template "spans" .Spans}}</li>{{end}}</ol>
{{- else}}<ul class="indent-{{.Indent}}">{{range .Items}}<li>{{template "spans" .Spans}}</li>{{end}}</ul>{{end -}}
{{end -}}
<div class="slack">{{range . -}}
{{if eq .Type "header"}}<h3>{{.Text.Text}}</h3>
{{- else if eq .Type "section"}}<p>{{with .Text}}{{template "words" .Text}}{{end}}{{range .Fields}}<br>{{template "words" .Text}}{{end}}</p>
{{- else if eq .Type "context"}}<p><small>{{range .Context}}{{template "words" .Text}} {{end}}</small></p>
{{- else if eq .Type "divider"}}<hr>
{{- else if eq .Type "image"}}<figure><img src="{{.Source}}" alt="{{.AltText}}" loading="lazy">{{with .Title}}<figcaption>{{.Text}}</figcaption>{{end}}</figure>
{{- else}}{{range .Rich}}{{template "rich" .}}{{end}}{{end}}
{{- end}}</div>`))

// Items, Spans, Rich and Context are for the template.
func (e element) Items() []element { return e.items }
func (e element) Spans() []span    { return e.spans }
func (b block) Rich() []element    { return b.rich }
func (b block) Context() []text    { return b.context }

// Source is where the picture of an image is.
func (b block) Source() any {
	if b.picture != nil {
		return template.URL(b.source()) // base64 of a picture
	}
	return b.source()
}

func (b block) source() string {
	if b.picture != nil {
		return "data:" + b.picture.kind() + ";base64," + base64.StdEncoding.EncodeToString(b.picture.data)
	}
	return b.ImageURL
}

func render(blocks []block) string {
	var b strings.Builder
	if err := page.Execute(&b, blocks); err != nil {
		return template.HTMLEscapeString(err.Error())
	}
	return b.String()
}

// plain is what a reader reads, as plain text.
func plain(blocks []block) string {
	var out []string
	for _, b := range blocks {
		for _, t := range texts(b) {
			out = append(out, t.Text)
		}
		if b.Type == "image" {
			out = append(out, "["+b.AltText+"]")
		}
		for _, e := range b.rich {
			if e.Type != "rich_text_list" {
				out = append(out, said(e.spans))
			}
			for i, item := range e.items {
				mark := "• "
				if e.Style == "ordered" {
					mark = strconv.Itoa(e.Offset+i+1) + ". "
				}
				out = append(out, strings.Repeat("  ", e.Indent)+mark+said(item.spans))
			}
		}
	}
	return strings.Join(out, "\n")
}

func said(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		switch {
		case s.Type == "link" && s.Text != "" && s.Text != s.URL:
			b.WriteString(s.Text + " (" + s.URL + ")")
		case s.Type == "link":
			b.WriteString(s.URL)
		default:
			b.WriteString(s.Text)
		}
	}
	return b.String()
}
