package list

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Most bytes of a mail address and of what stands before its @ (RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3 with erratum 1690).
const (
	maxMailbox = 254
	maxLocal   = 64
	maxDomain  = 253
	maxLabel   = 63
)

// Mailbox checks a mail address as strictly as mail is delivered, and returns it as one mailbox is always written: in
// lower case, the domain in ASCII (IDNA 2008, RFC 5891). What stands before the @ is a dot-atom of ASCII (RFC 5322,
// section 3.2.3): quoted and internationalised ones are valid, but few servers take them, and misprints look like them.
// The error says what is wrong with it, to follow the name of the field: "has no @: write ada@example.org".
func Mailbox(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", errors.New("is empty")
	case len(s) > 2*maxMailbox:
		return "", fmt.Errorf("has more than %d characters", maxMailbox)
	case !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError):
		return "", errors.New("holds letters that were lost when the list was saved: write them anew")
	}
	for _, c := range s {
		switch {
		case c < ' ' || c == 0x7f:
			return "", errors.New("holds a line break or another control character")
		case c == 0xa0 || c == 0xad || c >= 0x200b && c <= 0x200f || c >= 0x2028 && c <= 0x202e || c >= 0x2060 && c <= 0x2064 || c == 0xfeff:
			return "", errors.New("holds a character that cannot be seen: type the address anew")
		}
	}
	at := strings.LastIndexByte(s, '@')
	switch {
	case at < 0 && strings.Contains(s, "(at)") || at < 0 && strings.Contains(s, "[at]"):
		return "", errors.New("is disguised: write @ for (at)")
	case at < 0:
		return "", errors.New("has no @: write ada@example.org")
	case strings.HasPrefix(strings.ToLower(s), "mailto:"):
		return "", errors.New("begins with mailto: leave that out")
	case strings.ContainsAny(s, "<>"):
		return "", errors.New("holds < or >: write the address alone, and the name in a column of its own")
	case strings.ContainsAny(s, ",;") && strings.Count(s, "@") > 1:
		return "", errors.New("is more than one address: give each a line of its own")
	case strings.ContainsAny(s, ",;"):
		return "", errors.New("holds a comma or semicolon: is it a misprint for a dot?")
	case strings.ContainsAny(s, " "):
		return "", errors.New("holds a space")
	}
	local, domain := s[:at], s[at+1:]
	if err := checkLocal(local); err != nil {
		return "", err
	}
	domain, err := Domain(domain)
	if err != nil {
		return "", err
	}
	if len(local)+1+len(domain) > maxMailbox {
		return "", fmt.Errorf("has more than %d characters", maxMailbox)
	}
	return lower(local) + "@" + domain, nil
}

func checkLocal(s string) error {
	switch {
	case s == "":
		return errors.New("has nothing before the @")
	case strings.Contains(s, "@"):
		return errors.New("has more than one @")
	case strings.Contains(s, `"`):
		return errors.New("holds quotation marks, which few mail servers take")
	case len(s) > maxLocal:
		return fmt.Errorf("has more than %d characters before the @", maxLocal)
	case s[0] == '.':
		return errors.New("begins with a dot")
	case s[len(s)-1] == '.':
		return errors.New("has a dot right before the @")
	case strings.Contains(s, ".."):
		return errors.New("has two dots in a row")
	}
	for _, c := range s {
		switch {
		case c >= 0x80:
			return fmt.Errorf("has %q before the @, which few mail servers take", c)
		case c != '.' && !letter(byte(c)) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", c):
			return fmt.Errorf("has %q before the @", c)
		}
	}
	return nil
}

// Domain checks the part behind the @ and returns it in lower case and in ASCII.
func Domain(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("has nothing behind the @")
	case s[0] == '[':
		return "", errors.New("has the number of a server behind the @: only names are written to")
	case s[len(s)-1] == '.':
		return "", errors.New("ends with a dot")
	case s[0] == '.':
		return "", errors.New("has a dot right behind the @")
	case strings.Contains(s, ".."):
		return "", errors.New("has two dots in a row")
	case strings.Contains(s, "_"):
		return "", errors.New("has an underscore behind the @")
	}
	if !plain(s) {
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", fmt.Errorf("has a domain that cannot exist: %q", s)
		}
		s = ascii
	}
	s = lower(s)
	if len(s) > maxDomain {
		return "", fmt.Errorf("has more than %d characters behind the @", maxDomain)
	}
	labels, last := 0, ""
	for label := range strings.SplitSeq(s, ".") {
		labels, last = labels+1, label
		switch {
		case label == "":
			return "", errors.New("has two dots in a row")
		case len(label) > maxLabel:
			return "", fmt.Errorf("has more than %d characters between two dots", maxLabel)
		case label[0] == '-' || label[len(label)-1] == '-':
			return "", errors.New("has a hyphen at the edge of a part of its domain")
		}
		for i := range len(label) {
			if c := label[i]; !letter(c) && c != '-' {
				return "", fmt.Errorf("has %q behind the @", c)
			}
		}
	}
	switch {
	case labels < 2:
		return "", fmt.Errorf("has no dot behind the @: is %q all of it?", s)
	case strings.Trim(last, "0123456789") == "":
		return "", errors.New("has the number of a server behind the @: only names are written to")
	case len(last) < 2:
		return "", errors.New("ends too early: its last part is a single letter")
	case last == "invalid", last == "localhost", last == "local":
		return "", fmt.Errorf("ends with .%s, where no mail is delivered (RFC 6761)", last)
	}
	return s, nil
}

// plain: IDNA leaves a name of these alone, but for the case. Labels that begin like an encoded one are looked at.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && c != '-' && c != '.' {
			return c < 0x80 // what is no letter is refused below, in words
		}
	}
	return !strings.Contains(lower(s), "xn--")
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }

// lower is the lower case of ASCII.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(s)
		}
	}
	return s
}
