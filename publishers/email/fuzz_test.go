package email

import (
	"bytes"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// FuzzMailbox: whatever is taken as an address is one, and is itself when read again.
func FuzzMailbox(f *testing.F) {
	for _, s := range []string{"ada@example.org", `"a@x> ORCPT=b"@y`, "zoé@exämple.net", `"a\"b"@x`, "a..b@x", "a@b@c", "<a@b>", "a@b\r\nRCPT TO:<c@d>", "a@xn--", `"\@x`, ".@x", "a@1.2.3.4", `"a,b"@x.y`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := mailbox(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(got, "<>\r\n\x00 \t\\") || strings.ContainsFunc(got, func(r rune) bool { return r < '!' || r > '~' }) || len(got) > 254+2 {
			t.Fatalf("%q became %q", s, got)
		}
		if again, err := mailbox(got); err != nil || again != got {
			t.Fatalf("%q reads back as %q, %v", got, again, err)
		}
		a, err := mail.ParseAddress(got)
		if err != nil {
			t.Fatalf("%q became %q: %v", s, got, err)
		}
		if i := strings.LastIndexByte(got, '@'); a.Address[strings.LastIndexByte(a.Address, '@'):] != got[i:] {
			t.Fatalf("%q is another domain than %q", got, a.Address)
		}
	})
}

// FuzzCompose: whatever somebody writes, the headers are ours, the lines are lines, and readers see the texts.
func FuzzCompose(f *testing.F) {
	m := sober(f, nil)
	f.Add("Nouvelle", "Bonjour\n", "<p>Bonjour</p>", "fr", "tok")
	f.Add("x\r\nBcc: eve@example.org", ".\r\n.\r\n..\n", "a\r.\rb", "fr\r\nX: y", "a?b=c&d")
	f.Add("=?UTF-8?Q?x?=", strings.Repeat("é ", 100)+"\t\n \n", "--crieur\r\n\r\n=2E\n=", "", "é")
	f.Add("0", "0", "", "0", "0")
	f.Add("\u2028\u0085\x00\xff", strings.Repeat("x", 2000), strings.Repeat(".", 200)+"\n From x", "x-klingon", "")
	f.Fuzz(func(t *testing.T, subject, text, html, language, token string) {
		msg := message(1)
		msg.Subject, msg.Text, msg.HTML, msg.Unsubscribe = subject, text, html, "https://example.org/u/"+token
		msg.Language = announce.Language(language)
		b, _, _, fault := m.compose(nil, "ada@example.org", msg)
		if fault != nil {
			if fault.Field != "unsubscribe" {
				t.Fatal(fault)
			}
			return
		}
		lines := strings.SplitAfter(string(b), "\n")
		for i, l := range lines[:len(lines)-1] {
			if !strings.HasSuffix(l, "\r\n") || strings.ContainsAny(l[:len(l)-2], "\r\n\x00") || len(l) > 1000 || l[0] == '.' && i != len(lines)-2 {
				t.Fatalf("line %d: %q", i, l)
			}
		}
		if lines[len(lines)-1] != "" || lines[len(lines)-2] != ".\r\n" {
			t.Fatal("no final dot")
		}
		msgRead, err := mail.ReadMessage(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range msgRead.Header {
			single := k == "Content-Transfer-Encoding" && html == "" // of a message with one part
			if len(v) != 1 || !slices.Contains(expected(), k) && !single {
				t.Fatalf("header %s: %q", k, v)
			}
		}
	})
}

// FuzzQuotedPrintable: what is encoded decodes to itself, but for line ends.
func FuzzQuotedPrintable(f *testing.F) {
	for _, s := range []string{"", "a", " ", "a \n", ".\n..\n", "a\rb\r\nc\n\r", strings.Repeat("é", 60), strings.Repeat("x", 80) + ".", strings.Repeat("=", 30), strings.Repeat("x", 73) + ".x", "a\t\r\n"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, more bool) {
		b := appendQP(nil, s, more)
		for l := range bytes.Lines(b) {
			if trimmed := bytes.TrimSuffix(l, []byte(crlf)); len(trimmed) > 76 || bytes.HasPrefix(trimmed, []byte(".")) || bytes.HasSuffix(trimmed, []byte(" ")) || bytes.HasSuffix(trimmed, []byte("\t")) {
				t.Fatalf("%q", l)
			}
		}
		got, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(s)
		if string(got) != want {
			t.Fatalf("%q became %q", want, got)
		}
	})
}
