package bounce

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

var (
	postfixAddress = flag.String("postfix", "", "SMTP address of a Postfix that brings bounces of bounce.example.org to -lmtp, and mail for example.com to -next (see .ci/servers/postfix/run.sh)")
	lmtpAddress    = flag.String("lmtp", "", "where it brings bounces")
	nextAddress    = flag.String("next", "", "where it brings mail for example.com")
)

// picky is a mail server that takes no mail of some people.
type picky struct{}

func (picky) Reset()                               {}
func (picky) Logout() error                        { return nil }
func (picky) Mail(string, *smtp.MailOptions) error { return nil }
func (picky) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case strings.HasPrefix(to, "gone"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
	case strings.HasPrefix(to, "full"):
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "Mailbox full"}
	case strings.HasPrefix(to, "policy"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 26}, Message: "Not authenticated"}
	}
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "User unknown"}
}

func (picky) Data(io.Reader) error {
	return errors.New("nobody was taken")
}

// TestRealPostfix: mail under our return path is refused by the next server; Postfix writes the bounce and brings it to our
// listener, again when we could not keep it.
func TestRealPostfix(t *testing.T) {
	if *postfixAddress == "" {
		t.Skip("NOT RUN: no -postfix (see .ci/servers/postfix/run.sh)")
	}
	next, err := net.Listen("tcp", *nextAddress)
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return picky{}, nil }))
	server.Domain = "mx.example.com"
	go func() { _ = server.Serve(next) }()
	defer func() { _ = server.Close() }()

	tokens := map[string]string{"gone": "aaaaaaaa", "full": "bbbbbbbb", "policy": "cccccccc", "words": "dddddddd"}
	cfg := Config{ReturnPath: "b@bounce.example.org", LMTP: *lmtpAddress}
	in, err := cfg.Open(func(token string) bool { return strings.Trim(token, "abcd") == "" && len(token) == 8 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	came := make(chan Report, 32)
	refused := make(chan string, 32)
	first := make(chan bool, 1)
	first <- true
	ended := make(chan error, 1)
	go func() {
		ended <- in.Run(ctx, func(_ context.Context, reports []Report) error {
			select {
			case <-first:
				refused <- reports[0].ID
				return errors.New("not the first time")
			default:
			}
			for _, r := range reports {
				came <- r
			}
			return nil
		}, quiet())
	}()

	c, err := smtp.Dial(*postfixAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for person, token := range tokens {
		from, err := ReturnPath("b", "bounce.example.org", token)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SendMail(from, []string{person + "@example.com"}, bytes.NewReader([]byte("From: annonces@example.org\r\nTo: "+person+"@example.com\r\nSubject: Rencontre\r\n\r\nBonjour\r\n"))); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]Class{"gone": Hard, "full": Soft, "policy": Block, "words": Hard}
	ids := map[string]bool{}
	for len(want) > 0 {
		select {
		case r := <-came:
			person, _, _ := strings.Cut(r.Address, "@")
			if r.Token != tokens[person] || r.Class != want[person] || r.Source != sourceDSN || r.Detail == "" {
				t.Fatalf("%+v, want %s %s", r, want[person], tokens[person])
			}
			t.Logf("%s: %s %s %q", r.Address, r.Class, r.Status, r.Detail)
			ids[r.ID] = true
			delete(want, person)
		case err := <-ended:
			t.Fatal(err)
		case <-ctx.Done():
			t.Fatalf("no bounce of %v", want)
		}
	}
	if id := <-refused; !ids[id] {
		t.Error("what could not be kept came again as other news")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
