package emailtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var errOver = errors.New("the session is over")

// session is one connection.
type session struct {
	p         *Platform
	raw, conn net.Conn
	number    int
	r         *bufio.Reader
	w         *bufio.Writer

	secure, known      bool // TLS; logged in
	hello              bool
	from, to           string
	sender, recipients bool
	taken, group       int
	scratch            []byte // the mail that comes in
}

func (s *session) run() {
	_ = s.raw.SetDeadline(time.Now().Add(5 * time.Minute))
	if s.fault(Connect) != nil {
		return
	}
	if s.p.options.Implicit && s.shake() != nil {
		return
	}
	s.over(s.conn)
	if s.say("220 mail.example.org ESMTP at your service") != nil {
		return
	}
	for {
		if s.r.Buffered() == 0 {
			s.p.note(func(t *Stats) { t.Largest = max(t.Largest, s.group) })
			s.group = 0
			if s.w.Flush() != nil {
				return
			}
		}
		line, err := s.line()
		if err != nil {
			return
		}
		s.group++
		if s.command(line) != nil {
			_ = s.w.Flush()
			return
		}
	}
}

func (s *session) over(c net.Conn) {
	s.conn, s.r, s.w = c, bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
}

// shake secures the connection.
func (s *session) shake() error {
	s.over(s.conn)
	if err := s.fault(Shake); err != nil {
		return err
	}
	c := tls.Server(s.conn, s.p.tls)
	if err := c.Handshake(); err != nil {
		return err
	}
	s.secure = true
	s.over(c)
	return nil
}

// line reads a command. Lines that RFC 5321 forbids end the session.
func (s *session) line() (string, error) {
	b, err := s.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if len(b) > 2048 || !bytes.HasSuffix(b, []byte("\r\n")) || bytes.ContainsAny(b[:len(b)-2], "\r\x00") {
		_ = s.say("500 5.5.2 a line ends with CRLF")
		_ = s.w.Flush()
		return "", errOver
	}
	return string(b[:len(b)-2]), nil
}

func (s *session) say(reply string) error {
	_, err := s.w.WriteString(reply + "\r\n")
	return err
}

// fault plays what is due. nil: nothing was, or it is over and the phase goes on. errHandled: the client has its answer.
func (s *session) fault(at Phase) error {
	f, ok := s.p.take(at, s.to)
	if !ok {
		return nil
	}
	if s.w == nil {
		s.over(s.conn)
	}
	if s.w.Flush() != nil {
		return errOver
	}
	switch f.Act {
	case Refuse:
		if s.say(f.Reply) != nil || at == Connect || strings.HasPrefix(f.Reply, "421") {
			_ = s.w.Flush()
			return errOver
		}
		return errHandled
	case Babble:
		_ = s.say("HTTP/1.1 400 Bad Request")
		return errHandled
	case Flood:
		for s.say("250-"+strings.Repeat("a", 1000)) == nil {
		}
		return errOver
	case Drip:
		for _, c := range []byte("250-" + strings.Repeat("a", 200)) {
			if s.w.WriteByte(c) != nil || s.w.Flush() != nil {
				return errOver
			}
			if s.wait(f.Wait) != nil {
				return errOver
			}
		}
		return errOver
	case Delay:
		return s.wait(f.Wait)
	case Hang:
		if at != Body { // a client that goes away is noticed by reading
			_, _ = io.Copy(io.Discard, s.conn)
			return errOver
		}
		<-s.p.gate
		return errOver
	}
	return errOver
}

var errHandled = errors.New("answered")

func (s *session) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-s.p.gate:
		return errOver
	}
}

var (
	mailForm = regexp.MustCompile(`^<([^<>\s]+@[A-Za-z0-9.-]+)>((?: [A-Z0-9]+=[^ =]+)*)$`)
	rcptForm = regexp.MustCompile(`^<((?:"(?:[^"\\\s<>]|\\[^\s])+"|[^"<>\s]+)@[A-Za-z0-9._-]+)>$`)
)

// command obeys one command. An error ends the session.
func (s *session) command(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	upper := strings.ToUpper(line)
	switch {
	case strings.HasPrefix(upper, "MAIL FROM:"):
		verb, rest = "MAIL", line[len("MAIL FROM:"):]
	case strings.HasPrefix(upper, "RCPT TO:"):
		verb, rest = "RCPT", line[len("RCPT TO:"):]
		if m := rcptForm.FindStringSubmatch(rest); m != nil {
			s.to = m[1]
		}
	}
	if at := Phase(verb); verb != "HELO" && slices.Contains(Phases(), at) {
		if err := s.fault(at); err == errHandled {
			return nil
		} else if err != nil {
			return err
		}
	}
	switch verb {
	case "EHLO", "HELO":
		return s.greet(verb, rest)
	case "STARTTLS":
		if s.secure || !s.offers("STARTTLS") {
			return s.say("503 5.5.1 not now")
		}
		if s.r.Buffered() > 0 {
			_ = s.say("503 5.5.1 nothing may follow STARTTLS")
			return errOver
		}
		if s.say("220 2.0.0 go ahead") != nil || s.w.Flush() != nil {
			return errOver
		}
		s.hello = false
		return s.shake()
	case "AUTH":
		return s.login(rest)
	case "RSET":
		s.reset()
		return s.say("250 2.0.0 ok")
	case "NOOP":
		return s.say("250 2.0.0 ok")
	case "QUIT":
		s.p.note(func(t *Stats) { t.Quits++ })
		_ = s.say("221 2.0.0 goodbye")
		return errOver
	case "MAIL":
		return s.mail(rest)
	case "RCPT":
		switch {
		case !s.sender:
			return s.say("503 5.5.1 MAIL first")
		case !rcptForm.MatchString(rest):
			return s.say("501 5.1.3 that is no address")
		case s.recipients:
			return s.say("452 4.5.3 one recipient, please")
		}
		s.recipients = true
		return s.say("250 2.1.5 ok")
	case "DATA":
		switch {
		case s.r.Buffered() > 0:
			_ = s.say("503 5.5.1 DATA is the last of its group")
			return errOver
		case !s.recipients && !s.p.options.Lax:
			return s.say("554 5.5.1 no valid recipients")
		}
		return s.data()
	case "BDAT":
		return s.chunk(rest)
	}
	return s.say("500 5.5.2 what?")
}

func (s *session) reset() { s.sender, s.recipients, s.from, s.to = false, false, "", "" }

func (s *session) offers(extension string) bool {
	return !slices.Contains(s.p.options.Hide, extension)
}

func (s *session) greet(verb, name string) error {
	if name == "" || strings.ContainsAny(name, " <>") {
		return s.say("501 5.5.4 who?")
	}
	s.hello = true
	s.reset()
	lines := []string{"mail.example.org greets " + name}
	if verb == "EHLO" {
		for _, e := range []string{"PIPELINING", "CHUNKING", "8BITMIME", "ENHANCEDSTATUSCODES"} {
			if s.offers(e) {
				lines = append(lines, e)
			}
		}
		if s.offers("SIZE") {
			lines = append(lines, "SIZE "+strconv.Itoa(s.p.options.Size))
		}
		if s.offers("STARTTLS") && !s.secure {
			lines = append(lines, "STARTTLS")
		}
		if s.offers("AUTH") && (s.secure || s.p.options.Open) {
			lines = append(lines, "AUTH "+s.p.options.Auth)
		}
	}
	for i, l := range lines {
		mark := "-"
		if i == len(lines)-1 {
			mark = " "
		}
		if err := s.say("250" + mark + l); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) mail(rest string) error {
	m := mailForm.FindStringSubmatch(rest)
	switch {
	case !s.hello:
		return s.say("503 5.5.1 say EHLO first")
	case !s.secure && !s.p.options.Open:
		return s.say("530 5.7.0 STARTTLS first")
	case !s.known && !s.p.options.Open:
		return s.say("530 5.7.0 log in first")
	case s.sender:
		return s.say("503 5.5.1 one at a time")
	case m == nil:
		return s.say("501 5.1.7 that is no sender")
	case s.p.options.PerConnection > 0 && s.taken >= s.p.options.PerConnection:
		_ = s.say("421 4.7.0 too many mails on this connection")
		return errOver
	}
	for _, param := range strings.Fields(m[2]) {
		name, value, _ := strings.Cut(param, "=")
		if n, err := strconv.Atoi(value); name != "SIZE" || err != nil || !s.offers("SIZE") {
			return s.say("555 5.5.4 unknown parameter")
		} else if n > s.p.options.Size {
			return s.say("552 5.3.4 too big")
		}
	}
	s.sender, s.from = true, m[1]
	return s.say("250 2.1.0 ok")
}
