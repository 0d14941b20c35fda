package templates

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

// funcs are the functions that templates may call. None reads or writes anything outside its arguments.
func (s speech) funcs(m markup) template.FuncMap {
	return template.FuncMap{
		"keep":     func(int) bool { return true },
		"strong":   m.strong,
		"link":     func(label, address string) string { return s.link(m, label, address) },
		"br":       func() string { return map[bool]string{true: lineBreak}[m.markdown] },
		"bullet":   func() string { return map[bool]string{true: "- ", false: "• "}[m.markdown] },
		"indent":   indent,
		"names":    func(people any) (string, error) { return s.names(people, false) },
		"handles":  func(people any) (string, error) { return s.names(people, true) },
		"sep":      s.sep,
		"hashtags": hashtags,
		"date":     func(t time.Time) string { return s.date(t, true, false) },
		"clock":    s.clock,
		"cap":      capital,
		"quote":    s.quote,
		"host":     host,
	}
}

func (m markup) strong(words string) string {
	if m.markdown {
		return "**" + words + "**"
	}
	return words
}

// link is a label that leads to an address: "[label](<address>)", or "label: address" in plain text.
func (s speech) link(m markup, label, address string) string {
	switch {
	case m.markdown:
		return "[" + label + "](" + address + ")" // the address stands between < and > already
	case s.language.Base() == "fr":
		return label + nbsp + ": " + address
	}
	return label + ": " + address
}

func indent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "\n")
}

func (s speech) names(people any, handles bool) (string, error) {
	var names []string
	switch people := people.(type) {
	case []speaker:
		for _, p := range people {
			if handles && p.Handle != "" {
				names = append(names, p.Handle)
				continue
			}
			names = append(names, p.Name)
		}
	default:
		return "", fmt.Errorf("takes speakers or partners, not %T", people)
	}
	return s.list(names), nil
}

// sep stands before the i-th of n things in a list: nothing, a comma, or the language's "and".
func (s speech) sep(i, n int) string {
	mark := s.list(make([]string, n))
	switch {
	case i == 0:
		return ""
	case i < n-1:
		return ", "
	}
	return strings.TrimPrefix(mark, strings.Repeat(", ", n-2))
}

// hashtags makes at most n different tags of topics: "#Go #LogicielLibre".
func hashtags(topics []string, n int) string {
	var tags []string
	for _, t := range topics {
		tag := ""
		for _, w := range strings.FieldsFunc(t, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '_'
		}) {
			tag += capital(w)
		}
		same := func(other string) bool { return strings.EqualFold(other, "#"+tag) }
		if strings.IndexFunc(tag, unicode.IsLetter) >= 0 && len(tags) < n && !slices.ContainsFunc(tags, same) {
			tags = append(tags, "#"+tag)
		}
	}
	return strings.Join(tags, " ")
}

func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

func (s speech) quote(words string) string {
	switch s.language.Base() {
	case "fr":
		return "«" + nbsp + words + nbsp + "»"
	case "en":
		return "“" + words + "”"
	}
	return `"` + words + `"`
}

// host is the name of the site that an address leads to.
func host(address string) string {
	u, err := url.Parse(strings.Trim(address, "<>"))
	if err != nil {
		return address
	}
	return strings.TrimPrefix(u.Hostname(), "www.")
}
