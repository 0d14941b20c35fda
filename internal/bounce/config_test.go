package bounce

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
)

func settings(t *testing.T, environ map[string]string) (Config, error) {
	t.Helper()
	var c Config
	return c, env.ParseWithOptions(&c, env.Options{Environment: environ})
}

func TestConfigurationSaysWhatIsWrong(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	plain, armoured := base64.StdEncoding.EncodeToString(der), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mailbox := map[string]string{"RETURN_PATH": "b@bounce.example.org", "IMAP": "imap.example.org", "IMAP_USERNAME": "u", "IMAP_PASSWORD": "p4ssw0rd"}
	with := func(more ...string) map[string]string {
		m := map[string]string{}
		for k, v := range mailbox {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name    string
		environ map[string]string
		want    string // variables; empty: it is sound
	}{
		{"nothing", nil, ""},
		{"return path", map[string]string{"RETURN_PATH": "Rebonds-1@Rebonds.Exämple.org"}, ""},
		{"LMTP", map[string]string{"RETURN_PATH": "b@bounce.example.org", "LMTP": "[::1]:2424"}, ""},
		{"socket", map[string]string{"RETURN_PATH": "b@bounce.example.org", "LMTP": "unix:/run/crieur/bounces.sock"}, ""},
		{"mailbox", mailbox, ""},
		{"starttls", with("IMAP_TLS", "starttls", "IMAP_DONE", "Done"), ""},
		{"services", map[string]string{"SES_TOPIC": "arn:aws-cn:sns:cn-north-1:123456789012:x", "MAILGUN_KEY": "k", "SENDGRID_KEY": plain, "POSTMARK_USERNAME": "u", "POSTMARK_PASSWORD": "0123456789abcdef"}, ""},
		{"armoured key", map[string]string{"SENDGRID_KEY": strings.ReplaceAll(armoured, "\n", `\n`)}, ""},
		{"open to the world", map[string]string{"RETURN_PATH": "b@bounce.example.org", "LMTP": "0.0.0.0:24"}, "LMTP"},
		{"any address", map[string]string{"RETURN_PATH": "b@bounce.example.org", "LMTP": ":24"}, "LMTP"},
		{"relative socket", map[string]string{"RETURN_PATH": "b@bounce.example.org", "LMTP": "unix:sock"}, "LMTP"},
		{"LMTP alone", map[string]string{"LMTP": "127.0.0.1:24"}, "RETURN_PATH"},
		{"mailbox alone", with("RETURN_PATH", ""), "RETURN_PATH"},
		{"no address", map[string]string{"RETURN_PATH": "bounce.example.org"}, "RETURN_PATH"},
		{"long name", map[string]string{"RETURN_PATH": strings.Repeat("b", 25) + "@example.org"}, "RETURN_PATH"},
		{"clear password", with("IMAP_TLS", "none"), "IMAP_TLS"},
		{"TLS", with("IMAP_TLS", "ssl"), "IMAP_TLS"},
		{"no password", with("IMAP_PASSWORD", ""), "IMAP_PASSWORD"},
		{"two lines", with("IMAP_PASSWORD", "p4ssw0rd\r\nA LOGOUT"), "IMAP_PASSWORD"},
		{"one folder", with("IMAP_DONE", "INBOX"), "IMAP_FOLDER"},
		{"too often", with("IMAP_INTERVAL", "1ms"), "IMAP_INTERVAL"},
		{"no server", map[string]string{"IMAP_USERNAME": "u"}, "IMAP"},
		{"an address", with("IMAP", "imaps://imap.example.org"), "IMAP"},
		{"CA", with("IMAP_CA", "x"), "IMAP_CA"},
		{"everything", map[string]string{"SES_TOPIC": "arn:aws:sqs:x", "POSTMARK_USERNAME": "u", "POSTMARK_PASSWORD": "short", "SENDGRID_KEY": "x"}, "SES_TOPIC POSTMARK_PASSWORD SENDGRID_KEY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := settings(t, c.environ)
			if err != nil {
				t.Fatal(err)
			}
			_, err = cfg.Open(nil, nil)
			var got []string
			if err != nil {
				for _, l := range strings.Split(err.Error(), "\n") {
					variable, _, _ := strings.Cut(l, ":")
					got = append(got, variable)
				}
				if strings.Contains(err.Error(), "p4ssw0rd") || strings.Contains(err.Error(), "short") {
					t.Errorf("shows a secret: %v", err)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("want %q, got %v", c.want, err)
			}
		})
	}
}

func TestOnlyWhatIsConfiguredIsServed(t *testing.T) {
	in, err := Config{MailgunKey: announce.NewSecret("k")}.Open(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := in.Webhooks((&kept{}).handle, quiet())
	for path, want := range map[string]int{"/mailgun": http.StatusForbidden, "/ses": http.StatusNotFound, "/postmark": http.StatusNotFound, "/sendgrid": http.StatusNotFound, "/": http.StatusNotFound} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}")))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.Run(ctx, (&kept{}).handle, quiet()); err != nil {
		t.Error(err)
	}
}
