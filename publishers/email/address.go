package email

import (
	"errors"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

var errAddress = errors.New("is not an e-mail address: write name@example.org")

// mailbox reads an address and writes it again, so that nothing but an address can reach the server or a header: its
// domain in ASCII, its local part as RFC 5321 allows it. Controls, blanks and angle brackets are refused, quoted or not.
func mailbox(s string) (string, error) {
	i := strings.LastIndexByte(s, '@')
	if i < 1 || len(s) > 254+2 {
		return "", errAddress
	}
	local, ok := localPart(s[:i])
	if !ok {
		return "", errAddress
	}
	domain, err := asciiDomain(s[i+1:])
	if err != nil || len(local)+1+len(domain) > 254 {
		return "", errAddress
	}
	if local == s[:i] && domain == s[i+1:] {
		return s, nil
	}
	return local + "@" + domain, nil
}

func localPart(s string) (string, bool) {
	quoted := len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"'
	if quoted {
		var b strings.Builder
		for in, i := s[1:len(s)-1], 0; i < len(in); i++ {
			if in[i] == '\\' {
				if i++; i == len(in) {
					return "", false
				}
			} else if in[i] == '"' {
				return "", false
			}
			b.WriteByte(in[i])
		}
		s = b.String()
	}
	if s == "" || len(s) > 64 {
		return "", false
	}
	atom, last := true, byte('.')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' || c == '\\':
			return "", false
		case c == '.':
			atom = atom && last != '.'
		case !atext(c):
			if !quoted {
				return "", false
			}
			atom = false
		}
		last = s[i]
	}
	if atom && last != '.' {
		return s, true
	}
	return `"` + s + `"`, true
}

func atext(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// asciiDomain is a host name as DNS knows it.
func asciiDomain(s string) (string, error) {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(s)
			if err != nil {
				return "", errAddress
			}
			s = ascii
			break
		}
	}
	if s == "" || len(s) > 253 {
		return "", errAddress
	}
	label := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if label == 0 || s[i-1] == '-' {
				return "", errAddress
			}
			label = 0
			continue
		case c == '-' && label > 0, 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		default:
			return "", errAddress
		}
		if label++; label > 63 {
			return "", errAddress
		}
	}
	if label == 0 || s[len(s)-1] == '-' {
		return "", errAddress
	}
	return s, nil
}

// parseMailbox reads a configured "Name <address>".
func parseMailbox(s string) (*mail.Address, error) {
	if strings.ContainsAny(s, "\r\n\x00") {
		return nil, errAddress
	}
	a := &mail.Address{Address: strings.TrimSpace(s)}
	if strings.ContainsAny(s, "<>") {
		p, err := mail.ParseAddress(s)
		if err != nil {
			return nil, errAddress
		}
		a = p
	}
	address, err := mailbox(a.Address)
	if err != nil {
		return nil, err
	}
	return &mail.Address{Name: a.Name, Address: address}, nil
}
