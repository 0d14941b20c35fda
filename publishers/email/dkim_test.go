package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// zone is what DNS says of the keys of m.
func zone(m *mailer) func(string) ([]string, error) {
	return func(name string) ([]string, error) {
		for _, k := range m.signers {
			if name == k.options.Selector+"._domainkey."+k.options.Domain {
				return []string{k.record}, nil
			}
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
}

func verify(t *testing.T, m *mailer, mail []byte) []*dkim.Verification {
	t.Helper()
	v, err := dkim.VerifyWithOptions(bytes.NewReader(mail), &dkim.VerifyOptions{LookupTXT: zone(m)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSignatures(t *testing.T) {
	both := func(c *Config) {
		c.DKIMKey, c.DKIMSelector, c.DKIMKeyEd25519, c.DKIMSelectorEd25519 = rsaKey(t), "r1", ed25519Key(t), "e1"
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		n      int
	}{
		{"RSA", func(c *Config) { c.DKIMKey, c.DKIMSelector = rsaKey(t), "r1" }, 1},
		{"Ed25519", func(c *Config) { c.DKIMKeyEd25519, c.DKIMSelectorEd25519 = ed25519Key(t), "e1" }, 1},
		{"both", both, 2},
		{"on one line", func(c *Config) {
			c.DKIMKey, c.DKIMSelector = announce.NewSecret(strings.ReplaceAll(rsaKey(t).Reveal(), "\n", `\n`)), "r1"
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, p := start(t, emailtest.Options{}, c.change)
			for i, msg := range []announce.Message{message(1), event(t)} {
				publish(t, m, msg)
				raw := p.Mails()[i].Raw
				v := verify(t, m, raw)
				if len(v) != c.n {
					t.Fatalf("%d signatures, want %d", len(v), c.n)
				}
				for _, s := range v {
					if s.Err != nil || s.Domain != "example.org" {
						t.Errorf("%s: %v", s.Domain, s.Err)
					}
					for _, h := range []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"} {
						if !slices.Contains(s.HeaderKeys, h) {
							t.Errorf("%s is not signed", h)
						}
					}
				}
				for what, forged := range map[string][]byte{
					"another link":   bytes.Replace(raw, []byte("List-Unsubscribe: <https://crieur"), []byte("List-Unsubscribe: <https://evil"), 1),
					"a second From":  append([]byte("From: eve@example.org\r\n"), raw...),
					"another text":   bytes.Replace(raw, []byte("arrive"), []byte("arrivz"), 1),
					"a second To":    append([]byte("To: eve@example.org\r\n"), raw...),
					"a second topic": append([]byte("Subject: eve\r\n"), raw...),
				} {
					for _, s := range verify(t, m, forged) {
						if s.Err == nil {
							t.Errorf("%s goes unnoticed", what)
						}
					}
				}
			}
		})
	}
	t.Run("at once", func(t *testing.T) {
		m := sober(t, both)
		errs := make(chan error, 8)
		for i := range cap(errs) {
			go func() {
				b, _, _, fault := m.compose(nil, "ada@example.org", message(i))
				if fault != nil {
					errs <- fault
					return
				}
				v, err := dkim.VerifyWithOptions(bytes.NewReader(bytes.TrimSuffix(b, []byte(".\r\n"))), &dkim.VerifyOptions{LookupTXT: zone(m)})
				for _, s := range v {
					err = errors.Join(err, s.Err)
				}
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCheck(t *testing.T) {
	ctx := context.Background()
	severe := func(r announce.Report) int {
		n := 0
		for _, f := range r.Findings {
			if f.What == "" || f.Do == "" {
				t.Errorf("a finding says too little: %+v", f)
			}
			if f.Severe {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name     string
		options  emailtest.Options
		change   func(*Config)
		lookup   func(m *mailer) func(string) ([]string, error)
		findings int
		severe   int
	}{
		{"sound", emailtest.Options{}, func(c *Config) { c.DKIMKey, c.DKIMSelector = rsaKey(t), "r1" }, zone, 0, 0},
		{"no record", emailtest.Options{}, func(c *Config) { c.DKIMKey, c.DKIMSelector = rsaKey(t), "r1" }, func(*mailer) func(string) ([]string, error) {
			return func(string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} }
		}, 1, 1},
		{"DNS out of reach", emailtest.Options{}, func(c *Config) { c.DKIMKey, c.DKIMSelector = rsaKey(t), "r1" }, func(*mailer) func(string) ([]string, error) {
			return func(string) ([]string, error) { return nil, &net.DNSError{IsTimeout: true} }
		}, 1, 0},
		{"another key", emailtest.Options{}, func(c *Config) { c.DKIMKeyEd25519, c.DKIMSelectorEd25519 = ed25519Key(t), "e1" }, func(*mailer) func(string) ([]string, error) {
			other := sober(t, func(c *Config) { c.DKIMKeyEd25519, c.DKIMSelectorEd25519 = ed25519Key(t), "e1" })
			return zone(other)
		}, 1, 1},
		{"foreign domain", emailtest.Options{}, func(c *Config) {
			c.DKIMKey, c.DKIMSelector, c.DKIMDomain = rsaKey(t), "r1", "example.net"
		}, zone, 1, 0},
		{"certificate about to end", emailtest.Options{Valid: 5 * 24 * time.Hour}, nil, zone, 1, 0},
		{"no pipelining", emailtest.Options{Hide: []string{"PIPELINING"}}, nil, zone, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, p := start(t, c.options, c.change)
			lookup := c.lookup(m)
			m.dns = asked(lookup)
			r, err := m.Check(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Findings) != c.findings || severe(r) != c.severe {
				t.Errorf("want %d findings, %d of them severe: %+v", c.findings, c.severe, r.Findings)
			}
			if r.Identity == "" || r.Expires.Before(time.Now()) {
				t.Errorf("%+v", r)
			}
			for _, k := range m.signers {
				if s := fmt.Sprintf("%+v", r); strings.Contains(s, "PRIVATE") || strings.Contains(s, fmt.Sprint(k.options.Signer)) {
					t.Error("shows the key")
				}
			}
			if s := p.Stats(); s.Accepted != 0 || s.Logins != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		m, _ := start(t, emailtest.Options{}, func(c *Config) { c.Password = announce.NewSecret(emailtest.Password + "!") })
		_, err := m.Check(ctx)
		stops.check(t, err)
	})
}

// asked answers for DNS as far as keys are concerned.
type asked func(name string) ([]string, error)

func (a asked) LookupTXT(_ context.Context, name string) ([]string, error) { return a(name) }
func (a asked) LookupAddr(context.Context, string) ([]string, error)       { return nil, nil }
func (a asked) LookupHost(context.Context, string) ([]string, error)       { return nil, nil }
