package templates

import (
	"bytes"
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/util"
)

// plainText is what the author said on one line, as it is.
func plainText(s string) string { return oneLine(s) }

// markdownText is what the author said on one line, so that a reader of Markdown sees the same. Web addresses stay links.
func markdownText(s string) string {
	w := &writer{markup: markup{markdown: true}}
	for i, word := range strings.Split(oneLine(s), " ") {
		if i > 0 {
			w.raw(" ")
		}
		if address, ok := webAddress(word); ok && address == word && strings.Contains(word, "://") {
			w.raw("<" + word + ">")
			continue
		}
		w.words(word)
	}
	return string(w.out)
}

var lineEndings = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\u2028", " ", "\u2029", " ")

func oneLine(s string) string {
	if strings.ContainsAny(s, "\r\n\u2028\u2029") {
		s = lineEndings.Replace(s)
	}
	return strings.TrimSpace(s)
}

func (w *writer) raw(s string) { w.out = append(w.out, s...) }

// words writes what the author said. In Markdown every sign that could mean something there is escaped.
func (w *writer) words(s string) {
	if !w.markdown {
		w.raw(s)
		return
	}
	runes := []rune(s)
	for i, r := range runes {
		if w.escaped(runes, i) {
			w.out = append(w.out, '\\')
		}
		w.out = utf8.AppendRune(w.out, r)
	}
}

func (w *writer) escaped(runes []rune, i int) bool {
	line := w.out[w.lineStart:]
	switch r := runes[i]; r {
	case '\\', '*', '`', '[', ']', '<', '>', '&', '~', '|':
		return true
	case '_': // means nothing inside a word
		return i == 0 || i == len(runes)-1 || !wordRune(runes[i-1]) || !wordRune(runes[i+1])
	case '#':
		return w.heading || len(bytes.TrimSpace(line)) == 0
	case '+', '-', '=':
		return len(bytes.TrimSpace(line)) == 0
	case '.', ')':
		return len(line) > 0 && len(line) < 10 && len(bytes.Trim(line, "0123456789")) == 0
	}
	return false
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// resolve replaces backslash escapes and character references, once.
func resolve(s string) string {
	if !strings.ContainsAny(s, `\&`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && util.IsPunct(s[i+1]):
			i++
			b.WriteByte(s[i])
		case s[i] == '&':
			end := strings.IndexByte(s[i:], ';')
			if end > 1 && end < 34 {
				if ref := html.UnescapeString(s[i : i+end+1]); ref != s[i:i+end+1] && !strings.HasSuffix(ref, ";") {
					b.WriteString(strings.Map(visible, ref))
					i += end
					continue
				}
			}
			b.WriteByte('&')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// visible drops control characters, which a character reference could smuggle in.
func visible(r rune) rune {
	if unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0xFEFF {
		return -1
	}
	return r
}

var unsafeInAddress = strings.NewReplacer("<", "%3C", ">", "%3E", "\\", "%5C", " ", "%20", "\n", "", "\t", "")

// webAddress is the address as it may be written between < and >, and whether it is one that a reader can follow from anywhere.
func webAddress(destination string) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(destination))
	if err != nil || (u.Scheme != "mailto" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https")) {
		return "", false
	}
	s := string(util.URLEscape([]byte(destination), false))
	s = unsafeInAddress.Replace(s)
	return s, strings.Map(visible, s) == s
}

func sameAddress(label, address string) bool {
	bare := func(s string) string {
		for _, p := range []string{"https://", "http://", "mailto:", "www."} {
			s = strings.TrimPrefix(s, p)
		}
		return strings.TrimSuffix(s, "/")
	}
	return bare(strings.TrimSpace(label)) == bare(address)
}

// longest is the length of the longest run of c in s.
func longest(s string, c byte) int {
	most, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		most = max(most, run)
	}
	return most
}
