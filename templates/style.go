package templates

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// rule is what one selector of a style sheet adds to an element: "p", ".button" or "a.button".
type rule struct{ tag, class, style string }

var selector = regexp.MustCompile(`^([a-z][a-z0-9]*)?(?:\.([a-z][a-z0-9-]*))?$`)

// inlineStyles moves the rules of <style data-inline> into style attributes, for mail readers that drop style sheets. Other
// style sheets, and documents without such a sheet, stay as they are.
func inlineStyles(doc string) (string, error) {
	before, rest, found := strings.Cut(doc, "<style data-inline>")
	if !found {
		return doc, nil
	}
	sheet, after, _ := strings.Cut(rest, "</style>")
	rules, err := readRules(sheet)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(before + strings.TrimPrefix(after, "\n")))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if z.Err() == io.EOF {
				return out.String(), nil
			}
			return "", z.Err()
		}
		raw := string(z.Raw())
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			out.WriteString(raw)
			continue
		}
		out.WriteString(styled(raw, z.Token(), rules))
	}
}

func readRules(sheet string) ([]rule, error) {
	var rules []rule
	for text := range strings.SplitSeq(sheet, "}") {
		selectors, body, found := strings.Cut(text, "{")
		if !found {
			continue
		}
		style := strings.TrimSuffix(strings.Join(strings.Fields(body), " "), ";")
		for s := range strings.SplitSeq(selectors, ",") {
			parts := selector.FindStringSubmatch(strings.TrimSpace(s))
			if parts == nil || parts[0] == "" {
				return nil, fmt.Errorf("the style sheet to inline knows tag, .class and tag.class only, not %q", strings.TrimSpace(s))
			}
			rules = append(rules, rule{parts[1], parts[2], style})
		}
	}
	return rules, nil
}

func styled(raw string, t html.Token, rules []rule) string {
	own, classes := "", ""
	for _, a := range t.Attr {
		switch a.Key {
		case "style":
			own = a.Val
		case "class":
			classes = " " + a.Val + " "
		}
	}
	var styles []string
	for _, r := range rules {
		if (r.tag == "" || r.tag == t.Data) && (r.class == "" || strings.Contains(classes, " "+r.class+" ")) {
			styles = append(styles, r.style)
		}
	}
	if styles == nil {
		return raw
	}
	kept := t.Attr[:0]
	for _, a := range t.Attr {
		if a.Key != "style" {
			kept = append(kept, a)
		}
	}
	t.Attr = append(kept, html.Attribute{Key: "style", Val: merged(append(styles, own))})
	return t.String()
}

// merged joins declarations; of two for the same property the later one stays.
func merged(styles []string) string {
	var names []string
	values := map[string]string{}
	for declaration := range strings.SplitSeq(strings.Join(styles, ";"), ";") {
		name, value, found := strings.Cut(declaration, ":")
		if name = strings.TrimSpace(name); !found {
			continue
		}
		if _, twice := values[name]; !twice {
			names = append(names, name)
		}
		values[name] = strings.TrimSpace(value)
	}
	for i, name := range names {
		names[i] = name + ": " + values[name]
	}
	return strings.Join(names, "; ")
}
