package emailtest

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// data takes the mail: lines of at most 998 bytes that end with CRLF, seven bits.
func (s *session) data() error {
	if s.say("354 end with a dot") != nil || s.w.Flush() != nil {
		return errOver
	}
	if err := s.fault(Body); err == errHandled {
		_ = s.w.Flush()
		for { // the client may finish its sentence
			if b, err := s.r.ReadSlice('\n'); err != nil && err != bufio.ErrBufferFull || string(b) == ".\r\n" {
				return errOver
			}
		}
	} else if err != nil {
		return err
	}
	mail := s.scratch[:0]
	bad := ""
	for {
		b, err := s.r.ReadSlice('\n')
		if err != nil {
			return errOver
		}
		if flaw := flaw(b); flaw != "" {
			bad = flaw
		}
		if string(b) == ".\r\n" {
			break
		}
		if b[0] == '.' {
			b = b[1:]
		}
		mail = append(mail, b...)
	}
	s.scratch = mail
	return s.end(mail, bad)
}

// chunk takes a mail that comes as one counted piece (RFC 3030), held to the same form.
func (s *session) chunk(rest string) error {
	size, last, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(size)
	switch {
	case s.p.options.Untrue:
		return s.say("500 5.5.2 what?")
	case !s.offers("CHUNKING"):
		_ = s.say("500 5.5.2 what?")
		return errOver
	case err != nil || n < 0 || last != "LAST":
		_ = s.say("501 5.5.4 one piece, please")
		return errOver
	}
	if s.recipients {
		if err := s.fault(Body); err == errHandled {
			_ = s.w.Flush()
			_, _ = io.CopyN(io.Discard, s.r, int64(n))
			return errOver
		} else if err != nil {
			return err
		}
	}
	if int64(n) > int64(s.p.options.Size) || !s.recipients {
		if _, err := io.CopyN(io.Discard, s.r, int64(n)); err != nil {
			return errOver
		}
		s.reset()
		return s.say("554 5.5.1 no valid recipients, or too big")
	}
	mail := slices.Grow(s.scratch[:0], n)[:n]
	if _, err := io.ReadFull(s.r, mail); err != nil {
		return errOver
	}
	s.scratch = mail
	bad := ""
	for line := range bytes.Lines(mail) {
		if flaw := flaw(line); flaw != "" {
			bad = flaw
		}
	}
	return s.end(mail, bad)
}

// flaw is what is wrong with a line, or "".
func flaw(b []byte) string {
	switch {
	case !bytes.HasSuffix(b, []byte("\r\n")):
		return "bare line feed"
	case len(b) > 1000:
		return "line too long"
	case bytes.IndexByte(b[:len(b)-2], '\r') >= 0:
		return "bare carriage return"
	case !sevenBits(b):
		return "not seven bits"
	}
	return ""
}

// end takes a mail that has come in.
func (s *session) end(mail []byte, bad string) error {
	m := Mail{From: s.from, To: s.to, At: time.Now().UTC(), Conn: s.number}
	if !s.p.options.Forget {
		m.Raw = bytes.Clone(mail)
	}
	err := s.fault(Dot)
	if err == nil {
		switch {
		case !s.recipients:
			err = s.say("554 5.5.1 no valid recipients")
		case bad != "":
			err = s.say("554 5.6.0 " + bad)
		case len(mail) > s.p.options.Size:
			err = s.say("552 5.3.4 too big")
		default:
			s.p.accept(m)
			s.taken++
			if err = s.fault(Accepted); err == nil {
				err = s.say("250 2.0.0 ok, queued as " + s.p.queued())
			}
		}
	}
	s.reset()
	if err == errHandled {
		return nil
	}
	return err
}

func sevenBits(b []byte) bool {
	for _, c := range b {
		if c == 0 || c > 126 {
			return false
		}
	}
	return true
}
