package email

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// odd runs a server that greets, offers PIPELINING, and answers everything from the first MAIL on with the same bytes.
// After an empty mail it gives the last line again.
func odd(t *testing.T, answers string) (*mailer, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		say := func(s string) { _, _ = c.Write([]byte(s)) }
		say("220 odd\r\n")
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch {
			case strings.HasPrefix(line, "EHLO"):
				say("250-odd\r\n250 PIPELINING\r\n")
			case strings.HasPrefix(line, "MAIL"):
				say(answers)
			}
		}
	}()
	host, port, _ := net.SplitHostPort(l.Addr().String())
	m := sober(t, func(c *Config) {
		c.Host, c.TLS, c.PerConnection, c.Timeout, c.TimeoutFinal = host, tlsNone, 100, short/2, short/2
	})
	m.address = net.JoinHostPort(host, port)
	t.Cleanup(func() { _ = m.Close() })
	return m, m.address
}
