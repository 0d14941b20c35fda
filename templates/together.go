package templates

import (
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

const divider = "\n\n—\n\n" // between the same text in two languages

// together is one text in several languages within one limit: each has its share of the room, and what one leaves the others
// take.
func (s *Set) together(r Request, languages []announce.Language, versions []announce.Version) (string, error) {
	measure := r.Limits.Measure
	if measure == nil {
		measure = codePoints
	}
	var texts []string
	for _, v := range versions {
		texts = append(texts, v.Text)
	}
	words := pen{markup: markup{r.Limits.Markdown, r.Limits.Links}, read: s.read}
	join := func() string {
		out := texts[0]
		for i, text := range texts[1:] {
			out += divider
			if title := words.words(versions[i+1].Subject); !strings.Contains(text, title) {
				out += words.strong(title) + "\n\n" // the channel shows only the first one's title by itself
			}
			out += text
		}
		return out
	}
	limit := r.Limits.Text
	if limit <= 0 || measure(join()) <= limit {
		return join(), nil
	}
	share := func(i, most int) error {
		one := r.tagging(i == len(languages)-1)
		one.Limits.Text, one.Limits.Thread = most, 0
		v, _, err := s.version(one, languages[i])
		texts[i] = v.Text
		return err
	}
	over := 0 // what stands between the texts
	for i := 1; i < len(versions); i++ {
		over += measure(divider + words.strong(words.words(versions[i].Subject)) + "\n\n")
	}
	each := (limit - over) / len(languages)
	for i := range languages {
		if err := share(i, each); err != nil {
			return "", err
		}
	}
	for i := range languages { // what the others left
		before := slices.Clone(texts)
		if err := share(i, each+limit-measure(join())); err != nil || measure(join()) > limit {
			texts = before
		}
	}
	if text := join(); measure(text) > limit {
		return "", s.tell(r, languages[0]).tooLong(measure, measure(text))
	}
	return join(), nil
}
