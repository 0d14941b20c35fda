package emailtest

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// TestStrict speaks to the server by hand: what RFC 5321 forbids is refused, and nothing refused is kept.
func TestStrict(t *testing.T) {
	const hello = "EHLO client.example.org\r\n"
	const begun = hello + "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
	for _, c := range []struct {
		name, say string
		options   Options
		want      string // the last answer begins with it
		mails     int
	}{
		{"a mail", begun + "Subject: x\r\n\r\n..dot\r\n.\r\n", Options{Open: true}, "250", 1},
		{"no EHLO", "MAIL FROM:<a@example.org>\r\n", Options{Open: true}, "503", 0},
		{"no TLS", hello + "MAIL FROM:<a@example.org>\r\n", Options{}, "530", 0},
		{"login in the clear", hello + "AUTH PLAIN AGEAYg==\r\n", Options{}, "538", 0},
		{"wrong login", hello + "AUTH PLAIN AGEAYg==\r\n", Options{Open: true}, "535", 0},
		{"bare line feed", begun + "Subject: x\n\r\n.\r\n", Options{Open: true}, "554", 0},
		{"bare carriage return", begun + "Subject: x\ry\r\n\r\n.\r\n", Options{Open: true}, "554", 0},
		{"eight bits", begun + "Subject: é\r\n\r\n.\r\n", Options{Open: true}, "554", 0},
		{"a long line", begun + strings.Repeat("x", 999) + "\r\n.\r\n", Options{Open: true}, "554", 0},
		{"too big", begun + strings.Repeat("xxx\r\n", 100) + ".\r\n", Options{Open: true, Size: 100}, "552", 0},
		{"too big, announced", hello + "MAIL FROM:<a@example.org> SIZE=101\r\n", Options{Open: true, Size: 100}, "552", 0},
		{"two recipients", hello + "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n", Options{Open: true}, "452", 0},
		{"a parameter smuggled in", hello + "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org> ORCPT=x\r\n", Options{Open: true}, "501", 0},
		{"two transactions at once", hello + "MAIL FROM:<a@example.org>\r\nMAIL FROM:<a@example.org>\r\n", Options{Open: true}, "503", 0},
		{"nobody to send to", hello + "MAIL FROM:<a@example.org>\r\nDATA\r\n", Options{Open: true}, "554", 0},
		{"DATA not the last of its group", "at once:" + begun + "Subject: x\r\n.\r\n", Options{Open: true}, "503", 0},
		{"a command that ends with LF", "at once:EHLO x\nMAIL\r\n", Options{Open: true}, "500", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Start(c.options)
			defer p.Close()
			conn, err := net.Dial("tcp", p.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			r := bufio.NewReader(conn)
			answer := func() string {
				last := ""
				for {
					l, err := r.ReadString('\n')
					if err != nil {
						return last
					}
					last = l
					if len(l) > 3 && l[3] == ' ' {
						return last
					}
				}
			}
			last := answer()
			if group, ok := strings.CutPrefix(c.say, "at once:"); ok {
				_, _ = conn.Write([]byte(group))
				for l := answer(); l != ""; l = answer() {
					last = l
				}
			} else {
				commands, mail, data := strings.Cut(c.say, "DATA\r\n")
				if data {
					commands += "DATA\r\n"
				}
				for _, line := range strings.SplitAfter(strings.TrimSuffix(commands, "\r\n"), "\r\n") {
					_, _ = conn.Write([]byte(strings.TrimSuffix(line, "\r\n") + "\r\n"))
					last = answer()
				}
				if mail != "" {
					_, _ = conn.Write([]byte(mail))
					last = answer()
				}
			}
			if !strings.HasPrefix(last, c.want) {
				t.Errorf("answered %q, want %s", last, c.want)
			}
			if n := p.Count(""); n != c.mails {
				t.Errorf("%d mails", n)
			}
			if c.mails == 1 && string(p.Mails()[0].Raw) != "Subject: x\r\n\r\n.dot\r\n" {
				t.Errorf("%q", p.Mails()[0].Raw)
			}
		})
	}
}
