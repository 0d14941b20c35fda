package emailtest

import (
	"bufio"
	"bytes"
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
		switch {
		case err != nil:
			return errOver
		case !bytes.HasSuffix(b, []byte("\r\n")):
			bad = "bare line feed"
		case len(b) > 1000:
			bad = "line too long"
		case bytes.IndexByte(b[:len(b)-2], '\r') >= 0:
			bad = "bare carriage return"
		case !sevenBits(b):
			bad = "not seven bits"
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
