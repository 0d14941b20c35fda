package templates

import (
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// prose is a text that may be shortened, and the parts of it that must stay whole. In Markdown it is well formed at every cut.
type prose struct {
	text     string
	atoms    []span
	markdown bool
	found    []int // where it may be cut, ascending; see cuts
	looked   bool
}

const ellipsis = "…"

// cuts are the byte offsets at which the text may end: before white space outside every atom, and between the ideographs of
// scripts that are written without spaces. Never inside a word, an address, a grapheme or a construct of the markup.
func (p *prose) cuts() []int {
	if p.looked {
		return p.found
	}
	p.looked = true
	atoms := append([]span(nil), p.atoms...)
	sort.Slice(atoms, func(i, j int) bool { return atoms[i].start < atoms[j].start })
	next, reach := 0, 0 // reach: the furthest end of the atoms that begin before the position
	add := func(at int) {
		for next < len(atoms) && atoms[next].start < at {
			reach = max(reach, atoms[next].end)
			next++
		}
		if at >= reach && at > 0 && !p.leadsOn(at) && !joined(p.text, at) {
			p.found = append(p.found, at)
		}
	}
	for i := 0; i < len(p.text); {
		r, _ := utf8.DecodeRuneInString(p.text[i:])
		if breaking(r) {
			add(i)
			i += len(p.text[i:]) - len(strings.TrimLeftFunc(p.text[i:], breaking))
			continue
		}
		word := p.text[i:]
		if end := strings.IndexFunc(word, breaking); end >= 0 {
			word = word[:end]
		}
		if strings.IndexFunc(word, ideograph) >= 0 && !addressLike(word) {
			between(word, func(at int) { add(i + at) })
		}
		i += len(word)
	}
	return p.found
}

// leadsOn reports whether what ends at the offset only announces what follows, or waits for its own punctuation.
func (p *prose) leadsOn(at int) bool {
	rest := p.text[at:]
	next, _ := utf8.DecodeRuneInString(strings.TrimLeft(rest, " "))
	return strings.HasPrefix(rest, " ") && strings.ContainsRune(":;!?»", next) ||
		strings.HasPrefix(rest, "\n") && strings.HasSuffix(p.text[:at], ":")
}

// joined reports whether the offset lies inside a grapheme: some letters take what follows them, white space included.
func joined(s string, at int) bool {
	r, size := utf8.DecodeLastRuneInString(s[:at])
	if r < 0x300 {
		return r == '\r' && s[at] == '\n'
	}
	_, next := utf8.DecodeRuneInString(s[at:])
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(s[at-size:at+next], -1)
	return len(cluster) > size
}

// breaking reports white space at which a line may break: not the non-breaking kinds.
func breaking(r rune) bool {
	return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f' && r != '\u0085'
}

func ideograph(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }

// between calls f with every offset of word that lies between two ideographs.
func between(word string, f func(int)) {
	rest, state, at := word, -1, 0
	before := false
	for len(rest) > 0 {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		r, _ := utf8.DecodeRuneInString(cluster)
		if ideograph(r) && before {
			f(at)
		}
		before = ideograph(r)
		at += len(cluster)
	}
}

func addressLike(word string) bool {
	return strings.Contains(word, "://") || strings.HasPrefix(word, "www.") || strings.Contains(word, "@")
}

// at is the text up to the i-th cut, marked as shortened: all of it from len(cuts) on, nothing for a negative i.
func (p *prose) at(i int) string {
	cuts := p.cuts()
	switch {
	case i < 0:
		return ""
	case i >= len(cuts):
		return p.text
	}
	return p.ended(cuts[i])
}

// end is how many bytes of the text at(i) tells.
func (p *prose) end(i int) int {
	switch cuts := p.cuts(); {
	case i < 0:
		return 0
	case i >= len(cuts):
		return len(p.text)
	default:
		return cuts[i]
	}
}

// after is the text from a cut on.
func (p *prose) after(cut int) prose {
	rest := strings.TrimLeftFunc(p.text[cut:], breaking)
	from := len(p.text) - len(rest)
	out := prose{text: rest, markdown: p.markdown}
	for _, a := range p.atoms {
		if a.start >= from {
			out.atoms = append(out.atoms, span{a.start - from, a.end - from, a.block})
		}
	}
	return out
}

func (p *prose) ended(end int) string {
	s := p.text[:end]
	for _, a := range p.atoms {
		if a.end == end && a.block {
			return s + "\n\n" + ellipsis
		}
	}
	tail := " " + ellipsis
	if !p.whole(end) && !sentenceEnds(s) && !addressLike(lastWord(s)) {
		tail = ellipsis
		s = strings.TrimRightFunc(s, func(r rune) bool { return strings.ContainsRune(",.;:–—-(«“ \u00a0\u202f", r) })
	}
	if p.markdown && trailing(s, '\\')%2 == 1 {
		s = s[:len(s)-1] // a hard line break, or the escape of what was trimmed
	}
	if s == "" {
		return ""
	}
	return s + tail
}

// whole reports whether an atom ends at end.
func (p *prose) whole(end int) bool {
	return slices.ContainsFunc(p.atoms, func(a span) bool { return a.end == end })
}

// snap is the index of the cut to make when i is the last one that fits: the end of a sentence or block if that keeps most of the text.
func (p *prose) snap(i int) int {
	cuts := p.cuts()
	if i < 0 || i >= len(cuts) {
		return i
	}
	for j := i; j >= 0 && cuts[j]*5 >= cuts[i]*3; j-- {
		if p.rests(cuts[j]) {
			return j
		}
	}
	return i
}

// rests reports whether a sentence or a block ends at the offset.
func (p *prose) rests(end int) bool {
	return sentenceEnds(p.text[:end]) || strings.HasPrefix(p.text[end:], "\n\n")
}

// floor is the index of the shortest text worth showing: the first sentence, or the first few words of a long one.
func (p *prose) floor() int {
	const most, few = 160, 80 // code points
	cuts := p.cuts()
	if utf8.RuneCountInString(p.text) <= few {
		return len(cuts)
	}
	best := -1
	for i, c := range cuts {
		n := utf8.RuneCountInString(p.text[:c])
		if n > most {
			break
		}
		if p.rests(c) {
			return i
		}
		if n <= few || best < 0 {
			best = i
		}
	}
	return best
}

// sentenceEnds reports whether s ends with a sentence: an abbreviation of one or two letters does not count.
func sentenceEnds(s string) bool {
	t := strings.TrimRight(s, "»”\"’')\u00a0\u202f")
	r, size := utf8.DecodeLastRuneInString(t)
	switch r {
	case '!', '?', '…', '。', '！', '？':
		return true
	case '.':
		word := lastWord(t[:len(t)-size])
		return utf8.RuneCountInString(word) > 2 && !strings.HasSuffix(word, ".") && !abbreviation(strings.ToLower(word))
	}
	return false
}

func abbreviation(word string) bool {
	switch word {
	case "dre", "mme", "mlle", "mrs", "prof", "etc", "boul", "cie", "inc":
		return true
	}
	return false
}

func lastWord(s string) string {
	if i := strings.LastIndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) }); i >= 0 {
		_, size := utf8.DecodeRuneInString(s[i:])
		return s[i+size:]
	}
	return s
}

func trailing(s string, c byte) int { return len(s) - len(strings.TrimRight(s, string(c))) }

// firstSentences is what a reader of only a few sentences needs: as many whole ones as fit in most code points, else words.
func firstSentences(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	p := prose{text: head(s, most+lookahead)}
	best := ""
	for _, c := range p.cuts() {
		if utf8.RuneCountInString(s[:c]) > most {
			break
		}
		if sentenceEnds(s[:c]) {
			best = s[:c]
		}
	}
	if best != "" {
		return best
	}
	return clipWords(s, most)
}

// clipWords is s in at most most code points, ended at a word; inside a word, between graphemes, only where the first word is longer.
func clipWords(s string, most int) string {
	if most <= 0 || utf8.RuneCountInString(s) <= most {
		return s
	}
	p := prose{text: head(s, most+lookahead)}
	n := sort.Search(len(p.cuts()), func(i int) bool { return utf8.RuneCountInString(p.at(i)) > most })
	if n == 0 {
		return clipGraphemes(s, most)
	}
	return p.at(n - 1)
}

// lookahead is how many code points behind a cut may decide about it: a URL, a name that leads on.
const lookahead = 300

// head is the first n code points of s.
func head(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

func clipGraphemes(s string, most int) string {
	end, state, rest := 0, -1, s
	for len(rest) > 0 {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if utf8.RuneCountInString(s[:end+len(cluster)]) > most-1 {
			break
		}
		end += len(cluster)
	}
	return s[:end] + ellipsis
}
