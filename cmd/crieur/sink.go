package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sink is a mail server that counts what it gets and keeps nothing.
type sink struct {
	// answer decides over the n-th mail to somebody, from 0: an answer in place of 250, or drop to hang up without one. nil: all is taken.
	answer func(recipient string, n int) (reply string, drop bool)
	// taken sees every mail that was taken, or dropped after its end.
	taken func(recipient string, mail []byte)

	seed  maphash.Seed
	mu    sync.Mutex
	known map[uint64]uint8 // how often somebody's mail ended here
	open  map[net.Conn]bool

	mails, repeats, refused atomic.Int64
	first, last             atomic.Int64 // nanoseconds since 1970
	sample                  atomic.Pointer[[]byte]
}

func newSink() *sink {
	return &sink{seed: maphash.MakeSeed(), known: map[uint64]uint8{}, open: map[net.Conn]bool{}}
}

// counted is what a sink tells.
type counted struct {
	Mails, People, Repeats, Refused int64
	First, Last                     int64  // nanoseconds since 1970
	Sample                          []byte // a mail as it went over the wire, final dot included
}

func (s *sink) count() counted {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := counted{Mails: s.mails.Load(), People: int64(len(s.known)), Repeats: s.repeats.Load(), Refused: s.refused.Load(), First: s.first.Load(), Last: s.last.Load()}
	if b := s.sample.Load(); b != nil {
		c.Sample = *b
	}
	return c
}

func (s *sink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
	for _, n := range []*atomic.Int64{&s.mails, &s.repeats, &s.refused, &s.first, &s.last} {
		n.Store(0)
	}
}

// serve takes mail until l is closed.
func (s *sink) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = true
		s.mu.Unlock()
		go func() {
			defer func() {
				s.mu.Lock()
				delete(s.open, c)
				s.mu.Unlock()
				_ = c.Close()
			}()
			_ = s.talk(c)
		}()
	}
}

// hangUp cuts every connection.
func (s *sink) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
}

var errHungUp = errors.New("hung up")

func (s *sink) talk(c net.Conn) error {
	r, w := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 4<<10)
	_, _ = w.WriteString("220 sink ready\r\n")
	var to, mail []byte
	for {
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		reply := "250 ok\r\n"
		switch {
		case has(line, "RCPT TO:<"):
			to = append(to[:0], line[9:bytes.LastIndexByte(line, '>')]...)
		case has(line, "DATA"):
			_, _ = w.WriteString("354 go on\r\n")
			if err := w.Flush(); err != nil {
				return err
			}
			if mail, err = body(r, mail[:0]); err != nil {
				return err
			}
			if reply, err = s.end(string(to), mail); err != nil {
				return err
			}
		case has(line, "BDAT"):
			if mail, err = piece(r, line, mail[:0]); err != nil {
				return err
			}
			if reply, err = s.end(string(to), mail); err != nil {
				return err
			}
		case has(line, "EHLO"):
			reply = "250-sink\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n"
		case has(line, "QUIT"):
			_, _ = w.WriteString("221 bye\r\n")
			return w.Flush()
		}
		_, _ = w.WriteString(reply)
	}
}

func has(line []byte, verb string) bool {
	return len(line) >= len(verb) && string(bytes.ToUpper(line[:min(len(verb), 9)])) == verb
}

// body reads up to the final dot.
func body(r *bufio.Reader, mail []byte) ([]byte, error) {
	end := []byte("\r\n.\r\n")
	for {
		if _, err := r.Peek(1); err != nil {
			return mail, err
		}
		have, _ := r.Peek(r.Buffered())
		from := max(0, len(mail)-len(end))
		mail = append(mail, have...)
		i := bytes.Index(mail[from:], end)
		if i < 0 {
			_, _ = r.Discard(len(have))
			continue
		}
		rest := len(mail) - (from + i + len(end))
		_, _ = r.Discard(len(have) - rest)
		return mail[:len(mail)-rest], nil
	}
}

// piece reads what BDAT announces, and ends it as DATA would.
func piece(r *bufio.Reader, line, mail []byte) ([]byte, error) {
	var n int
	if _, err := fmt.Sscanf(string(line), "BDAT %d LAST", &n); err != nil {
		return nil, err
	}
	mail = slices.Grow(mail, n)[:n]
	_, err := io.ReadFull(r, mail)
	return append(mail, ".\r\n"...), err
}

// end takes a mail, or refuses it.
func (s *sink) end(to string, mail []byte) (reply string, err error) {
	h := maphash.String(s.seed, to)
	s.mu.Lock()
	n := s.known[h]
	reply, drop := "250 ok\r\n", false
	if s.answer != nil {
		reply, drop = s.answer(to, int(n))
	}
	s.known[h] = n + 1
	s.mu.Unlock()
	if reply[0] != '2' && !drop {
		s.refused.Add(1)
		return reply, nil
	}
	if s.taken != nil {
		s.taken(to, mail)
	}
	if n > 0 {
		s.repeats.Add(1)
	}
	now := time.Now().UnixNano()
	if s.mails.Add(1) == 1 {
		s.first.Store(now)
		copied := bytes.Clone(mail)
		s.sample.Store(&copied)
	}
	s.last.Store(now)
	if drop {
		return "", errHungUp
	}
	return reply, nil
}

// sinkCmd is the second process of bench email. It prints its address, then obeys lines: count, reset.
type sinkCmd struct{}

func (sinkCmd) Run(ctx context.Context, s *session) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	k := newSink()
	go k.serve(l)
	fmt.Fprintln(s.out, l.Addr())
	orders := bufio.NewScanner(s.in)
	for orders.Scan() {
		if orders.Text() == "reset" {
			k.reset()
		}
		b, err := json.Marshal(k.count())
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s\n", b)
	}
	return orders.Err()
}

// sinkProcess is a sink in a process of its own.
type sinkProcess struct {
	address string
	order   func(string) (counted, error)
	close   func() error
}
