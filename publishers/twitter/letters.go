package twitter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The classes of characters in the grammar of twitter-text.

func digit(r rune) bool { return r >= '0' && r <= '9' }

func alnum(r rune) bool { return digit(r) || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// accent is a letter with an accent, or an accent, of those that may stand in Latin host names and in paths. X's grammar
// ignores case.
func accent(r rune) bool { return r >= 0x80 && (accented(r) || accented(unicode.ToUpper(r))) }

func accented(r rune) bool {
	return r >= 0xC0 && r <= 0x24F && r != 0xD7 && r != 0xF7 || strings.ContainsRune("\u0253\u0254\u0256\u0257\u0259\u025B\u0263\u0268\u026F\u0272\u0289\u028B\u02BB", r) ||
		r >= 0x300 && r <= 0x36F || r >= 0x1E00 && r <= 0x1EFF
}

func direction(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r == 0x61C || r == 0x200E || r == 0x200F || r >= 0x2066 && r <= 0x2069
}

func broken(r rune) bool { return r == 0xFFFE || r == 0xFEFF || r == 0xFFFF }

func space(r rune) bool {
	return r >= 0x09 && r <= 0x0D || r == 0x180E || r == 0x2028 || r == 0x2029 || r == 0x85 || unicode.Is(unicode.Zs, r)
}

// mayPrecede tells whether a link may begin after r.
func mayPrecede(r rune) bool { return !alnum(r) && !strings.ContainsRune("@＠$#＃", r) && !broken(r) }

// inHost tells whether r may begin, end and fill a label of a host name.
func inHost(r rune) bool {
	return !strings.ContainsRune("!'#%&()*+,\\-./:;<=>?@[]^_{|}~$", r) && !space(r) && !broken(r) && !direction(r)
}

func inLatinHost(r rune) bool { return r == '-' || alnum(r) || accent(r) }

func cyrillic(r rune) bool {
	return r >= 0x400 && r <= 0x4FF || r > 0x4FF && unicode.ToUpper(r) >= 0x400 && unicode.ToUpper(r) <= 0x4FF
}

func inPath(r rune) bool {
	return alnum(r) || accent(r) || cyrillic(r) || r == '\u2013' || r < 0x80 && strings.ContainsRune("!*';:=+,.$/%#[]-_~@|&", r)
}

func endsPath(r rune) bool {
	return r != '\u2013' && inPath(r) && (r >= 0x80 || alnum(r) || strings.ContainsRune("+-=_#/", r))
}

func inQuery(r rune) bool {
	return r < 0x80 && (alnum(r) || strings.ContainsRune("!?*'@();:&=+$/%#[]-_.,~|", r))
}

// run is the end of the characters from i on that are in the class.
func run(s string, i int, class func(rune) bool) int {
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !class(r) {
			break
		}
		i += size
	}
	return i
}

// utf16Len is the length by which X limits addresses.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
