package twittertest

import (
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

// address finds links with a scheme, and bare domain names under the top-level domains that people here use.
var address = regexp.MustCompile(`(?i)https?://(?:[\pL\pN](?:[\pL\pN_-]*[\pL\pN])?\.)+\pL{2,}(?::\d+)?(?:[/?][^\s<>"«»“”„]*)?` +
	`|(?:[a-z0-9à-öø-ÿ](?:[a-z0-9à-öø-ÿ_-]*[a-z0-9à-öø-ÿ])?\.)+(?:` +
	`com|org|net|edu|gov|info|biz|io|dev|app|me|tv|co|ai|ca|quebec|fr|be|ch|eu|uk|de|us|jp|md|sh|py|rs|pl|so|zip|mov)` +
	`(?::\d+)?(?:/[^\s<>"«»“”„]*)?`)

// link is a part of a text that is shown as a link, in bytes.
type link struct{ start, end int }

func links(text string) []link {
	var all []link
	for _, at := range address.FindAllStringIndex(text, -1) {
		before, after := text[:at[0]], text[at[1]:]
		part, open := text[at[0]:at[1]], 0
		for i, r := range part {
			if r == '(' {
				open++
			} else if r == ')' {
				open--
			}
			if open < 0 {
				part = part[:i]
				break
			}
		}
		part = strings.TrimRight(part, `.,;:!?'’*…`)
		bare := !strings.Contains(part, "://")
		if bare && (endsIn(before, `-_./@#$`) || begins(after, `-@+`) || endsWord(before) || beginsWord(after)) || endsIn(before, `@#$`) {
			continue
		}
		all = append(all, link{at[0], at[0] + len(part)})
	}
	return all
}

func endsIn(s, set string) bool { return s != "" && strings.ContainsRune(set, rune(s[len(s)-1])) }

func begins(s, set string) bool { return s != "" && strings.ContainsRune(set, rune(s[0])) }

func word(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func endsWord(s string) bool { return s != "" && word(s[len(s)-1]) }

func beginsWord(s string) bool { return s != "" && word(s[0]) }

// weigh is the weighted length of a text: links 23, emoji 2, most letters 1, everything else 2.
func weigh(text string) int {
	text = norm.NFC.String(text)
	n, end := 0, 0
	for _, l := range links(text) {
		n += plain(text[end:l.start]) + 23
		end = l.end
	}
	return n + plain(text[end:])
}

func plain(s string) int {
	n := 0
	for g := uniseg.NewGraphemes(s); g.Next(); {
		runes := g.Runes()
		if len(runes) > 1 && strings.ContainsAny(g.Str(), "\u200D\uFE0F\u20E3\U0001F3FB\U0001F3FC\U0001F3FD\U0001F3FE\U0001F3FF\U000E007F") || runes[0] >= 0x1F1E6 && runes[0] <= 0x1F1FF {
			n += 2
			continue
		}
		for _, r := range runes {
			if n++; r > 0x10FF && (r < 0x2000 || r > 0x200D) && (r < 0x2010 || r > 0x201F) && (r < 0x2032 || r > 0x2037) {
				n++
			}
		}
	}
	return n
}

var cashtag = regexp.MustCompile(`(?:^|\s)\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?\b`)

// entity is a link as X keeps it.
type entity struct {
	Start    int    `json:"start"`
	End      int    `json:"end"`
	URL      string `json:"url"`
	Expanded string `json:"expanded_url"`
	Display  string `json:"display_url"`
	MediaKey string `json:"media_key,omitempty"`
}

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// rewrite is a text as X keeps it: three characters escaped, every link replaced by a short one, and a short one
// appended for the pictures, with an entity for each.
func rewrite(id, text string, keys []string) (string, []entity) {
	var b strings.Builder
	var all []entity
	short := func(e entity) entity {
		e.URL = "https://t.co/" + slug(id, len(all))
		e.Start = utf8.RuneCountInString(b.String())
		b.WriteString(e.URL)
		e.End = utf8.RuneCountInString(b.String())
		return e
	}
	end := 0
	for _, l := range links(text) {
		b.WriteString(escapes.Replace(text[end:l.start]))
		expanded, display := expand(text[l.start:l.end])
		all = append(all, short(entity{Expanded: expanded, Display: display}))
		end = l.end
	}
	b.WriteString(escapes.Replace(text[end:]))
	if len(keys) > 0 {
		b.WriteString(" ")
		e := short(entity{Expanded: "https://x.com/" + handle + "/status/" + id + "/photo/1", Display: "pic.x.com/" + slug(id, len(all))})
		for _, e.MediaKey = range keys {
			all = append(all, e)
		}
	}
	return b.String(), all
}

// expand is the address behind a link, and what readers see of it.
func expand(written string) (address, display string) {
	address = written
	if !strings.Contains(written, "://") {
		address = "http://" + written
	}
	_, display, _ = strings.Cut(address, "://")
	if r := []rune(display); len(r) > 29 {
		display = string(r[:28]) + "…"
	}
	return address, display
}

// slug is the end of a short link.
func slug(id string, n int) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + " " + strconv.Itoa(n)))
	return (strconv.FormatUint(h.Sum64(), 36) + "000000000")[:9]
}
