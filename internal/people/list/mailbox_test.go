package list

import (
	"net/mail"
	"strings"
	"testing"
	"unicode"
)

func TestMailbox(t *testing.T) {
	for in, want := range map[string]string{
		" Ada@Example.ORG ":                           "ada@example.org",
		"o'brien+x@example.co":                        "o'brien+x@example.co",
		"ada@é.example":                               "ada@xn--9ca.example",
		"ada@Bücher.example":                          "ada@xn--bcher-kva.example",
		"info@xn--bcher-kva.example":                  "info@xn--bcher-kva.example",
		"a@b.museum":                                  "a@b.museum",
		"postmaster@sub.example.org":                  "postmaster@sub.example.org",
		strings.Repeat("a", 64) + "@" + "example.org": strings.Repeat("a", 64) + "@example.org",
	} {
		if got, err := Mailbox(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// FuzzMailbox: what is taken is taken again as it is, is plain ASCII without blanks, and another parser reads the same.
func FuzzMailbox(f *testing.F) {
	for _, c := range broken()[:40] {
		f.Add(strings.SplitN(c[0], ",", 2)[0])
	}
	f.Add("ada@Bücher.example")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Mailbox(s)
		if err != nil {
			return
		}
		if again, err := Mailbox(got); err != nil || again != got {
			t.Errorf("%q: %q, then %q, %v", s, got, again, err)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r >= 0x7f || r <= ' ' || unicode.IsUpper(r) }) || len(got) > maxMailbox {
			t.Errorf("%q is taken as %q", s, got)
		}
		if a, err := mail.ParseAddress(got); err != nil || a.Address != got || a.Name != "" {
			t.Errorf("%q: net/mail reads %v, %v", got, a, err)
		}
	})
}
