package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// wire is how a minimal writer sends.
type wire int

const (
	stepwise wire = iota // the envelope in one group, then the mail
	atOnce               // the envelope and the mail in one piece
	ahead                // the next envelope right behind each mail
)

// floor is how many mails per second a minimal writer brings to the sink, and at what cost.
func (c benchEmailCmd) floor(ctx context.Context, k *sinkProcess, mail []byte, n int, how wire) (rate float64, cpu time.Duration, err error) {
	if _, err := k.order("reset"); err != nil {
		return 0, 0, err
	}
	address := k.address
	if c.RTT > 0 {
		host, port, stop, err := delay(k.address, c.RTT)
		if err != nil {
			return 0, 0, err
		}
		defer stop()
		address = net.JoinHostPort(host, port)
	}
	var next atomic.Int64
	var mu sync.Mutex
	var g sync.WaitGroup
	began, before := time.Now(), processCPU()
	for range c.Connections {
		g.Go(func() {
			failed := writeMails(ctx, address, mail, func() (int64, bool) { i := next.Add(1); return i, i <= int64(n) }, how)
			mu.Lock()
			err = errors.Join(err, failed)
			mu.Unlock()
		})
	}
	g.Wait()
	took, cpu := time.Since(began), processCPU()-before
	if err != nil {
		return 0, 0, err
	}
	told, err := k.order("count")
	if err == nil && told.People != int64(n) {
		err = fmt.Errorf("the floor reached %d of %d people", told.People, n)
	}
	return float64(n) / took.Seconds(), cpu, err
}

func writeMails(ctx context.Context, address string, mail []byte, next func() (int64, bool), how wire) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	answer := func(lines int) error {
		for range lines {
			if _, err := r.ReadSlice('\n'); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := io.WriteString(c, "EHLO floor\r\n"); err != nil {
		return err
	}
	if err := answer(5); err != nil {
		return err
	}
	var b []byte
	envelope := func(i int64) {
		b = append(b, "MAIL FROM:<mesure@example.org>\r\nRCPT TO:<floor"...)
		b = append(strconv.AppendInt(b, i, 10), "@example.org>\r\n"...)
		if how != atOnce {
			b = append(b, "DATA\r\n"...)
		}
	}
	if how == atOnce {
		mail = bytes.TrimSuffix(mail, []byte(".\r\n"))
		for i, more := next(); more; i, more = next() {
			b = b[:0]
			envelope(i)
			b = append(fmt.Appendf(b, "BDAT %d LAST\r\n", len(mail)), mail...)
			if _, err := c.Write(b); err != nil {
				return err
			}
			if err := answer(3); err != nil {
				return err
			}
		}
		return nil
	}
	waiting := 0 // answers to the mail before
	for i, more := next(); more; {
		if len(b) == 0 || how != ahead {
			b = b[:0]
			envelope(i)
			if _, err := c.Write(b); err != nil {
				return err
			}
		}
		if err := answer(waiting + 3); err != nil {
			return err
		}
		waiting = 0
		i, more = next()
		b = append(b[:0], mail...)
		if how == ahead && more {
			envelope(i)
			waiting = 1
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
		if waiting == 0 {
			if err := answer(1); err != nil {
				return err
			}
		}
	}
	return nil
}
