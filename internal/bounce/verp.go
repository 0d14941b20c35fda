package bounce

import (
	"errors"
	"strings"
)

// mostLocal is the most that stands before the @ of an address (RFC 5321, 4.5.3.1.1).
const mostLocal = 64

// ReturnPath is the envelope sender under which one delivery leaves, "b+TOKEN@bounce.example.org" (VERP), so that what comes
// back names it. token is lower-case base32 without padding (RFC 4648); domain is in ASCII. All before the @ is at most 64 characters, an error else.
func ReturnPath(prefix, domain, token string) (string, error) {
	local := prefix + "+" + token
	switch {
	case !wellFormed(token):
		return "", errors.New("a token of a return path is lower-case base32")
	case !word(prefix) || len(local) > mostLocal:
		return "", errors.New("the return path is too long, or its name has other characters than letters, digits, -, _ and +")
	}
	return local + "@" + domain, nil
}

// ReadReturnPath reads the token of an address that ReturnPath made with the same prefix and domain, in upper or lower case.
// Whether the token is one of ours is for the caller to check.
func ReadReturnPath(prefix, domain, address string) (token string, ok bool) {
	address = strings.TrimSpace(address)
	if strings.HasPrefix(address, "<") && strings.HasSuffix(address, ">") {
		address = address[1 : len(address)-1]
	}
	i := strings.LastIndexByte(address, '@')
	if i < 0 || i > mostLocal || !strings.EqualFold(strings.TrimSuffix(address[i+1:], "."), domain) {
		return "", false
	}
	token, ok = strings.CutPrefix(lower(address[:i]), lower(prefix)+"+")
	if !ok || !wellFormed(token) {
		return "", false
	}
	return token, true
}

// wellFormed reports whether s may be a token.
func wellFormed(s string) bool {
	if s == "" || len(s) > mostLocal {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// lower is s in lower case; letters outside of ASCII stay what they are, and are no part of a token.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// word reports whether s may stand before the token.
func word(s string) bool {
	return s != "" && strings.Trim(lower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_+") == ""
}
