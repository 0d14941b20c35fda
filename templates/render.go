package templates

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
)

// version tells the announcement in one of its languages; rest is what had no room in a text that may go on in a thread.
func (s *Set) version(r Request, want announce.Language) (v announce.Version, rest prose, err error) {
	t := s.tell(r, want)
	v = announce.Version{Language: t.language, Summary: t.summary}
	u := use{r.Account, kindOf(r.Announcement), t.language, r.Limits.Markdown, r.Limits.Short}
	texts, err := s.textOf(u)
	if err != nil {
		return v, rest, err
	}
	p := pen{markup: markup{t.Limits.Markdown, t.Limits.Links}, read: t.read}
	told := t.page(p)
	plain := told // the subject is plain, whatever the text is
	if p.markdown || !p.links {
		plain = t.page(pen{markup: markup{links: true}, read: s.read})
	}
	if v.Subject, err = subject(texts, plain); err != nil {
		return v, rest, err
	}
	if v.Text, rest, err = t.write(texts, p, told, v.Subject); err != nil || !r.Limits.HTML && !r.Limits.Multilingual {
		return v, rest, err
	}
	htmls, err := s.htmlOf(u)
	if err != nil {
		return v, rest, err
	}
	page := t.page(pen{html: true, read: s.read})
	page.Subject, page.Lead, page.Body = v.Subject, v.Summary, s.read.html(t.body)
	var out bytes.Buffer
	if err := htmls.ExecuteTemplate(&out, root, page); err != nil {
		return v, rest, err
	}
	v.HTML, err = inlineStyles(strings.TrimSpace(out.String()))
	return v, rest, err
}

// write runs the text templates until the channel takes the result. rest is what it leaves out of a text that may go on in
// a thread.
func (t told) write(texts *template.Template, p pen, page page, subject string) (text string, rest prose, err error) {
	page.Subject = p.words(subject)
	body := t.body.write(t.body.root, p.markup)
	lead := body
	if t.Limits.Thread < 2 && page.Page != "" {
		lead = t.body.write(t.body.root, markup{p.markdown, false})
	}
	if t.text.Summary != "" {
		lead = prose{text: p.words(t.text.Summary), markdown: p.markdown}
	}
	level := allLines
	run, err := runner(texts, &level)
	if err != nil {
		return "", rest, err
	}
	d := draft{body: &body, lead: &lead, limit: t.Limits.Text, measure: t.Limits.Measure, run: func(l int, body, lead string) (string, error) {
		level, page.Body, page.Lead = l, body, lead
		return run(page)
	}}
	if d.measure == nil {
		d.measure = codePoints
	}
	if t.Limits.Personal {
		measure := d.measure
		d.measure = func(s string) int { return measure(personal.Replace(s)) }
	}
	text, ok, err := d.fit()
	if err == nil && !ok {
		err = t.tooLong(d.measure, d.measure(text))
	}
	if t.Limits.Thread < 2 {
		return text, rest, err
	}
	if t.Limits.Short && t.text.Summary != "" {
		return text, body, err
	}
	return text, body.after(d.told), err
}

// tell picks the language and the words for it. An override has no language: where several are published side by side, it
// stands for the default one.
func (s *Set) tell(r Request, want announce.Language) told {
	a := r.Announcement
	language, text := a.Pick(want)
	t := told{Request: r, language: language, read: s.read, zones: s.zones, field: "texts." + string(key(a, language))}
	if several := r.Limits.Personal || r.Limits.Multilingual; !several || key(a, language) == a.Default {
		for _, name := range []string{announce.Channel(r.Account), r.Account} {
			o := a.Overrides[name]
			if o.Title != "" {
				text.Title, t.field = o.Title, "overrides."+name
			}
			if o.Body != "" {
				text.Body = o.Body
			}
			if o.Summary != "" {
				text.Summary = o.Summary
			}
		}
	}
	if e := a.Event; e != nil && called(a) && e.Reason(language) != "" { // nothing else matters any more
		text.Body, text.Summary = markdownText(e.Reason(language)), e.Reason(language)
	}
	t.text, t.body, t.pictures = text, s.read.parse(text.Body), pictures(a, language, r.Limits)
	if t.summary = oneLine(text.Summary); t.summary == "" {
		t.summary = t.body.lead(summaryLength)
	}
	return t
}

// key is the key of Texts that serves a language that Pick gave.
func key(a announce.Announcement, l announce.Language) announce.Language {
	if _, ok := a.Texts[l]; ok {
		return l
	}
	return l.Base()
}

// allLanguages are those of the announcement, the default first.
func allLanguages(a announce.Announcement) []announce.Language {
	var others []announce.Language
	for l := range a.Texts {
		if l != a.Default {
			others = append(others, l)
		}
	}
	slices.Sort(others)
	return append([]announce.Language{a.Default}, others...)
}

// tooLong names what to shorten: the title, or the venue's name or address when that is longer.
func (t told) tooLong(measure func(string) int, least int) error {
	field, longest := t.field+".title", t.text.Title
	if e := t.Announcement.Event; e != nil && e.Venue != nil && utf8.RuneCountInString(e.Venue.Name) > utf8.RuneCountInString(longest) {
		field, longest = "event.venue.name", e.Venue.Name
	}
	over := least - t.Limits.Text
	return announce.Faults{{Field: field, Say: fmt.Sprintf(
		"is too long for %s: the shortest text that says what, when and where counts %d, and %s takes %d. Shorten this by %d or more (it counts %d), or give %s its own text in overrides.%s",
		t.Account, least, t.Account, t.Limits.Text, over, measure(longest), t.Account, t.Account)}}
}

// subject is one plain line.
func subject(texts *template.Template, p page) (string, error) {
	var out strings.Builder
	if err := texts.ExecuteTemplate(&out, "subject", p); err != nil {
		return "", err
	}
	return strings.Join(strings.FieldsFunc(out.String(), breaking), " "), nil
}

// runner runs the body of the text templates; keep answers by the level at that moment. It is for one goroutine.
func runner(texts *template.Template, level *int) (func(page) (string, error), error) {
	t, err := texts.Clone()
	if err != nil {
		return nil, err
	}
	t.Funcs(template.FuncMap{"keep": func(n int) bool { return n <= *level }})
	return func(p page) (string, error) {
		var out bytes.Buffer
		if err := t.Execute(&out, p); err != nil {
			return "", err
		}
		return tidy(out.String()), nil
	}, nil
}

var (
	lineEnds   = regexp.MustCompile(`[ \t]+\n`)
	emptyLines = regexp.MustCompile(`\n{3,}`)
)

// lineBreak is what br prints in Markdown, until it is known whether a line follows.
const lineBreak = "\x1f"

// tidy leaves at most one empty line between lines, none around the text, and no blanks at the end of a line.
func tidy(s string) string {
	if strings.Contains(s, " \n") || strings.Contains(s, "\t\n") {
		s = lineEnds.ReplaceAllString(s, "\n")
	}
	if strings.Contains(s, "\n\n\n") {
		s = emptyLines.ReplaceAllString(s, "\n\n")
	}
	s = strings.TrimSpace(s)
	if strings.Contains(s, lineBreak) {
		s = strings.NewReplacer(lineBreak+"\n\n", "\n\n", lineBreak+"\n", "\\\n", lineBreak, "").Replace(s)
	}
	return s
}

// personal puts parts as long as people's are in the place of the marks, for measuring.
var personal = strings.NewReplacer(
	announce.UnsubscribeMark, longLink, announce.PreferencesMark, longLink, announce.ArchiveMark, longLink, announce.NameMark, " Marie-Ève Tremblay-Bouchard",
)

const longLink = "https://annonces.communaute.example.org/preferences/0123456789abcdefghijklmnopqrstuvwxyz01234567"
