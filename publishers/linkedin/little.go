package linkedin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// reserved are the characters that mean something in LinkedIn's little text. LinkedIn takes a post that holds one without
// a backslash before it, and silently drops all that follows.
const reserved = `\|{}@[]()<>#*_~`

// Ways to write a link, of LINKS.
const (
	escaped = "escape"
	encoded = "encode"
)

var address = regexp.MustCompile(`https?://[^\s\p{Z}<>"]+`)

// links are the places of the addresses in running text, without the punctuation that follows them.
func links(text string) [][]int {
	all := address.FindAllStringIndex(text, -1)
	for _, at := range all {
		found := text[at[0]:at[1]]
		open := strings.Count(found, "(") - strings.Count(found, ")") // a bracket that the address opened belongs to it
		for found != "" {
			last, size := utf8.DecodeLastRuneInString(found)
			if !strings.ContainsRune(`'.,;:!?)]}»”’…`, last) || last == ')' && open >= 0 {
				break
			}
			if last == ')' {
				open++
			}
			found = found[:len(found)-size]
		}
		at[1] = at[0] + len(found)
	}
	return all
}

// pen writes little text.
type pen struct{ encode bool }

// shown is text as readers will see it: with encode, nothing in a link but "#" needs a backslash.
func (p pen) shown(text string) string {
	if !p.encode {
		return text
	}
	var b strings.Builder
	end := 0
	for _, at := range links(text) {
		b.WriteString(text[end:at[0]])
		for _, r := range text[at[0]:at[1]] {
			if r != '#' && strings.ContainsRune(reserved, r) {
				fmt.Fprintf(&b, "%%%02X", r)
			} else {
				b.WriteRune(r)
			}
		}
		end = at[1]
	}
	return b.String() + text[end:]
}

// write is text as little text, of which nothing is cut. Each of tags becomes a hashtag where it stands behind "#"; every
// other "#", and every "@", is what it was written as.
func (p pen) write(text string, tags []string) string {
	return p.little(text, func(tag string) bool { return slices.Contains(tags, tag) })
}

// measure is at least what LinkedIn counts of text, whether it counts backslashes or not, and whatever of it are tags.
func (p pen) measure(text string) int {
	return len(utf16.Encode([]rune(p.little(text, func(string) bool { return true }))))
}

func (p pen) little(text string, ours func(tag string) bool) string {
	text = p.shown(text)
	var b strings.Builder
	end := 0
	for _, at := range links(text) {
		words(&b, text[end:at[0]], ours)
		words(&b, text[at[0]:at[1]], func(string) bool { return false })
		end = at[1]
	}
	words(&b, text[end:], ours)
	return b.String()
}

func words(b *strings.Builder, text string, ours func(tag string) bool) {
	before := ' '
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == '#' && !inWord(before) {
			if tag := tagAt(text[i+1:]); tag != "" && ours(tag) {
				b.WriteString(`{hashtag|\#|` + tag + `}`)
				before = 'x'
				i += size + len(tag)
				continue
			}
		}
		if strings.ContainsRune(reserved, r) {
			b.WriteByte('\\')
		}
		b.WriteString(text[i : i+size])
		before = r
		i += size
	}
}

// tagAt is the word at the beginning of s if it can be a hashtag: letters and digits, one letter at least.
func tagAt(s string) string {
	n := strings.IndexFunc(s, func(r rune) bool { return !inWord(r) })
	if n < 0 {
		n = len(s)
	}
	if tag := s[:n]; strings.IndexFunc(tag, unicode.IsLetter) >= 0 && !strings.Contains(tag, "_") {
		return tag
	}
	return ""
}

func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_'
}

var hashtagTemplate = regexp.MustCompile(`\{hashtag\|\\?#\|([^|{}]*)\}`)

// read is what readers see of little text.
func read(little string) string {
	var b strings.Builder
	little = hashtagTemplate.ReplaceAllString(little, `\#$1`)
	for i := 0; i < len(little); i++ {
		if little[i] == '\\' && i+1 < len(little) && strings.IndexByte(reserved, little[i+1]) >= 0 {
			i++
		}
		b.WriteByte(little[i])
	}
	return b.String()
}
