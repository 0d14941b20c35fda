package email

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// several is a channel with a relay for each server, of the given weights.
func several(t *testing.T, weights ...int) (*mailer, []*emailtest.Platform) {
	t.Helper()
	var all []*emailtest.Platform
	var more []string
	m, first := start(t, stepwise(), func(c *Config) {
		c.Weight = weights[0]
		for _, w := range weights[1:] {
			p := emailtest.Start(stepwise())
			t.Cleanup(p.Close)
			all = append(all, p)
			other := config(t, p)
			c.CA += "\n" + other.CA
			more = append(more, fmt.Sprintf("smtp://%s:%s@%s?weight=%d", other.Username, other.Password.Reveal(), net.JoinHostPort(other.Host, fmt.Sprint(other.Port)), w))
		}
		c.Relays = announce.NewSecret(strings.Join(more, " "))
	})
	return m, append([]*emailtest.Platform{first}, all...)
}

func TestRelaysShareByWeight(t *testing.T) {
	m, servers := several(t, 1, 3)
	for i := range 40 {
		if _, err := m.Publish(t.Context(), message(i)); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := len(servers[0].Posts()), len(servers[1].Posts()); a != 10 || b != 30 {
		t.Errorf("%d and %d of 40 mails, want 10 and 30", a, b)
	}
}

// A relay that is gone costs nobody their mail, and each mail is carried once.
func TestRelayIsStoodInFor(t *testing.T) {
	m, servers := several(t, 5, 1)
	servers[0].Close()
	for i := range 20 {
		if _, err := m.Publish(t.Context(), message(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(servers[1].Posts()); n != 20 {
		t.Errorf("%d of 20 mails arrived", n)
	}
	r, err := m.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprint(r.Findings); !strings.Contains(said, "cannot be used") {
		t.Errorf("the check does not tell of the relay that is gone: %s", said)
	}
	servers[1].Close()
	_, err = m.Publish(t.Context(), message(99))
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Temporary {
		t.Errorf("without any relay: %v", err)
	}
}

// What a relay says of a mail is not asked of another one: that could make two of it.
func TestRefusedMailStaysRefused(t *testing.T) {
	m, servers := several(t, 1, 1)
	for _, p := range servers {
		p.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 nobody here"})
	}
	_, err := m.Publish(t.Context(), message(1))
	var e *announce.Error
	if !errors.As(err, &e) || !e.Gone {
		t.Fatalf("%v", err)
	}
	_, err = m.Publish(t.Context(), message(2))
	if !errors.As(err, &e) || !e.Gone {
		t.Errorf("the second mail was not the second relay's: %v", err)
	}
}

func TestRelaysSayWhatIsWrong(t *testing.T) {
	for _, bad := range []string{"mail.example.org", "http://mail.example.org", "smtp://u:s3cr3t@mail.example.org?weight=0", "smtp://u:s3cr3t@mail.example.org?tls=none", "smtp://u:s3cr3t@mail.example.org?color=red", "smtp://u@mail.example.org"} {
		c := Config{Host: "mail.example.org", TLS: tlsStart, From: "crieur@example.org", Connections: 1, PerConnection: 1, Timeout: generous, TimeoutFinal: generous, Relays: announce.NewSecret(bad)}
		_, err := New(c, testSite)
		if err == nil || !strings.Contains(err.Error(), "RELAYS") {
			t.Errorf("%s: %v", bad, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the password is shown: %v", err)
		}
	}
}
