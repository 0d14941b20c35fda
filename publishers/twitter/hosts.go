package twitter

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const maxLabel = 63

// soundHost refuses host names that no resolver takes: labels longer than 63 once encoded, encoded ones with other letters.
func soundHost(host string) bool {
	if strings.HasPrefix(host, "xn--") && len(latin(host)) == 0 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		n := 0
		for i, part := range strings.Split(fullStops.Replace(label), ".") {
			n += min(i, 1) + punycodeLen(part)
		}
		if n > maxLabel {
			return false
		}
	}
	return true
}

var fullStops = strings.NewReplacer("。", ".", "．", ".", "｡", ".")

// punycodeLen is the length of a label as host names carry it (RFC 3492 section 6.3).
func punycodeLen(label string) int {
	const base, tMin, tMax, skew, damp, bias0 = 36, 1, 26, 38, 700, 72
	runes, basic := []rune(label), 0
	for _, r := range runes {
		if r < 0x80 {
			basic++
		}
	}
	if basic == len(runes) || len(runes) > maxLabel {
		return len(runes)
	}
	length := len("xn--") + basic + min(basic, 1)
	for n, delta, bias, done := 0x80, 0, bias0, basic; done < len(runes); {
		next := utf8.MaxRune + 1
		for _, r := range runes {
			if int(r) >= n {
				next = min(next, r)
			}
		}
		delta += (int(next) - n) * (done + 1)
		n = int(next)
		for _, r := range runes {
			switch {
			case int(r) < n:
				delta++
			case int(r) == n:
				for q, k := delta, base; ; k += base {
					length++
					t := min(max(k-bias, tMin), tMax)
					if q < t {
						break
					}
					q = (q - t) / (base - t)
				}
				if done == basic {
					delta /= damp
				} else {
					delta /= 2
				}
				delta += delta / (done + 1)
				for bias = 0; delta > (base-tMin)*tMax/2; bias += base {
					delta /= base - tMin
				}
				bias += (base - tMin + 1) * delta / (delta + skew)
				delta, done = 0, done+1
			}
		}
		delta, n = delta+1, n+1
	}
	return length
}

//go:embed tlds.txt
var tldFile string

// topLevels reads the list once, when the first text is measured.
var topLevels = sync.OnceValue(func() map[string]bool {
	_, list, _ := strings.Cut(tldFile, "\n")
	known := map[string]bool{}
	for _, t := range strings.Fields(list) {
		known[t] = true
	}
	return known
})

const longestTopLevel = 18 // characters

// topLevelEnd is where the top-level domain that begins at i ends, or 0.
func topLevelEnd(s string, i int) int {
	end := 0
	for j, n := i, 0; n < longestTopLevel && j < len(s); n++ {
		r, size := utf8.DecodeRuneInString(s[j:])
		if r < 0x80 && !alnum(r) {
			break
		}
		j += size
		if next, _ := utf8.DecodeRuneInString(s[j:]); j < len(s) && (alnum(next) || next == '@' || next == '+' || next == '-') {
			continue
		}
		if topLevels()[strings.Map(lower, s[i:j])] {
			end = j
		}
	}
	if prefix := "xn--"; end == 0 && len(s)-i > len(prefix) && strings.EqualFold(s[i:i+len(prefix)], prefix) {
		if j := run(s, i+len(prefix), func(r rune) bool { return r == '-' || alnum(r) }); j > i+len(prefix) {
			end = j
		}
	}
	return end
}

// lower is r in lower case, but never one of ASCII for another.
func lower(r rune) rune {
	if l := unicode.ToLower(r); r < 0x80 || l >= 0x80 {
		return l
	}
	return r
}
