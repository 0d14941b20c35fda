package email

import (
	"context"
	"errors"
	"flag"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wneessen/go-mail/smtp"
	"go.uber.org/goleak"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// Most tests that run side by side wait for servers that hang: three for each processor.
func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		_ = given.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0)))
	}
	goleak.VerifyTestMain(m)
}

func TestConnectionsAreKept(t *testing.T) {
	m, p := start(t, stepwise(), patient)
	for i := range 10 {
		publish(t, m, message(i))
	}
	if s := p.Stats(); s.Connections != 1 || s.Logins != 1 || s.Accepted != 10 || s.Largest != 3 {
		t.Errorf("want one connection, and MAIL, RCPT and DATA in one group: %+v", s)
	}
	p.HangUp()
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	publish(t, m, message(11))
	if s := p.Stats(); s.Connections != 2 || s.Accepted != 11 {
		t.Errorf("after the server hung up: %+v", s)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool { s := p.Stats(); return s.Open == 0 && s.Quits == 1 })
	publish(t, m, message(12))
	waitFor(t, func() bool { return p.Stats().Open == 0 })
}

func TestConnectionsAreReplaced(t *testing.T) {
	t.Run("after enough mails", func(t *testing.T) {
		m, p := start(t, emailtest.Options{}, func(c *Config) { c.PerConnection = 3 })
		for i := range 7 {
			publish(t, m, message(i))
		}
		waitFor(t, func() bool {
			s := p.Stats()
			return s.Connections == 3 && s.Quits == 2 && s.Accepted == 7 && s.Open == 1
		})
	})
	t.Run("when the server had enough", func(t *testing.T) {
		m, p := start(t, emailtest.Options{PerConnection: 3}, nil)
		for i := range 7 {
			publish(t, m, message(i))
		}
		if s := p.Stats(); s.Connections != 3 || s.Accepted != 7 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("after a while without work", func(t *testing.T) {
		m, p := start(t, emailtest.Options{}, nil)
		m.pool.patience = 10 * time.Millisecond
		publish(t, m, message(1))
		waitFor(t, func() bool { s := p.Stats(); return s.Open == 0 && s.Quits == 1 })
		publish(t, m, message(2))
	})
	t.Run("after the server was down", func(t *testing.T) {
		m, p := start(t, stepwise(), nil)
		publish(t, m, message(1))
		p.Down()
		_, err := m.Publish(context.Background(), message(2))
		temporary.check(t, err)
		if err := p.Up(); err != nil {
			t.Fatal(err)
		}
		publish(t, m, message(2))
		if n := p.Count("ada2@example.org"); n != 1 {
			t.Errorf("%d copies", n)
		}
	})
	t.Run("not after a refusal", func(t *testing.T) {
		m, p := start(t, stepwise(), nil)
		for i, f := range []emailtest.Fault{
			{Phase: emailtest.MAIL, Act: emailtest.Refuse, Reply: "451 4.3.0 later"},
			{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 nobody"},
			{Phase: emailtest.DATA, Act: emailtest.Refuse, Reply: "451 4.3.0 later"},
			{Phase: emailtest.Dot, Act: emailtest.Refuse, Reply: "554 5.7.1 spam"},
		} {
			p.Fail(f)
			_, err := m.Publish(context.Background(), message(i))
			if e := new(announce.Error); !errors.As(err, &e) || !strings.HasPrefix(f.Reply, e.Status) || e.Status == "" {
				t.Errorf("%s: %v", f.Phase, err)
			}
		}
		publish(t, m, message(9))
		if s := p.Stats(); s.Connections != 1 || s.Accepted != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	m, p := start(t, emailtest.Options{}, func(c *Config) { c.Connections = 3 })
	const n = 16
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := m.Publish(context.Background(), message(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Connections > 3 || s.Accepted != n {
		t.Errorf("%+v", s)
	}
	for i := range n {
		if c := p.Count(message(i).To); c != 1 {
			t.Errorf("%s got %d mails", message(i).To, c)
		}
	}
	t.Run("a full pool is waited for no longer than the context allows", func(t *testing.T) {
		for range 3 {
			if err := m.pool.acquire(context.Background()); err != nil {
				t.Fatal(err)
			}
			defer m.pool.release()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		_, err := m.Publish(ctx, message(1))
		temporary.check(t, err)
	})
}

// TestDataTakenInVain: a server may take DATA before it knows that nobody is to get the mail. Nothing may follow it but a dot.
func TestDataTakenInVain(t *testing.T) {
	m, p := start(t, emailtest.Options{Lax: true}, patient)
	p.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 nobody"})
	_, err := m.Publish(context.Background(), message(1))
	gone.check(t, err)
	publish(t, m, message(2))
	if s := p.Stats(); s.Connections != 1 || s.Accepted != 1 || p.Count("ada2@example.org") != 1 {
		t.Errorf("%+v", s)
	}
}

// TestOddServers: one that says yes to an empty mail, and those whose answers do not fit.
func TestOddServers(t *testing.T) {
	for _, c := range []struct {
		name, answers string
		want          want
	}{
		{"DATA is taken all the same", "250 ok\r\n550 5.1.1 nobody\r\n354 go on\r\n554 5.5.1 no recipients\r\n", gone},
		{"DATA is taken, and the empty mail", "250 ok\r\n550 5.1.1 nobody\r\n354 go on\r\n250 thanks\r\n", gone},
		{"an answer too many before the mail", "250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n", temporary},
		{"one answer for three", "451 4.3.0 later\r\n", temporary},
		{"DATA answered 250", "250 ok\r\n250 ok\r\n250 ok\r\n", temporary},
		{"codes that change", "250-a\r\n251 b\r\n", temporary},
		{"a code that is none", "999 ok\r\n", temporary},
		{"a long line", "250 " + string(make([]byte, 5000)) + "\r\n", temporary},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, addr := odd(t, c.answers)
			_, err := m.Publish(context.Background(), message(1))
			c.want.check(t, err)
			if len(m.pool.kept) > 1 {
				t.Errorf("%s: %d connections are kept", addr, len(m.pool.kept))
			}
		})
	}
}

func TestSecurity(t *testing.T) {
	for _, c := range []struct {
		name    string
		options emailtest.Options
		change  func(*Config)
		want    want // zero outcome with mails: it works
	}{
		{"STARTTLS", emailtest.Options{}, nil, want{mails: 1}},
		{"TLS from the first byte", emailtest.Options{Implicit: true}, nil, want{mails: 1}},
		{"LOGIN", emailtest.Options{Auth: "LOGIN XOAUTH2"}, nil, want{mails: 1}},
		{"none, on this machine", emailtest.Options{Open: true, Hide: []string{"STARTTLS"}}, func(c *Config) { c.TLS = tlsNone }, want{mails: 1}},
		{"opportunistic, not offered", emailtest.Options{Open: true, Hide: []string{"STARTTLS"}}, func(c *Config) {
			c.TLS, c.Username, c.Password = tlsOpportunistic, "", announce.Secret{}
		}, want{mails: 1}},
		{"opportunistic, unknown authority, no login", emailtest.Options{Open: true}, func(c *Config) {
			c.TLS, c.Username, c.Password, c.CA = tlsOpportunistic, "", announce.Secret{}, ""
		}, want{mails: 1}},
		{"STARTTLS stripped", emailtest.Options{Open: true, Hide: []string{"STARTTLS"}}, nil, stops},
		{"STARTTLS stripped, no login", emailtest.Options{Open: true, Hide: []string{"STARTTLS"}}, func(c *Config) { c.Username, c.Password = "", announce.Secret{} }, stops},
		{"STARTTLS stripped, opportunistic, login", emailtest.Options{Open: true, Hide: []string{"STARTTLS"}}, func(c *Config) { c.TLS = tlsOpportunistic }, stops},
		{"unknown authority", emailtest.Options{}, func(c *Config) { c.CA = "" }, stops},
		{"unknown authority, opportunistic, login", emailtest.Options{}, func(c *Config) { c.TLS, c.CA = tlsOpportunistic, "" }, stops},
		{"expired", emailtest.Options{Valid: -time.Minute}, nil, stops},
		{"plain server, TLS wanted", emailtest.Options{}, func(c *Config) { c.TLS = tlsImplicit }, stops},
		{"wrong password", emailtest.Options{}, func(c *Config) { c.Password = announce.NewSecret(emailtest.Password + "?") }, stops},
		{"no login offered", emailtest.Options{Hide: []string{"AUTH"}}, nil, stops},
		{"no known login offered", emailtest.Options{Auth: "XOAUTH2 GSSAPI"}, nil, stops},
		{"a login is wanted", emailtest.Options{}, func(c *Config) { c.Username, c.Password = "", announce.Secret{} }, stops},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, p := start(t, c.options, c.change)
			_, err := m.Publish(context.Background(), message(1))
			if c.want.mails == 1 {
				if err != nil {
					t.Fatal(err)
				}
			} else {
				c.want.check(t, err)
				if e := (&announce.Error{}); errors.As(err, &e) && p.Count("") != 0 {
					t.Error("a mail was taken")
				}
			}
			if s := p.Stats(); s.Cleartext > 0 && c.name != "none, on this machine" {
				t.Error("credentials went out in the clear")
			}
		})
	}
}

// TestAnotherHost: the certificate must be the server's own, whoever vouches for it.
func TestAnotherHost(t *testing.T) {
	m, p := start(t, emailtest.Options{}, nil)
	m.tls.ServerName = "mail.example.net"
	_, err := m.Publish(context.Background(), message(1))
	stops.check(t, err)
	if s := p.Stats(); s.Logins != 0 || s.Cleartext != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLoginPicksWhatIsOffered(t *testing.T) {
	for _, c := range []struct {
		offered []string
		tls     bool
		want    string
		err     error
	}{
		{[]string{"LOGIN", "PLAIN"}, true, "PLAIN", nil},
		{[]string{"login"}, true, "LOGIN", nil},
		{[]string{"SCRAM-SHA-1", "SCRAM-SHA-256"}, true, "SCRAM-SHA-256", nil},
		{[]string{"SCRAM-SHA-1", "CRAM-MD5"}, true, "SCRAM-SHA-1", nil},
		{[]string{"CRAM-MD5"}, true, "CRAM-MD5", nil},
		{[]string{"XOAUTH2"}, true, "", errMechanism},
		{nil, true, "", errNoAuth},
		{[]string{"PLAIN"}, false, "", errClear},
		{[]string{"CRAM-MD5"}, false, "", errClear},
	} {
		a := &login{username: "u", password: announce.NewSecret("p")}
		got, _, err := a.Start(&smtp.ServerInfo{Name: "mail.example.org", TLS: c.tls, Auth: c.offered})
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v: %q %v", c.offered, got, err)
		}
	}
}
