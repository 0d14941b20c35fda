package bluesky

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/net/idna"
)

const (
	mostGraphemes = 300
	bytesEach     = 10 // 3000 bytes for 300 graphemes
)

// measure counts what readers see as one character, or a tenth of the bytes where that is more: both are limited.
func measure(text string) int {
	shown, _ := spell(text, nil, nil)
	return max(uniseg.GraphemeClusterCount(shown), (len(shown)+bytesEach-1)/bytesEach)
}

// facet is what a run of a text is, in bytes of it.
type facet struct {
	Index struct {
		Start int `json:"byteStart"`
		End   int `json:"byteEnd"`
	} `json:"index"`
	Features []feature `json:"features"`
}

// feature is a link, a hashtag or a mention.
type feature struct {
	Type string `json:"$type"`
	URI  string `json:"uri,omitempty"`
	Tag  string `json:"tag,omitempty"`
	DID  string `json:"did,omitempty"`
}

var (
	scheme  = regexp.MustCompile(`(?i)^https?://`)
	handle  = regexp.MustCompile(`^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)
	hashtag = regexp.MustCompile(`^[\pL\pN\pM_]+`)
)

// spell is text as it is posted, with its links shortened, and what in it is a link, one of tags or one of the accounts,
// by lower-case name. Anything else that looks like a hashtag or a mention stays words.
func spell(text string, tags []string, accounts map[string]string) (string, []facet) {
	var b strings.Builder
	var facets []facet
	before := ' '
	add := func(shown string, f feature) {
		var x facet
		x.Index.Start, x.Index.End = b.Len(), b.Len()+len(shown)
		x.Features = []feature{f}
		facets = append(facets, x)
		b.WriteString(shown)
	}
	for rest := text; rest != ""; {
		shown, f, n := "", feature{}, 0
		if !inWord(before) {
			shown, f, n = begins(rest, tags, accounts)
		}
		if n > 0 {
			add(shown, f)
		} else {
			_, n = utf8.DecodeRuneInString(rest)
			b.WriteString(rest[:n])
		}
		before, _ = utf8.DecodeLastRuneInString(rest[:n])
		rest = rest[n:]
	}
	return b.String(), facets
}

// begins is the link, hashtag or mention that text begins with, and its length there; 0: none.
func begins(text string, tags []string, accounts map[string]string) (shown string, f feature, n int) {
	switch text[0] {
	case 'h', 'H':
		if !scheme.MatchString(text) {
			return "", feature{}, 0
		}
		shown, uri, n := link(text)
		return shown, feature{Type: "app.bsky.richtext.facet#link", URI: uri}, n
	case '#':
		word := hashtag.FindString(text[1:])
		if slices.ContainsFunc(tags, func(t string) bool { return strings.EqualFold(t, word) }) {
			return "#" + word, feature{Type: "app.bsky.richtext.facet#tag", Tag: word}, 1 + len(word)
		}
	case '@':
		word := handle.FindString(text[1:])
		if did := accounts[strings.ToLower(word)]; did != "" {
			return "@" + word, feature{Type: "app.bsky.richtext.facet#mention", DID: did}, 1 + len(word)
		}
	}
	return "", feature{}, 0
}

func inWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// link is the address that text begins with: as it is shown, as it is followed, and how long it is in text.
func link(text string) (shown, uri string, n int) {
	n = strings.IndexFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>\"`|\\^{}«»“”„", r)
	})
	if n < 0 {
		n = len(text)
	}
	for n > 0 {
		r, size := utf8.DecodeLastRuneInString(text[:n])
		closed := r == ')' && strings.Count(text[:n], "(") >= strings.Count(text[:n], ")")
		if closed || !strings.ContainsRune(".,;:!?…'’*()[]", r) {
			break
		}
		n -= size
	}
	uri, ok := escaped(text[:n])
	if !ok {
		return "", "", 0
	}
	return short(text[:n]), uri, n
}

// escaped is an address in the letters that addresses are made of.
func escaped(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || !strings.Contains(strings.Trim(u.Hostname(), "."), ".") {
		return "", false
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil {
		return "", false
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c > ' ' && c < 0x7f {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
	}
	return b.String(), true
}

const mostPath = 15 // of a link's path, as Bluesky's own app shows it

// short is an address as Bluesky's own app shows it: without its scheme, and with the beginning of a long path.
func short(address string) string {
	shown := address[strings.Index(address, "://")+len("://"):]
	i := strings.IndexAny(shown, "/?#")
	if i < 0 {
		return shown
	}
	host, path := shown[:i], shown[i:]
	if path == "/" {
		return host
	}
	if uniseg.GraphemeClusterCount(path) <= mostPath {
		return shown
	}
	var b strings.Builder
	g := uniseg.NewGraphemes(path)
	for range mostPath - 2 {
		g.Next()
		b.WriteString(g.Str())
	}
	return host + strings.TrimRight(b.String(), ".") + "…"
}
