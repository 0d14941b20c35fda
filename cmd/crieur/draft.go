package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/crieur/crieur/internal/announce"
)

const maxFile = 16 << 20

// frontMatter is a Draft with the shorter forms that a Markdown file may use: title and summary at the top belong to the
// default language.
type frontMatter struct {
	announce.Draft
	Title    string            `json:"title"`
	Summary  string            `json:"summary"`
	Language announce.Language `json:"language"`
}

// languageMark begins the text of a language in a Markdown file: <!-- lang: en -->
var languageMark = regexp.MustCompile(`(?m)^<!--\s*lang:\s*([A-Za-z0-9-]+)\s*-->[ \t]*\n?`)

// readDraft reads an announcement from a file (- for standard input): Markdown with YAML front matter, YAML or JSON.
func (s *session) readDraft(path string) (announce.Draft, error) {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(io.LimitReader(s.in, maxFile+1))
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return announce.Draft{}, &inputError{err}
	}
	if len(b) > maxFile {
		return announce.Draft{}, badInput("%s has more than %d bytes", path, maxFile)
	}
	fallback, _, _ := strings.Cut(cmp.Or(s.environ[prefix+"LANGUAGES"], "fr"), ",")
	d, err := parseDraft(b, strings.ToLower(filepath.Ext(path)), announce.Language(strings.TrimSpace(fallback)))
	if err != nil {
		return announce.Draft{}, badInput("%s: %w", path, err)
	}
	if d.Texts == nil {
		d.Texts = map[announce.Language]announce.Text{} // none, which is not null
	}
	return d, nil
}

// parseDraft reads a file with this extension. A Markdown text whose language is not named is in the fallback.
func parseDraft(b []byte, ext string, fallback announce.Language) (announce.Draft, error) {
	b = bytes.ReplaceAll(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), []byte("\r\n"), []byte("\n"))
	var d announce.Draft
	trimmed := bytes.TrimSpace(b)
	switch {
	case ext == ".json" || bytes.HasPrefix(trimmed, []byte("{")):
		return d, strict(trimmed, &d)
	case ext == ".md" || ext == ".markdown" || bytes.HasPrefix(trimmed, []byte("---\n")) && bytes.Contains(trimmed[4:], []byte("\n---")):
		return parseMarkdown(trimmed, fallback)
	}
	j, err := yaml.YAMLToJSON(b)
	if err != nil {
		return d, errors.New(yaml.FormatError(err, false, true))
	}
	return d, strict(j, &d)
}

func parseMarkdown(b []byte, fallback announce.Language) (announce.Draft, error) {
	head, text, ok := bytes.Cut(bytes.TrimPrefix(b, []byte("---\n")), []byte("\n---"))
	if !ok || !bytes.HasPrefix(b, []byte("---\n")) {
		return announce.Draft{}, errors.New("a Markdown file begins with its fields between two lines of ---; see the README")
	}
	j, err := yaml.YAMLToJSON(head)
	if err != nil {
		return announce.Draft{}, errors.New(yaml.FormatError(err, false, true))
	}
	var f frontMatter
	if err := strict(j, &f); err != nil {
		return announce.Draft{}, err
	}
	d := f.Draft
	if f.Language != "" && d.Default == "" {
		d.Default = f.Language
	}
	if d.Texts == nil {
		d.Texts = map[announce.Language]announce.Text{}
	}
	first := d.Default
	if first == "" && len(d.Texts) == 1 {
		for l := range d.Texts {
			first = l
		}
	}
	if first == "" {
		first = fallback
		d.Default = first
	}
	set := func(l announce.Language, change func(*announce.Text)) {
		t := d.Texts[l]
		change(&t)
		d.Texts[l] = t
	}
	if f.Title != "" {
		set(first, func(t *announce.Text) { t.Title = f.Title })
	}
	if f.Summary != "" {
		set(first, func(t *announce.Text) { t.Summary = f.Summary })
	}
	_, text, _ = bytes.Cut(text, []byte("\n")) // the rest of the closing line
	body := string(text)
	marks := languageMark.FindAllStringSubmatchIndex(body, -1)
	part := func(l announce.Language, s string) {
		if s = strings.TrimSpace(s); s != "" {
			set(l, func(t *announce.Text) { t.Body = s })
		}
	}
	end := len(body)
	for i := len(marks) - 1; i >= 0; i-- {
		part(announce.Language(body[marks[i][2]:marks[i][3]]), body[marks[i][1]:end])
		end = marks[i][0]
	}
	part(first, body[:end])
	return d, nil
}

// strict decodes JSON and refuses fields that nobody reads.
func strict(b []byte, into any) error {
	if string(bytes.TrimSpace(b)) == "null" || len(bytes.TrimSpace(b)) == 0 {
		return errors.New("nothing is in it; see: crieur announce --help")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) && t.Field == "" {
			return errors.New("it must hold fields, such as kind and texts; see: crieur announce --help")
		}
		if errors.As(err, &t) {
			return misfit(t)
		}
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if dec.More() {
		return errors.New("there is more after the announcement")
	}
	return nil
}

// misfit says what a field should hold, in the words of whoever wrote the file, with an example.
func misfit(t *json.UnmarshalTypeError) error {
	field := strings.TrimPrefix(t.Field, "Draft.")
	name := field[strings.LastIndex(field, ".")+1:]
	want, example := "text", name+": some words"
	switch kind := t.Type.Kind(); kind {
	case reflect.Slice:
		want, example = "a list", name+": [one, another]"
	case reflect.Map, reflect.Struct:
		want, example = "fields", name+": {name: value}"
	case reflect.Bool:
		want, example = "true or false", name+": true"
	case reflect.Int:
		want, example = "a whole number", name+": 60"
	}
	got, _, _ := strings.Cut(t.Value, " ") // "number 7"
	if own := exampleOf(name); own != "" {
		example = own
	}
	switch {
	case want == "text" && got == "number":
		example = name + `: "2027", within quotes`
	case want == "text" && got == "bool":
		example = name + `: "true", within quotes`
	}
	said := map[string]string{"string": "text", "array": "a list", "object": "fields", "number": "a number", "bool": "true or false"}
	return fmt.Errorf("%s must be %s, not %s: such as %s", field, want, said[got], example)
}

// exampleOf is how a field of an announcement is written; empty: nothing is special about it.
func exampleOf(name string) string {
	switch name {
	case "kind":
		return "kind: event"
	case "texts":
		return "texts: {fr: {title: Soirée de novembre}, en: {title: November meetup}}"
	case "event":
		return "event: {starts_at: 2027-11-16T18:30, venue: {name: Café du Clocher}}"
	case "venue":
		return "venue: {name: Café du Clocher, address: \"1, rue du Clocher\"}"
	case "starts_at", "ends_at", "publish_at", "expires_at":
		return name + ": 2027-11-16T18:30"
	case "reminders":
		return "reminders: [{at: -7d}, {at: -2h}]"
	case "at":
		return "at: -7d"
	case "images":
		return "images: [{url: https://example.org/affiche.png, alt: {fr: Une affiche}}]"
	case "alt", "why":
		return name + ": {fr: Une affiche, en: A poster}"
	case "talks":
		return "talks: [{title: Cartes ouvertes, speakers: [{name: A. B.}]}]"
	case "speakers", "partners":
		return name + ": [{name: Les cartes ouvertes}]"
	case "channels":
		return "channels: [slack, email]"
	case "audience_languages":
		return "audience_languages: [fr]"
	case "overrides":
		return "overrides: {twitter: {title: Soirée de novembre}}"
	}
	return ""
}
