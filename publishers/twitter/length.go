package twitter

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What a text may weigh, and what a link weighs in it (twitter-text, configuration 3).
const (
	mostWeight = 280
	linkWeight = 23
)

// measure is the weighted length of a text as X counts it: composed characters, every link 23, every emoji 2,
// letters of most alphabets 1, everything else 2.
func measure(text string) int { return weigh(norm.NFC.String(text), true) }

// weigh is measure for a composed text; without emoji each of their code points counts.
func weigh(text string, emoji bool) int {
	n, found := 0, links(text)
	for i := 0; i < len(text); {
		if len(found) > 0 && i >= found[0].start {
			n, i, found = n+linkWeight, max(i, found[0].end), found[1:]
			continue
		}
		size := 0
		if emoji {
			size = sequence(text[i:])
		}
		if size > 0 {
			n, i = n+2, i+size
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		n, i = n+weight(r), i+size
	}
	return n
}

func weight(r rune) int {
	switch {
	case r <= 0x10FF, r >= 0x2000 && r <= 0x200D, r >= 0x2010 && r <= 0x201F, r >= 0x2032 && r <= 0x2037:
		return 1
	}
	return 2
}

const (
	joiner  = '\u200D'
	present = '\uFE0F' // shows what stands before as an emoji
	keycap  = '\u20E3'
)

// sequence is the size of the emoji of several code points that s begins with, or 0. One code point alone needs no
// telling apart: it weighs 2 as an emoji and as anything else.
func sequence(s string) int {
	first, size := utf8.DecodeRuneInString(s)
	if first < 0x80 {
		if strings.IndexByte("#*0123456789", s[0]) < 0 {
			return 0
		}
		rest := strings.TrimPrefix(s[1:], string(present))
		if !strings.HasPrefix(rest, string(keycap)) {
			return 0
		}
		return len(s) - len(rest) + len(string(keycap))
	}
	if first < '‼' && first != '©' && first != '®' {
		return 0
	}
	t := emojis()
	if n := t.tagged(s); n > 0 {
		return n
	}
	if second, n := utf8.DecodeRuneInString(s[size:]); t.flags[[2]rune{first, second}] {
		return size + n
	}
	whole, end := t.element(s, true)
	for ok := whole; ok; {
		next, n := utf8.DecodeRuneInString(s[end:])
		if next != joiner || end+n == len(s) {
			break
		}
		var size int
		second, _ := utf8.DecodeRuneInString(s[end+n:])
		if _, joined := t.joins[[2]rune{first, second}]; !joined {
			break
		}
		if ok, size = t.element(s[end+n:], strings.ContainsRune(adults, second)); !ok {
			break
		}
		first, end = second, end+n+size
	}
	if end == size {
		return 0
	}
	return end
}

// adults are the people in a joined emoji who may have a skin tone after the first.
const adults = "👨👩🧑🫲"

// element reads one code point with what may follow it: whole tells whether it can be joined to others.
func (t *emojiTable) element(s string, tones bool) (whole bool, end int) {
	r, end := utf8.DecodeRuneInString(s)
	kind := t.kinds[r]
	whole = kind&text == 0
	if next, n := utf8.DecodeRuneInString(s[end:]); next == present && kind&(text|either) != 0 {
		end, whole = end+n, true
	}
	if next, n := utf8.DecodeRuneInString(s[end:]); tones && kind&tone != 0 && next >= 0x1F3FB && next <= 0x1F3FF {
		end, whole = end+n, true
	}
	return whole, end
}

// tagged is the size of the flag of England, Scotland or Wales that s begins with, or 0.
func (t *emojiTable) tagged(s string) int {
	for _, region := range t.regions {
		if strings.HasPrefix(s, region) {
			return len(region)
		}
	}
	return 0
}

const (
	text = 1 << iota
	either
	tone
)

type emojiTable struct {
	kinds   map[rune]int
	flags   map[[2]rune]bool
	joins   map[[2]rune]struct{}
	regions []string
}

//go:embed emoji.txt
var emojiFile string

// emojis reads the table once, when the first text is measured.
var emojis = sync.OnceValue(func() *emojiTable {
	t := &emojiTable{kinds: map[rune]int{}, flags: map[[2]rune]bool{}, joins: map[[2]rune]struct{}{}}
	for line := range strings.Lines(emojiFile) {
		f := strings.Fields(line)
		switch f[0] {
		case "text", "either", "tone":
			for _, r := range f[1] {
				t.kinds[r] |= map[string]int{"text": text, "either": either, "tone": tone}[f[0]]
			}
		case "flag":
			for _, c := range f[1:] {
				t.flags[[2]rune{0x1F1E6 + rune(c[0]-'A'), 0x1F1E6 + rune(c[1]-'A')}] = true
			}
		case "join":
			for _, a := range f[1] {
				for _, b := range f[2] {
					t.joins[[2]rune{a, b}] = struct{}{}
				}
			}
		}
	}
	for _, tags := range []string{"gbeng", "gbsct", "gbwls"} {
		flag := "\U0001F3F4"
		for _, c := range tags {
			flag += string(0xE0000 + c)
		}
		t.regions = append(t.regions, flag+"\U000E007F")
	}
	return t
})
