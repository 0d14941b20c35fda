package email

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// short is how long a server that hangs is waited for in these tests; generous is for everything else.
const (
	short    = time.Second
	generous = 30 * time.Second
)

func patient(c *Config) { c.Timeout, c.TimeoutFinal = generous, generous }

// hurry makes the next call wait shortly: on a kept connection when the fault comes after the login.
func hurry(t *testing.T, m *mailer, at emailtest.Phase) {
	t.Helper()
	switch at {
	case emailtest.Connect, emailtest.EHLO, emailtest.STARTTLS, emailtest.Shake, emailtest.AUTH:
		m.timeout = short
		return
	}
	publish(t, m, message(9))
	for _, s := range m.pool.kept {
		s.timeout, s.final = short/2, short/2
	}
}

type want struct {
	outcome    announce.Outcome
	stop, gone bool
	wait       time.Duration
	group      bool
	mails      int // that the server holds after the failed call
}

var (
	temporary = want{outcome: announce.Temporary}
	permanent = want{outcome: announce.Permanent}
	stops     = want{outcome: announce.Permanent, stop: true}
	gone      = want{outcome: announce.Permanent, gone: true}
	slower    = want{outcome: announce.RateLimited, wait: busy}
	there     = want{outcome: announce.RateLimited, wait: busy, group: true} // slower, to this domain
	ambiguous = want{outcome: announce.Ambiguous}
	doubled   = want{outcome: announce.Ambiguous, mails: 1}
)

// stepwise hides what lets a mail leave in one piece with its envelope.
func stepwise() emailtest.Options { return emailtest.Options{Hide: []string{"CHUNKING"}} }

// TestPhases plays every fault at every phase: with a mail that leaves in one piece, pipelined, and one command at a time.
func TestPhases(t *testing.T) {
	refuse := func(reply string) emailtest.Fault { return emailtest.Fault{Act: emailtest.Refuse, Reply: reply} }
	act := func(a emailtest.Act) emailtest.Fault { return emailtest.Fault{Act: a, Wait: 30 * time.Millisecond} }
	second := func(f emailtest.Fault) emailtest.Fault { f.Skip = 1; return f }
	type row struct {
		phase emailtest.Phase
		fault emailtest.Fault
		want  want
	}
	rows := []row{
		{emailtest.Connect, refuse("421 4.3.2 closing"), temporary},
		{emailtest.Connect, refuse("421 4.7.0 too many connections from you"), slower},
		{emailtest.Connect, refuse("554 5.7.1 you are on a list"), stops},
		{emailtest.EHLO, refuse("421 4.3.2 closing"), temporary},
		{emailtest.EHLO, refuse("451 4.3.0 not now"), temporary},
		{emailtest.EHLO, refuse("550 5.7.1 who are you"), stops}, // HELO is taken, and STARTTLS is not offered any more
		{emailtest.EHLO, second(refuse("451 4.3.0 not now")), temporary},
		{emailtest.EHLO, second(act(emailtest.Hang)), temporary},
		{emailtest.EHLO, second(act(emailtest.Drop)), temporary},
		{emailtest.STARTTLS, refuse("454 4.7.0 TLS not available"), temporary},
		{emailtest.STARTTLS, refuse("502 5.5.1 what?"), stops},
		{emailtest.AUTH, refuse("535 5.7.8 wrong"), stops},
		{emailtest.AUTH, refuse("534 5.7.9 too weak"), stops},
		{emailtest.AUTH, refuse("454 4.7.0 ask me later"), temporary},
		{emailtest.AUTH, refuse("454 4.7.0 busy; was it " + emailtest.Password[:12]), temporary},
		{emailtest.AUTH, refuse("421 4.3.2 closing"), temporary},
		{emailtest.MAIL, refuse("421 4.3.2 closing"), temporary},
		{emailtest.MAIL, refuse("450 4.7.1 too much mail from you"), slower},
		{emailtest.MAIL, refuse("451 4.3.0 not now"), temporary},
		{emailtest.MAIL, refuse("550 5.7.1 not your address"), stops},
		{emailtest.MAIL, refuse("553 not your address"), stops},
		{emailtest.MAIL, refuse("530 5.7.0 log in first"), stops},
		{emailtest.MAIL, refuse("552 5.3.4 too big"), permanent},
		{emailtest.RCPT, refuse("421 4.7.0 slow down"), there},
		{emailtest.RCPT, refuse("451 4.7.650 you have been temporarily blocked"), there},
		{emailtest.RCPT, refuse("450 4.7.1 rate limit of your domain"), there},
		{emailtest.RCPT, refuse("450 4.2.1 the mailbox gets mail too quickly"), temporary},
		{emailtest.RCPT, refuse("450 4.2.0 greylisted"), temporary},
		{emailtest.RCPT, refuse("451 4.7.1 greylisted"), temporary},
		{emailtest.RCPT, refuse("452 4.2.2 mailbox full"), temporary},
		{emailtest.RCPT, refuse("550 5.1.1 no such user"), gone},
		{emailtest.RCPT, refuse("550 5.1.10 null MX"), gone},
		{emailtest.RCPT, refuse("550 5.2.1 disabled"), gone},
		{emailtest.RCPT, refuse("550 5.1.8 the sender's domain does not exist"), permanent},
		{emailtest.RCPT, refuse("550 relay not permitted"), permanent},
		{emailtest.RCPT, refuse("552 5.2.2 mailbox full"), permanent},
		{emailtest.RCPT, refuse("554 5.7.1 not for you"), permanent},
		{emailtest.RCPT, refuse("550 5.7.26 not authenticated"), stops},
		{emailtest.DATA, refuse("421 4.3.2 closing"), temporary},
		{emailtest.DATA, refuse("451 4.3.0 not now"), temporary},
		{emailtest.DATA, refuse("554 5.5.1 no"), permanent},
		{emailtest.Body, refuse("451 4.3.0 disk full"), temporary},
		{emailtest.Body, refuse("552 5.3.4 too big"), permanent},
		{emailtest.Dot, refuse("421 4.3.2 closing"), temporary},
		{emailtest.Dot, refuse("421 4.7.28 unusual rate"), there},
		{emailtest.Dot, refuse("451 4.7.28 unusual amount of mail"), there},
		{emailtest.Dot, refuse("451 4.7.1 greylisted"), temporary},
		{emailtest.Dot, refuse("452 4.3.1 disk full"), temporary},
		{emailtest.Dot, refuse("550 5.1.1 no such user"), gone},
		{emailtest.Dot, refuse("552 5.3.4 too big"), permanent},
		{emailtest.Dot, refuse("554 5.7.1 spam"), permanent},
		{emailtest.Dot, refuse("550 5.7.515 access denied"), stops},
		{emailtest.Dot, refuse("550 5.4.5 daily limit"), stops},
		{emailtest.Dot, refuse("354 what?"), ambiguous},
	}
	acts := []emailtest.Act{emailtest.Hang, emailtest.Drop, emailtest.Babble, emailtest.Flood, emailtest.Drip}
	for _, p := range []emailtest.Phase{emailtest.Connect, emailtest.EHLO, emailtest.STARTTLS, emailtest.Shake, emailtest.AUTH, emailtest.MAIL, emailtest.RCPT, emailtest.DATA} {
		for _, a := range acts {
			rows = append(rows, row{p, act(a), temporary})
		}
	}
	for _, a := range acts {
		rows = append(rows, row{emailtest.Dot, act(a), ambiguous}, row{emailtest.Accepted, act(a), doubled})
	}
	// A short mail is in the system's hands, final dot included, before the server stops reading.
	rows = append(rows, row{emailtest.Body, act(emailtest.Hang), ambiguous}, row{emailtest.Body, act(emailtest.Drop), ambiguous})

	for _, mode := range []struct {
		name string
		hide []string
	}{{"at once", nil}, {"pipelined", stepwise().Hide}, {"one by one", []string{"PIPELINING", "SIZE"}}} {
		t.Run(mode.name, func(t *testing.T) {
			for i, r := range rows {
				if mode.hide == nil {
					switch {
					case r.phase == emailtest.DATA:
						continue // there is none
					case r.fault.Act != emailtest.Refuse && (r.phase == emailtest.MAIL || r.phase == emailtest.RCPT):
						r.want = ambiguous // the mail is in the system's hands already
					}
				}
				if mode.hide != nil && slices.Index(emailtest.Phases(), r.phase) < slices.Index(emailtest.Phases(), emailtest.MAIL) {
					continue // it is the same
				}
				f := r.fault
				f.Phase = r.phase
				t.Run(strings.TrimSpace(fmt.Sprintf("%d %s %s %.12s", i, f.Phase, f.Act, f.Reply)), func(t *testing.T) {
					t.Parallel()
					m, p := start(t, emailtest.Options{Hide: mode.hide}, patient)
					if f.Act == emailtest.Hang || f.Act == emailtest.Drip {
						hurry(t, m, f.Phase)
					}
					p.Fail(f)
					_, err := m.Publish(context.Background(), message(1))
					m.timeout = generous
					if p.Left() != 0 {
						t.Fatalf("the fault was not played: %v", err)
					}
					r.want.check(t, err)
					if n := p.Count("ada1@example.org"); n != r.want.mails {
						t.Errorf("the server holds %d mails, want %d", n, r.want.mails)
					}
					if _, err := m.Publish(context.Background(), message(2)); err != nil {
						t.Errorf("the next mail: %v", err)
					}
					if n := p.Count("ada2@example.org"); n != 1 {
						t.Errorf("%d copies of the next mail", n)
					}
					if s := p.Stats(); s.Cleartext != 0 {
						t.Error("credentials went out in the clear")
					}
				})
			}
		})
	}
}

// check holds an error to what is wanted, and to what every error owes.
func (w want) check(t *testing.T, err error) {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *announce.Error, got %T %v", err, err)
	}
	if got := (want{e.Outcome, e.Stop, e.Gone, e.RetryAfter, e.Group, w.mails}); got != w {
		t.Errorf("got %+v, want %+v: %v", got, w, err)
	}
	if e.Fault == "" || len(e.Status) > 60 {
		t.Errorf("wants a fault and a short status: %q %q", e.Fault, e.Status)
	}
	discreet(t, err)
}

// What a server says is kept and logged, and names nobody, however it writes an address.
func TestWordsNameNobody(t *testing.T) {
	for said, want := range map[string]string{
		"5.1.1 <ada.l+news@example.org>: Recipient address rejected": "It said: 5.1.1 <…>: Recipient address rejected",
		"5.1.1 ada@example.org, no such user":                        "It said: 5.1.1 …, no such user",
		`5.1.1 <"ada \"l\" b"@[192.0.2.1]> unknown`:                  "It said: 5.1.1 <…> unknown",
		"5.1.1 (zoé@exemple.québec) inconnue":                        "It said: 5.1.1 (…) inconnue",
		"5.1.1 rfc822;ada@example.org":                               "It said: 5.1.1 rfc822;…",
		"5.1.1 see https://support.example.com/?p=NoSuchUser x-17":   "It said: 5.1.1 see https://support.example.com/?p=NoSuchUser x-17",
	} {
		f := failed(recipient, &textproto.Error{Code: 550, Msg: said})
		if got := (&relay{settings: settings{server: server{host: "mx.example.org"}}}).explain(*f); !got.Gone || !strings.HasSuffix(got.Fault, want) {
			t.Errorf("%q: %+v", said, got)
		}
	}
}

// discreet fails when an error, or what is behind it, shows the password.
func discreet(t *testing.T, err error) {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	for ; err != nil; err = errors.Unwrap(err) {
		all := fmt.Sprintf("%v %+v %#v", err, err, err)
		for _, secret := range []string{
			emailtest.Password[:12], b64([]byte(emailtest.Password)), b64([]byte("\x00" + emailtest.Username + "\x00" + emailtest.Password)),
		} {
			if strings.Contains(all, secret) {
				t.Errorf("shows the password: %s", all)
			}
		}
	}
}

// TestKept plays faults on a connection that has carried a mail before.
func TestKept(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault emailtest.Fault
		want  want
		fresh bool // the mail went out over a fresh connection
	}{
		{"closed meanwhile", emailtest.Fault{Phase: emailtest.MAIL, Act: emailtest.Drop}, want{}, true},
		{"421 at MAIL", emailtest.Fault{Phase: emailtest.MAIL, Act: emailtest.Refuse, Reply: "421 4.4.2 idle for too long"}, want{}, true},
		{"450 at MAIL", emailtest.Fault{Phase: emailtest.MAIL, Act: emailtest.Refuse, Reply: "450 4.3.0 later"}, temporary, false},
		{"hang at MAIL", emailtest.Fault{Phase: emailtest.MAIL, Act: emailtest.Hang}, temporary, false},
		{"drop at RCPT", emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Drop}, temporary, false},
		{"drop at DATA", emailtest.Fault{Phase: emailtest.DATA, Act: emailtest.Drop}, temporary, false},
		{"drop at the dot", emailtest.Fault{Phase: emailtest.Dot, Act: emailtest.Drop}, ambiguous, false},
		{"421 at the dot", emailtest.Fault{Phase: emailtest.Dot, Act: emailtest.Refuse, Reply: "421 4.3.2 closing"}, temporary, false},
	} {
		for _, hide := range [][]string{nil, stepwise().Hide, {"PIPELINING"}} {
			c := c
			if hide == nil {
				switch {
				case c.fault.Phase == emailtest.DATA:
					continue
				case c.fault.Act != emailtest.Refuse:
					c.want, c.fresh = ambiguous, false
				}
			}
			t.Run(fmt.Sprint(c.name, hide), func(t *testing.T) {
				t.Parallel()
				m, p := start(t, emailtest.Options{Hide: hide}, patient)
				if c.fault.Act == emailtest.Hang {
					hurry(t, m, c.fault.Phase)
				} else {
					publish(t, m, message(1))
				}
				p.Fail(c.fault)
				_, err := m.Publish(context.Background(), message(2))
				if c.fresh {
					if err != nil {
						t.Fatal(err)
					}
					if n := p.Count("ada2@example.org"); n != 1 {
						t.Errorf("%d copies", n)
					}
					return
				}
				c.want.check(t, err)
				if n := p.Count("ada2@example.org"); n != c.want.mails {
					t.Errorf("the server holds %d mails, want %d", n, c.want.mails)
				}
			})
		}
	}
}

func publish(t testing.TB, p announce.Publisher, m announce.Message) announce.Receipt {
	t.Helper()
	r, err := p.Publish(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLongMailCutShort cuts the connection in the middle of a mail too long for the system's buffers: it was not sent.
func TestLongMailCutShort(t *testing.T) {
	big := message(1)
	big.Images = []announce.Picture{{Data: make([]byte, 6<<20), Type: "image/png", Alt: "noir"}}
	for _, a := range []emailtest.Act{emailtest.Hang, emailtest.Drop} {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			m, p := start(t, emailtest.Options{}, patient)
			if a == emailtest.Hang {
				hurry(t, m, emailtest.Body)
			} else {
				publish(t, m, message(9))
			}
			p.Fail(emailtest.Fault{Phase: emailtest.Body, Act: a})
			_, err := m.Publish(context.Background(), big)
			temporary.check(t, err)
			publish(t, m, big)
			if n := p.Count(big.To); n != 1 {
				t.Errorf("%d mails", n)
			}
		})
	}
	t.Run("too big", func(t *testing.T) {
		t.Parallel()
		m, p := start(t, emailtest.Options{Size: 1 << 20}, nil)
		_, err := m.Publish(context.Background(), big)
		permanent.check(t, err)
		if s := p.Stats(); s.Accepted != 0 {
			t.Error("was taken")
		}
	})
}

// TestCancel ends the context while the server hangs at each phase: the call returns at once and tells the truth.
func TestCancel(t *testing.T) {
	t.Run("at once", func(t *testing.T) { cancelEach(t, emailtest.Options{}) })
	t.Run("stepwise", func(t *testing.T) { cancelEach(t, stepwise()) })
}

func cancelEach(t *testing.T, o emailtest.Options) {
	for _, phase := range emailtest.Phases() {
		if phase == emailtest.RSET || phase == emailtest.QUIT || phase == emailtest.DATA && o.Hide == nil {
			continue
		}
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			m, p := start(t, o, nil)
			p.Fail(emailtest.Fault{Phase: phase, Act: emailtest.Hang})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			result := make(chan error, 1)
			go func() { _, err := m.Publish(ctx, message(1)); result <- err }()
			for p.Left() > 0 {
				select {
				case err := <-result:
					t.Fatalf("ended before its time: %v", err)
				case <-time.After(time.Millisecond):
				}
			}
			cancel()
			var err error
			select {
			case err = <-result:
			case <-time.After(5 * time.Second):
				t.Fatal("the call goes on although its context is over")
			}
			w := temporary
			switch phase {
			case emailtest.MAIL, emailtest.RCPT:
				if o.Hide == nil {
					w = ambiguous
				}
			case emailtest.Dot:
				w = ambiguous
			case emailtest.Accepted:
				w = doubled
			case emailtest.Body: // the mail may or may not have left when the context ends
				var e *announce.Error
				if errors.As(err, &e) && e.Outcome == announce.Ambiguous {
					w = ambiguous
				}
			}
			w.check(t, err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the cause is lost: %v", errors.Unwrap(err))
			}
		})
	}
}

func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	patience := time.After(10 * time.Second)
	for !done() {
		select {
		case <-patience:
			t.Fatal("waited in vain")
		case <-time.After(time.Millisecond):
		}
	}
}

// TestLostAnswer: the repeat of a mail that the server may hold carries the same Message-ID and Date, so that receivers drop it.
func TestLostAnswer(t *testing.T) {
	m, p := start(t, emailtest.Options{}, nil)
	p.Fail(emailtest.Fault{Phase: emailtest.Accepted, Act: emailtest.Drop})
	_, err := m.Publish(context.Background(), message(1))
	doubled.check(t, err)
	r := publish(t, m, message(1))
	if n := p.Copies(r.ID); n != 2 {
		t.Errorf("%d mails with %s, want 2", n, r.ID)
	}
	if mails := p.Mails(); string(mails[0].Raw) != string(mails[1].Raw) {
		t.Errorf("the copies differ:\n%s\n%s", mails[0].Raw, mails[1].Raw)
	}
}

// What a server says of a person is told without their address: faults are logged, and outlive whoever is forgotten.
func TestRefusalsDoNotNamePeople(t *testing.T) {
	m, p := start(t, emailtest.Options{}, patient)
	p.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 <Ada1@example.org>: no such user; mail from " + m.envelope + " to ada1@EXAMPLE.org refused"})
	_, err := m.Publish(t.Context(), message(1))
	gone.check(t, err)
	said := err.Error()
	if strings.Contains(strings.ToLower(said), "ada1") || !strings.Contains(said, "…>: no such user") || !strings.Contains(said, m.envelope) {
		t.Error(said)
	}
}

// A mail of which nothing is known makes the next ones go step by step: what the server then hangs up on was certainly not taken.
func TestCarefulAfterALoss(t *testing.T) {
	m, p := start(t, emailtest.Options{}, patient)
	publish(t, m, message(1))
	drop := emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Drop}
	p.Fail(drop)
	_, err := m.Publish(t.Context(), message(2))
	ambiguous.check(t, err)
	publish(t, m, message(2))
	p.Fail(drop)
	_, err = m.Publish(t.Context(), message(3))
	temporary.check(t, err)
	publish(t, m, message(3))
	m.lost.Add(-int64(carefulFor))
	p.Fail(drop)
	_, err = m.Publish(t.Context(), message(4))
	ambiguous.check(t, err)
	for i := 1; i < 4; i++ {
		if n := p.Count(message(i).To); n != 1 {
			t.Errorf("%d mails to person %d", n, i)
		}
	}
}

// A refused recipient does not cost the connection, nor the next mail its way in one piece but for that after the reset.
func TestRefusedAtOnce(t *testing.T) {
	m, p := start(t, emailtest.Options{}, patient)
	publish(t, m, message(1))
	p.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 no such user"})
	_, err := m.Publish(t.Context(), message(2))
	gone.check(t, err)
	publish(t, m, message(3))
	publish(t, m, message(4))
	if s := p.Stats(); s.Connections != 1 || s.Accepted != 3 {
		t.Errorf("%+v", s)
	}
}

// A server that offers CHUNKING and does not know BDAT gets its mail step by step, each once.
func TestOffersWhatItDoesNotKnow(t *testing.T) {
	m, p := start(t, emailtest.Options{Untrue: true}, patient)
	for i := range 4 {
		_, err := m.Publish(t.Context(), message(i))
		for try := 0; err != nil && try < 3; try++ {
			temporary.check(t, err)
			_, err = m.Publish(t.Context(), message(i))
		}
		if n := p.Count(message(i).To); n != 1 || err != nil {
			t.Errorf("%d mails to person %d, %v", n, i, err)
		}
	}
}
