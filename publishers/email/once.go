package email

import (
	"strconv"
	"time"
)

const (
	dot = ".\r\n" // ends a mail after DATA

	// mostAtOnce is the longest mail that is sent before the recipient is known to be taken: a refusal costs sending it in vain.
	mostAtOnce = 64 << 10

	// freshFor is how long after its last answer a server is trusted to be there still.
	freshFor = 2 * time.Second

	// carefulFor is how long a relay gets mail step by step after an answer was lost that nothing is known of.
	carefulFor = 10 * time.Minute
)

// mayAtOnce reports whether a mail may leave in one piece with its envelope. When the connection ends before any answer, nothing
// is known of such a mail, while step by step what ends before the final dot was certainly not taken. So it is done only on a
// connection that is surely alive, and not for a while after a loss.
func (s *session) mayAtOnce(l letter) bool {
	now := time.Now()
	return s.chunking && s.pipelining && !s.dirty && !l.doubled && len(l.mail) <= mostAtOnce && now.Sub(s.heard) < freshFor && !s.relay.stepwise.Load() && !s.relay.careful(now)
}

// atOnce runs MAIL, RCPT and BDAT with the mail, one round trip in all (RFC 3030, 4.2). The first refusal counts.
func (s *session) atOnce(l letter) *failure {
	mail := l.mail[:len(l.mail)-len(dot)]
	b := appendRecipient(s.appendSender(s.commands[:0], l), l)
	b = append(strconv.AppendInt(append(b, "BDAT "...), int64(len(mail)), 10), " LAST\r\n"...)
	b = append(b, mail...)
	s.commands = b
	s.line.within(s.timeout)
	w := s.client.Text.W
	n, err := w.Write(b)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		// As long as something stayed here, the server has not seen the end.
		unknown := n == len(b) && w.Buffered() == 0
		return &failure{phase: writing, err: err, unknown: unknown, early: !unknown}
	}
	var refused *failure
	for _, p := range [...]phase{sender, recipient} {
		code, text, err := s.reply()
		switch {
		case err != nil && refused == nil:
			return s.lost(p, err)
		case err != nil:
			s.broken = true
			return refused
		case code/100 == 2:
		case code/100 != 4 && code/100 != 5:
			return s.lost(p, errReply)
		case refused == nil:
			refused = &failure{phase: p, code: code, text: text, early: p == sender}
		}
		if code == 421 {
			s.broken = true
			return refused
		}
	}
	if refused == nil {
		s.line.within(s.final)
	} else {
		s.line.within(s.timeout)
	}
	f := s.taken(s.reply())
	switch {
	case refused != nil:
		s.broken = s.broken || f == nil || f.code == 0 || f.code == 421
		return refused
	case f != nil && (f.code == 500 || f.code == 502 || f.code == 504):
		// It does not know the command that it offers (RFC 5321, 4.2.4), and reads the mail as commands.
		s.broken = true
		s.relay.stepwise.Store(true)
		return &failure{phase: begun, err: errChunking, early: true}
	}
	return f
}

// lost makes the relay careful: the connection ended before the envelope was answered.
func (s *session) lost(p phase, err error) *failure {
	s.relay.lost.Store(time.Now().UnixNano())
	return &failure{phase: p, err: err, unknown: true}
}

// careful reports whether the answer to a mail was lost not long before now.
func (r *relay) careful(now time.Time) bool {
	lost := r.lost.Load()
	return lost != 0 && now.Sub(time.Unix(0, lost)) < carefulFor
}
