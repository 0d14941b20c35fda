package templates

import (
	"fmt"
	"sort"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// thread is a message with what it had no room for told in further parts, each of which answers the one before.
func thread(m announce.Message, more prose, l announce.Limits) []announce.Message {
	parts := []announce.Message{m}
	if l.Thread < 2 || more.text == "" {
		return parts
	}
	measure := l.Measure
	if measure == nil {
		measure = codePoints
	}
	room := func(text string) bool { return measure(text+number(l.Thread, l.Thread)) <= l.Text }
	for len(parts) < l.Thread && more.text != "" {
		text, told := more.text, len(more.text)
		if !room(text) {
			i := sort.Search(len(more.cuts()), func(i int) bool { return !room(more.at(i)) }) - 1
			if i < 0 {
				break // a word longer than a post
			}
			i = more.snap(i)
			told = more.end(i)
			if text = strings.TrimRightFunc(more.text[:told], breaking); len(parts) == l.Thread-1 {
				text = more.at(i)
			}
		}
		parts = append(parts, announce.Message{
			Announcement: m.Announcement, Rev: m.Rev, Kind: m.Kind, Language: m.Language, Subject: m.Subject, Text: text,
			Link: m.Link, Topics: m.Topics, Created: m.Created, Updated: m.Updated,
		})
		more = more.after(told)
	}
	if len(parts) == 1 {
		return parts
	}
	for i := range parts {
		parts[i].Part, parts[i].Parts = i, len(parts)
		if i > 0 {
			parts[i].Text += number(i+1, len(parts))
		}
	}
	return parts
}

func number(i, n int) string { return fmt.Sprintf(" (%d/%d)", i, n) }
