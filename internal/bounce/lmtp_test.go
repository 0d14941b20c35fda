package bounce

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// serve runs the listener of an address and returns a client's connection to it.
func serve(t *testing.T, address string, k *kept) (dial func() *smtp.Client, stop func()) {
	t.Helper()
	l, err := listen(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- testReader().ServeLMTP(ctx, l, k.handle, quiet()) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the listener ended with %v", err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return func() *smtp.Client {
		conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := smtp.NewClientLMTP(conn)
		t.Cleanup(func() { _ = c.Close() })
		if err := c.Hello("mx.example.net"); err != nil {
			t.Fatal(err)
		}
		return c
	}, stop
}

// deliver sends a mail as a mail server does and returns the answer for each recipient that was taken.
func deliver(t *testing.T, c *smtp.Client, raw []byte, to ...string) map[string]*smtp.SMTPError {
	t.Helper()
	if err := c.Mail("", nil); err != nil {
		t.Fatal(err)
	}
	for _, a := range to {
		if err := c.Rcpt(a, nil); err != nil {
			t.Fatal(err)
		}
	}
	answers := map[string]*smtp.SMTPError{}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))); err != nil {
		t.Fatal(err)
	}
	_, err = w.CloseWithLMTPResponse()
	var refused smtp.LMTPDataError
	if errors.As(err, &refused) {
		for a, e := range refused {
			answers[a] = e
		}
	} else if err != nil {
		t.Fatal(err)
	}
	return answers
}

func TestLMTPKeepsBeforeItAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "lmtp")
	for _, address := range []string{"127.0.0.1:0", "unix:" + socket} {
		k := &kept{}
		dial, stop := serve(t, address, k)
		c := dial()
		ours, foreign := "b+"+testToken+"@bounce.example.org", "b+nb2hi4dthixs653xo4xggy3pnu@bounce.example.org"
		if err := c.Mail("", nil); err != nil {
			t.Fatal(err)
		}
		for _, a := range []string{"ada@example.com", "b@bounce.example.org", "b+1@bounce.example.org", "postmaster@bounce.example.org"} {
			var refused *smtp.SMTPError
			if err := c.Rcpt(a, nil); !errors.As(err, &refused) || refused.Code != 550 {
				t.Errorf("%s: %v", a, err)
			}
		}
		if err := c.Reset(); err != nil {
			t.Fatal(err)
		}
		raw := sample(t, "postfix")
		k.set(true)
		if got := deliver(t, c, raw, ours)[ours]; got == nil || got.Code != 451 {
			t.Errorf("the handler failed, the answer is %v", got)
		}
		k.set(false)
		if got := deliver(t, c, raw, ours); len(got) != 0 || len(k.reports()) != 1 || k.reports()[0].Class != Hard {
			t.Errorf("%v, %+v", got, k.reports())
		}
		if got := deliver(t, c, sample(t, "no-token"), foreign); len(got) != 0 || len(k.reports()) != 1 {
			t.Errorf("a bad MAC: %v, %+v", got, k.reports())
		}
		if got := deliver(t, c, sample(t, "vacation"), ours); len(got) != 0 || len(k.reports()) != 1 {
			t.Errorf("a vacation answer: %v, %+v", got, k.reports())
		}
		// Two recipients, two answers: only what reports something can fail.
		k.set(true)
		if got := deliver(t, c, sample(t, "no-token"), foreign, ours); got[ours] == nil || got[ours].Code != 451 || got[foreign] != nil {
			t.Errorf("%v", got)
		}
		k.set(false)
		large := append(bytes.Clone(raw), bytes.Repeat([]byte(strings.Repeat("x", 99)+"\n"), mostAccepted/100+1)...)
		if got := deliver(t, c, large, ours)[ours]; got == nil || got.Code != 552 {
			t.Errorf("too large: %v", got)
		}
		if got := deliver(t, c, raw, ours); len(got) != 0 || len(k.reports()) != 2 || k.reports()[0].ID != k.reports()[1].ID {
			t.Errorf("again: %v, %+v", got, k.reports())
		}
		if err := c.Quit(); err != nil {
			t.Error(err)
		}
		stop()
	}
	// A socket that a dead process left is no obstacle; one in use is.
	stale, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := listen("unix:" + socket); err == nil {
		_ = l.Close()
		t.Error("took a socket that is in use")
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen("unix:" + socket)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listen("unix:" + socket); err == nil {
		_ = l.Close()
		t.Error("took the place of a file")
	}
}

func TestLMTPCutInTheMiddleReportsNothing(t *testing.T) {
	k := &kept{}
	dial, stop := serve(t, "127.0.0.1:0", k)
	c := dial()
	if err := c.Mail("", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("b+"+testToken+"@bounce.example.org", nil); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.ReplaceAll(sample(t, "postfix"), []byte("\n"), []byte("\r\n"))); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil { // before the final dot
		t.Fatal(err)
	}
	stop() // waits for the session
	if got := k.reports(); len(got) != 0 {
		t.Errorf("half a mail reports %+v", got)
	}
}
