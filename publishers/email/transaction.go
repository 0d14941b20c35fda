package email

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// letter is one mail to one person.
type letter struct {
	from, to string
	mail     []byte // with the final dot
	doubled  bool   // so are dots at the beginning of lines
}

// transact sends one mail. Afterwards the session may be used again unless it is broken.
func (s *session) transact(ctx context.Context, l letter) *failure {
	stop := context.AfterFunc(ctx, s.line.cut)
	f := s.dialogue(l)
	if !stop() {
		s.broken = true
	}
	if f == nil || f.code > 0 {
		s.heard = time.Now()
	}
	if f == nil {
		s.sent++
		s.dirty = false
	} else {
		s.dirty = true
		if f.code == 0 || f.code == 421 {
			s.broken = true
		}
		if err := ctx.Err(); err != nil && f.code == 0 {
			f.err = err
		}
	}
	if s.client.Text.R.Buffered() > 0 {
		s.broken = true // answers that nobody asked for: who knows what the next one belongs to
	}
	return f
}

func (s *session) dialogue(l letter) *failure {
	if s.mayAtOnce(l) {
		return s.atOnce(l)
	}
	data, f := s.envelope(l)
	if f != nil {
		if data {
			s.giveUp()
		}
		return f
	}
	if s.client.Text.R.Buffered() > 0 {
		return &failure{phase: begun, err: errReply}
	}
	s.line.within(s.final)
	w := s.client.Text.W
	n, err := w.Write(l.mail)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		// The dot is the last byte but two: as long as something stayed here, the server has not seen it.
		return &failure{phase: writing, err: err, unknown: n == len(l.mail) && w.Buffered() == 0}
	}
	s.line.within(s.final)
	return s.taken(s.reply())
}

// taken reads the answer to a whole mail.
func (s *session) taken(code int, text string, err error) *failure {
	switch {
	case err != nil:
		return &failure{phase: ended, err: err, unknown: true}
	case code/100 == 4 || code/100 == 5:
		return &failure{phase: ended, code: code, text: text}
	case code/100 != 2:
		return &failure{phase: ended, err: errReply, unknown: true}
	}
	return nil
}

// envelope runs MAIL, RCPT and DATA, in one group where the server takes it. The first refusal counts; data tells
// whether the server waits for a mail all the same.
func (s *session) envelope(l letter) (data bool, first *failure) {
	type command struct {
		phase phase
		want  int
		end   int // of its bytes in s.commands
	}
	b := s.commands[:0]
	var list [4]command
	n := 0
	add := func(p phase, want int) { list[n] = command{p, want, len(b)}; n++ }
	if s.dirty {
		b = append(b, "RSET\r\n"...)
		add(resetting, 2)
	}
	b = s.appendSender(b, l)
	add(sender, 2)
	b = appendRecipient(b, l)
	add(recipient, 2)
	b = append(b, "DATA\r\n"...)
	add(begun, 3)
	s.commands = b

	w := s.client.Text.W
	written := 0
	for i := range n {
		c := list[i]
		end := c.end
		if s.pipelining {
			end = len(b)
		}
		s.line.within(s.timeout)
		if end > written {
			_, err := w.Write(b[written:end])
			if err == nil {
				err = w.Flush()
			}
			if err != nil {
				return false, &failure{phase: c.phase, err: err, early: i == 0}
			}
			written = end
		}
		code, text, err := s.reply()
		switch {
		case err != nil && first != nil:
			s.broken = true
			return false, first
		case err != nil:
			return false, &failure{phase: c.phase, err: err, early: i == 0}
		case code/100 == c.want:
			data = c.phase == begun
			continue
		case first == nil:
			first = &failure{phase: c.phase, code: code, text: text, early: i == 0}
			if code/100 != 4 && code/100 != 5 {
				first = &failure{phase: c.phase, err: errReply}
				return false, first
			}
		}
		if code == 421 || !s.pipelining {
			s.broken = s.broken || code == 421
			return false, first
		}
	}
	return data, first
}

func (s *session) appendSender(b []byte, l letter) []byte {
	b = append(append(append(b, "MAIL FROM:<"...), l.from...), '>')
	if s.size {
		b = strconv.AppendInt(append(b, " SIZE="...), int64(len(l.mail)-len(dot)), 10)
	}
	return append(b, crlf...)
}

func appendRecipient(b []byte, l letter) []byte {
	return append(append(append(b, "RCPT TO:<"...), l.to...), ">\r\n"...)
}

// giveUp answers a DATA that was taken although the sender or the recipient was not: an empty mail, which goes nowhere (RFC 2920, 3.1).
func (s *session) giveUp() {
	s.line.within(s.timeout)
	w := s.client.Text.W
	_, err := w.WriteString(dot)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		var code int
		if code, _, err = s.reply(); err == nil && (code/100 == 4 || code/100 == 5) && code != 421 {
			return
		}
	}
	s.broken = true
}

// reply reads one answer. Its text is the first line's.
func (s *session) reply() (code int, text string, err error) {
	r := s.client.Text.R
	for i := 0; i < 100; i++ {
		b, err := r.ReadSlice('\n')
		if err != nil {
			return 0, "", err
		}
		if len(b) < 4 || b[0] < '2' || b[0] > '5' || !digit(b[1]) || !digit(b[2]) {
			return 0, "", errReply
		}
		c := int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0')
		if code != 0 && c != code {
			return 0, "", errReply
		}
		if i == 0 && b[0] > '3' {
			text = strings.TrimSpace(string(b[4:]))
		}
		code = c
		switch b[3] {
		case ' ', '\r', '\n':
			return code, text, nil
		case '-':
		default:
			return 0, "", errReply
		}
	}
	return 0, "", errReply
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// quit says goodbye without waiting for an answer. A session that is broken or in the middle of a mail is cut instead:
// anything more that was written to it could end the mail.
func (s *session) quit() {
	if !s.broken {
		s.line.within(time.Second)
		if _, err := s.client.Text.W.WriteString("QUIT\r\n"); err == nil {
			_ = s.client.Text.W.Flush()
		}
	}
	_ = s.line.Conn.Close()
}
