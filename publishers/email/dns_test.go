package email

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
)

// records answer for DNS, by type and name: "TXT rencontres.ca".
type records map[string][]string

func (z records) look(kind, name string) ([]string, error) {
	switch r, ok := z[kind+" "+strings.TrimSuffix(name, ".")]; {
	case ok && len(r) == 0:
		return nil, &net.DNSError{Err: "server failed", Name: name, IsTemporary: true}
	case ok:
		return r, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z records) LookupTXT(_ context.Context, name string) ([]string, error) {
	return z.look("TXT", name)
}
func (z records) LookupAddr(_ context.Context, addr string) ([]string, error) {
	return z.look("PTR", addr)
}
func (z records) LookupHost(_ context.Context, host string) ([]string, error) {
	return z.look("A", host)
}

func TestCheckAsksWhatReceiversAsk(t *testing.T) {
	sound := func(change func(records)) records {
		z := records{
			"TXT rencontres.ca": {"google-site-verification=x", "v=spf1 mx -all"}, "TXT _dmarc.rencontres.ca": {"v=DMARC1; p=none"},
			"A mail.rencontres.ca": {"198.51.100.7", "127.0.0.1"}, "PTR 198.51.100.7": {"mail.rencontres.ca."},
		}
		change(z)
		return z
	}
	for name, c := range map[string]struct {
		change func(records)
		want   string // in the one finding; empty: none
	}{
		"sound":               {func(records) {}, ""},
		"no SPF":              {func(z records) { z["TXT rencontres.ca"] = []string{"v=spf10"} }, "no SPF record"},
		"two SPF":             {func(z records) { z["TXT rencontres.ca"] = []string{"v=spf1 -all", "V=SPF1 mx -all"} }, "2 SPF records"},
		"SPF for all":         {func(z records) { z["TXT rencontres.ca"] = []string{"v=spf1 +all"} }, "anybody"},
		"no DMARC":            {func(z records) { delete(z, "TXT _dmarc.rencontres.ca") }, "no DMARC record"},
		"two DMARC":           {func(z records) { z["TXT _dmarc.rencontres.ca"] = []string{"v=DMARC1; p=none", "v=DMARC1; p=reject"} }, "2 DMARC records"},
		"no PTR":              {func(z records) { delete(z, "PTR 198.51.100.7") }, "198.51.100.7"},
		"PTR leads elsewhere": {func(z records) { z["PTR 198.51.100.7"] = []string{"pool-7.provider.ca"} }, "198.51.100.7"},
		"DNS fails":           {func(z records) { z["TXT _dmarc.rencontres.ca"] = nil }, "could not be asked for _dmarc.rencontres.ca"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sober(t, func(c *Config) { c.From, c.Host = "annonces@rencontres.ca", "mail.rencontres.ca" })
			m.dns = sound(c.change)
			switch found := m.checkDomain(t.Context()); {
			case c.want == "" && len(found) > 0, c.want != "" && (len(found) != 1 || !strings.Contains(found[0].What, c.want)):
				t.Errorf("found %s", fmt.Sprint(found))
			}
		})
	}
	sub := sober(t, func(c *Config) { c.From, c.Host = "annonces@lettres.rencontres.ca", "mail.rencontres.ca" })
	sub.dns = sound(func(z records) { z["TXT lettres.rencontres.ca"] = []string{"v=spf1 mx -all"} })
	if found := sub.checkDomain(t.Context()); len(found) > 0 {
		t.Errorf("a subdomain is held to its own DMARC record although its parent has one: %v", found)
	}
}
