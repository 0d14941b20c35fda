package announce

import (
	"fmt"
	"slices"
	"strings"
)

// hashtagOnly begins a word of an announcement that picks nobody and is only shown: a hashtag, a category.
const hashtagOnly = "#"

// PickedBy are the topics by which people are picked.
func (a Announcement) PickedBy() []string {
	return slices.DeleteFunc(slices.Clone(a.Topics), func(t string) bool { return strings.HasPrefix(t, hashtagOnly) })
}

// Words are the topics as they are shown, those that pick nobody too.
func (a Announcement) Words() []string {
	var all []string
	for _, t := range a.Topics {
		all = append(all, strings.TrimPrefix(t, hashtagOnly))
	}
	return all
}

// topics checks the words of an announcement. Where people can choose among topics, one that is not among them would be
// told to others than its author meant.
func (f *Faults) topics(field string, words, known []string) {
	f.count(field, len(words), maxItems)
	for i, w := range words {
		path := fmt.Sprintf("%s[%d]", field, i)
		bare, shown := strings.CutPrefix(w, hashtagOnly)
		switch say := BadTopic(bare); {
		case say != "":
			f.add(path, "%s", say)
		case !shown && len(known) > 0 && !slices.Contains(known, w):
			f.add(path, "%q is not a topic here; the nearest is %q. Topics decide who is told: write #%s for a word that is only shown, or add the topic first (crieur topics add)", clip(w), nearest(w, known), w)
		}
	}
}

// nearest is the word of all that takes the fewest changes of a letter.
func nearest(word string, all []string) string {
	return slices.MinFunc(all, func(a, b string) int { return changes(word, a) - changes(word, b) })
}

// changes is how many letters must be added, dropped or replaced to make b of a, whatever their case (V. Levenshtein, 1965).
func changes(a, b string) int {
	from, to := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		before := row[0]
		row[0] = i + 1
		for j, x := range to {
			swap := before
			if r != x {
				swap++
			}
			before = row[j+1]
			row[j+1] = min(swap, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(to)]
}

// BadTopic says why a word cannot be a topic; empty: it can.
func BadTopic(name string) string {
	if is(topicName, 64, name) {
		return ""
	}
	return "must be 1 to 64 letters, digits, spaces, - or _"
}
