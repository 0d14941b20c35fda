package email

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

func TestConfigurationSaysWhatIsWrong(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	weakKey := keyPEM(t, weak, err)
	strong := rsaKey(t)
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string // variables; empty: it is sound
	}{
		{"sound", func(*Config) {}, nil},
		{"bare address", func(c *Config) { c.From = "crieur@example.org" }, nil},
		{"1024 bits", func(c *Config) { c.DKIMKey, c.DKIMSelector = weakKey, "s" }, nil},
		{"login", func(c *Config) { c.Username, c.Password = "u", announce.NewSecret("p4ssw0rd") }, nil},
		{"everything", func(c *Config) {
			*c = Config{TLS: "ssl", Port: 99999, From: "x", ReplyTo: "x", ReturnPath: "x", UnsubscribeMailto: "x", ListID: "x", HELO: "a b", CA: "x",
				Password: announce.NewSecret("p4ssw0rd"), DKIMKey: announce.NewSecret("p4ssw0rd"), DKIMSelector: "s"}
		}, []string{"HOST", "TLS", "PORT", "FROM", "REPLY_TO", "RETURN_PATH", "UNSUBSCRIBE_MAILTO", "LIST_ID", "HELO", "CA", "USERNAME", "DKIM_KEY", "CONNECTIONS", "PER_CONNECTION", "TIMEOUT", "TIMEOUT_FINAL"}},
		{"address as host", func(c *Config) { c.Host = "smtp://mail.example.org" }, []string{"HOST"}},
		{"two lines in FROM", func(c *Config) { c.From = "A\r\nBcc: eve@example.org <a@example.org>" }, []string{"FROM"}},
		{"two senders", func(c *Config) { c.From = "a@example.org, b@example.org" }, []string{"FROM"}},
		{"clear password over the network", func(c *Config) {
			c.TLS, c.Username, c.Password = tlsNone, "u", announce.NewSecret("p4ssw0rd")
		}, []string{"TLS"}},
		{"no password", func(c *Config) { c.Username = "u" }, []string{"PASSWORD"}},
		{"password of two lines", func(c *Config) { c.Username, c.Password = "u", announce.NewSecret("p4ssw0rd\n") }, []string{"PASSWORD"}},
		{"key without selector", func(c *Config) { c.DKIMKey = strong }, []string{"DKIM_SELECTOR"}},
		{"RSA as Ed25519", func(c *Config) { c.DKIMKeyEd25519, c.DKIMSelectorEd25519 = strong, "e" }, []string{"DKIM_KEY_ED25519"}},
		{"one selector for two keys", func(c *Config) {
			c.DKIMKey, c.DKIMSelector, c.DKIMKeyEd25519, c.DKIMSelectorEd25519 = strong, "s", ed25519Key(t), "s"
		}, []string{"DKIM_SELECTOR_ED25519"}},
		{"signing domain", func(c *Config) { c.DKIMKey, c.DKIMSelector, c.DKIMDomain = strong, "s", "a b" }, []string{"DKIM_DOMAIN"}},
		{"list of two lines", func(c *Config) { c.ListID = "a\r\nBcc: x <b.example.org>" }, []string{"LIST_ID"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{Host: "mail.example.org", TLS: tlsStart, From: "Crieur <crieur@example.org>", Connections: 1, PerConnection: 1, Timeout: generous, TimeoutFinal: generous}
			c.change(&cfg)
			_, err := New(cfg, testSite)
			if len(c.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("was taken")
			}
			var got []string
			for _, l := range strings.Split(err.Error(), "\n") {
				variable, _, _ := strings.Cut(l, ":")
				got = append(got, variable)
			}
			for _, v := range c.want {
				if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+v+"\n") {
					t.Errorf("%s is not named in %v", v, got)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("want %v, got %v", c.want, err)
			}
			if strings.Contains(err.Error(), "p4ssw0rd") || strings.Contains(err.Error(), "MII") {
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	for mode, want := range map[string]string{tlsStart: "mail.example.org:587", tlsImplicit: "mail.example.org:465", tlsOpportunistic: "mail.example.org:25", tlsNone: "mail.example.org:25"} {
		if m := sober(t, func(c *Config) { c.TLS = mode }); m.address != want {
			t.Errorf("%s: %s, want %s", mode, m.address, want)
		}
	}
	m := sober(t, func(c *Config) { c.From = "crieur@exämple.org" })
	if m.envelope != "crieur@xn--exmple-cua.org" || m.from.Name != testSite.Name || m.helo != "crieur.example.org" || m.domain != "xn--exmple-cua.org" {
		t.Errorf("%+v", m.settings)
	}
	if m.listID != "=?utf-8?q?Club_de_l=E2=80=99=C3=A9t=C3=A9?=\r\n <announcements.xn--exmple-cua.org>" {
		t.Errorf("%q", m.listID)
	}
	m = sober(t, func(c *Config) { c.ListID = `Nouvelles "du port" <port.example.org>` })
	if m.listID != `"Nouvelles \"du port" <port.example.org>` && m.listID != `"Nouvelles \"du port\"" <port.example.org>` {
		t.Errorf("%q", m.listID)
	}
}
