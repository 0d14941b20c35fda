package twitter

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// link is a part of a text that X makes a link, and in it the host name; in bytes.
type link struct{ start, host, hostEnd, end int }

const (
	maxAddress = 4096
	maxSlug    = 40
)

// links finds what X turns into links in a composed text: addresses with http or https, and bare domain names under a
// top-level domain it knows, so README.md too. In order, without overlap.
func links(s string) []link {
	if !strings.Contains(s, ".") {
		return nil
	}
	f := finder{s: s, ends: map[int]int{}}
	var all []link
	for pos := 0; pos < len(s); {
		r, size := utf8.DecodeRuneInString(s[pos:])
		m, ok := address{}, false
		before := s[pos : pos+size]
		if r > 0xFFFF { // X reads UTF-16: half of r precedes, half of it begins the host
			m, ok = f.address(pos)
		}
		if !ok && mayPrecede(r) {
			m, ok = f.address(pos + size)
		}
		if !ok && pos == 0 {
			before = ""
			m, ok = f.address(0)
		}
		if !ok {
			pos += size
			continue
		}
		all = append(all, f.shown(m, before)...)
		pos = m.end
	}
	return all
}

// neutral is text with nothing in it that X would turn into a link: a zero-width non-joiner (U+200C) follows each full
// stop of a host name. Readers see no difference, lines do not break there, and it weighs 1.
func neutral(text string) string {
	text = norm.NFC.String(text)
	for {
		var b strings.Builder
		end := 0
		for _, l := range links(text) {
			b.WriteString(text[end:l.host])
			end = l.hostEnd
			for i, label := range strings.Split(text[l.host:l.hostEnd], ".") {
				if i > 0 {
					b.WriteString(".")
				}
				if i > 0 && !strings.HasPrefix(label, separator) {
					b.WriteString(separator)
				}
				b.WriteString(label)
			}
		}
		if end == 0 {
			return text
		}
		b.WriteString(text[end:])
		text = b.String()
	}
}

const separator = "\u200C"

// address is a match of the grammar: [start, host) is the scheme, [host, path) host and port.
type address struct{ start, host, hostEnd, path, pathEnd, end int }

type finder struct {
	s     string
	ends  map[int]int // hostname of what follows a full stop
	label label       // the last one read
}

// label is a run of characters that may stand between two full stops.
type label struct {
	start, end int
	last       rune
	underscore int // the last one; -1: none
}

// address matches at i: an optional scheme, a host, an optional port, path and query.
func (f *finder) address(i int) (address, bool) {
	m := address{start: i, host: i}
	for _, scheme := range []string{"https://", "http://"} {
		if len(f.s)-i >= len(scheme) && strings.EqualFold(f.s[i:i+len(scheme)], scheme) {
			m.host = i + len(scheme)
			break
		}
	}
	if m.hostEnd = f.hostname(m.host); m.hostEnd == 0 {
		return m, false
	}
	m.path = m.hostEnd
	if n := run(f.s, m.path+1, digit); m.path < len(f.s) && f.s[m.path] == ':' && n > m.path+1 {
		m.path = n
	}
	m.pathEnd = pathEnd(f.s, m.path)
	m.end = queryEnd(f.s, m.pathEnd)
	return m, true
}

// hostname is where the longest host name that begins at i ends, or 0.
func (f *finder) hostname(i int) int {
	l := f.read(i)
	if l.end == i || l.last == '-' || l.last == '_' || l.end == len(f.s) || f.s[l.end] != '.' {
		return 0
	}
	next := l.end + 1
	end, known := f.ends[next]
	if !known {
		end = f.hostname(next)
		f.ends[next] = end
	}
	if end == 0 && l.underscore < i {
		end = topLevelEnd(f.s, next)
	}
	return end
}

// read is the label that begins at i; empty when none does.
func (f *finder) read(i int) label {
	if r, _ := utf8.DecodeRuneInString(f.s[i:]); i == len(f.s) || !inHost(r) {
		return label{start: i, end: i}
	}
	if i < f.label.start || i >= f.label.end {
		f.label = label{start: i, end: i, underscore: -1}
		for f.label.end < len(f.s) {
			r, size := utf8.DecodeRuneInString(f.s[f.label.end:])
			if !inHost(r) && r != '-' && r != '_' {
				break
			}
			if r == '_' {
				f.label.underscore = f.label.end
			}
			f.label.last, f.label.end = r, f.label.end+size
		}
	}
	return f.label
}

// shown is what X makes of a match: nothing when it is too long or follows a sign that speaks against a bare domain.
// Without a scheme only the Latin host names in it become links.
func (f *finder) shown(m address, before string) []link {
	host := f.s[m.host:m.hostEnd]
	if !soundHost(host) || utf16Len(f.s[m.start:m.end])+max(len("https://"), m.host-m.start) > maxAddress {
		return nil
	}
	if m.host > m.start {
		end, slug := shortened(f.s[m.start:m.end])
		switch {
		case slug > maxSlug:
			return nil
		case end > 0:
			return []link{{m.start, m.host, m.hostEnd, m.start + end}}
		}
		return []link{{m.start, m.host, m.hostEnd, m.end}}
	}
	if before != "" && strings.Contains("-_./", before) {
		return nil
	}
	var found []link
	for _, l := range latin(host) {
		start, end := m.start+l[0], m.start+l[1]
		found = append(found, link{start, start, end, end})
	}
	if len(found) > 0 && m.pathEnd > m.path {
		found[len(found)-1].end = m.end
	}
	return found
}

// latin finds the host names of Latin letters in a host name.
func latin(host string) [][2]int {
	var found [][2]int
	for i := 0; i < len(host); {
		first := run(host, i, inLatinHost)
		end := 0
		for j := first; j > 0 && j < len(host) && host[j] == '.'; {
			if e := topLevelEnd(host, j+1); e > 0 {
				end = e
			}
			next := run(host, j+1, inLatinHost)
			if next == j+1 {
				break
			}
			j = next
		}
		if first > i && end > 0 {
			found = append(found, [2]int{i, end})
			i = end
			continue
		}
		_, size := utf8.DecodeRuneInString(host[first:])
		i = first + size
	}
	return found
}

// shortened is where a t.co address ends, and how long its slug is; 0: it is none.
func shortened(s string) (end, slug int) {
	low := strings.ToLower(s)
	for _, prefix := range []string{"https://t.co/", "http://t.co/"} {
		if strings.HasPrefix(low, prefix) {
			end = run(s, len(prefix), func(r rune) bool { return r < 0x80 && alnum(r) })
			if slug = end - len(prefix); slug == 0 {
				return 0, 0
			}
			return queryEnd(s, end), slug
		}
	}
	return 0, 0
}

// pathEnd is where the path that begins at i ends: at its last character that is no punctuation, or after balanced
// parentheses that follow one.
func pathEnd(s string, i int) int {
	if i >= len(s) || s[i] != '/' {
		return i
	}
	end := i + 1
	for j := end; j < len(s); {
		if s[j] == '(' {
			closed := balanced(s, j, 2)
			if closed == 0 {
				break
			}
			if j == end {
				end = closed
			}
			j = closed
			continue
		}
		r, size := utf8.DecodeRuneInString(s[j:])
		if !inPath(r) {
			break
		}
		j += size
		if endsPath(r) {
			end = j
		}
	}
	return end
}

// balanced is where the parenthesis that opens at i closes, or 0; within it there may be one other.
func balanced(s string, i, depth int) int {
	j := run(s, i+1, inPath)
	if j < len(s) && s[j] == '(' && depth > 1 {
		if j = balanced(s, j, depth-1); j == 0 {
			return 0
		}
		j = run(s, j, inPath)
	}
	if j == i+1 || j >= len(s) || s[j] != ')' {
		return 0
	}
	return j + 1
}

// queryEnd is where the query that begins at i ends.
func queryEnd(s string, i int) int {
	end := i
	if i < len(s) && s[i] == '?' {
		for j := i + 1; j < len(s) && inQuery(rune(s[j])); j++ {
			if alnum(rune(s[j])) || strings.IndexByte("-_&=#/", s[j]) >= 0 {
				end = j + 1
			}
		}
	}
	return end
}
