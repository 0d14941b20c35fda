package mastodon

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark follows a sign that would make a mention or a hashtag of the author's words. Nobody sees it, and no line breaks there.
const mark = "\u2060"

var (
	address = regexp.MustCompile(`(?i)https?://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(?::[0-9]+)?(?:/(?:[a-z0-9!*';:=+,.$/%#\[\]_~@|&-]|\([a-z0-9!*';:=+,.$/%#\[\]_~@|&-]+\))*)?(?:\?[a-z0-9!?*'();:&=+$/%#\[\]_.,~|@-]*)?`)
	maybe   = regexp.MustCompile(`(?i)https?://[\pL\pN\pM._-]*`) // the beginning of what a server may take for one
	handle  = regexp.MustCompile(`^[A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*(?:@[\pL\pN\pM_]+(?:[.-]+[\pL\pN\pM_]+)*)?`)
	hashtag = regexp.MustCompile(`^[\pN·・]*[\pL\pM_][\pL\pN\pM_·・]*`) // a number alone is none
)

// links are where addresses stand in text, as [start, end) in bytes: only what every server takes for one.
func links(text string) [][]int {
	return slices.DeleteFunc(address.FindAllStringIndex(text, -1), func(at []int) bool {
		at[1] = at[0] + len(trimmed(text[at[0]:at[1]]))
		return behindWord(text, at[0])
	})
}

// behindWord reports whether what begins there follows something that makes it no address.
func behindWord(text string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	return at > 0 && (inWord(before) || strings.ContainsRune("@#$", before))
}

// trimmed is an address without the punctuation of the sentence around it.
func trimmed(s string) string {
	for s != "" {
		switch last := s[len(s)-1]; {
		case last == ')' && !strings.Contains(s, "?"): // opened in the path, and closed
			return s
		case strings.IndexByte("+-=_#/&", last) >= 0 || inWord(rune(last)):
			return s
		}
		s = s[:len(s)-1]
	}
	return s
}

func inWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// neutral is text in which nobody is mentioned and nothing is a hashtag but mentions and tags. Addresses stay as they are.
func neutral(text string, tags, mentions []string) string {
	var b strings.Builder
	end := 0
	before := ' '
	plain := func(s string) {
		for s != "" {
			r, size := utf8.DecodeRuneInString(s)
			b.WriteString(s[:size])
			s = s[size:]
			if !inWord(before) && (r == '@' && strange(handle, s, mentions) || (r == '#' || r == '＃') && strange(hashtag, s, tags)) {
				b.WriteString(mark)
			}
			before = r
		}
	}
	for _, at := range links(text) {
		plain(text[end:at[0]])
		b.WriteString(text[at[0]:at[1]])
		before, _ = utf8.DecodeLastRuneInString(text[:at[1]])
		end = at[1]
	}
	plain(text[end:])
	return b.String()
}

// strange reports whether text begins with a name of that form which is none of ours.
func strange(form *regexp.Regexp, text string, ours []string) bool {
	word := form.FindString(text)
	return word != "" && !slices.ContainsFunc(ours, func(o string) bool { return strings.EqualFold(o, word) })
}

// mastodonsLink is what a link counts for on Mastodon and its forks, whatever its length. Servers that say anything else
// count every character of it.
const mastodonsLink = 23

// measure counts text as the server would, or a little more: in characters, where Mastodon counts what readers see as
// one as one.
func (r rules) measure(text string) int {
	text = neutral(text, nil, nil)
	n := utf8.RuneCountInString(text)
	sure := links(text)
	for _, at := range maybe.FindAllStringIndex(text, -1) {
		if !behindWord(text, at[0]) && !slices.ContainsFunc(sure, func(s []int) bool { return s[0] == at[0] }) {
			n += max(0, r.link-utf8.RuneCountInString(text[at[0]:at[1]]))
		}
	}
	for _, at := range sure {
		whole := utf8.RuneCountInString(text[at[0]:at[1]])
		counts := max(whole, r.link)
		if r.link == mastodonsLink {
			counts = r.link
		}
		n += counts - whole
	}
	return n
}
