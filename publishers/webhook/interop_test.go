package webhook

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"flag"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/crieur/crieur/publishers/webhook/webhooktest"
)

var receiver = flag.String("receiver", "", "address of a receiver that verifies with another implementation (.ci/servers/standardwebhooks)")

// TestInterop holds the signatures to implementations that are not ours.
func TestInterop(t *testing.T) {
	if *receiver == "" {
		t.Skip("needs another implementation: run .ci/servers/standardwebhooks/run.sh")
	}
	const old = "whsec_" + seed
	raw, err := base64.StdEncoding.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(raw)
	public := "whpk_" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	stranger := "whpk_" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)).Public().(ed25519.PublicKey))
	to := func(path, key string) string { return *receiver + path + "?key=" + url.QueryEscape(key) }

	for _, c := range []struct {
		name        string
		to          string
		secret, old string
		late        time.Duration
		accepted    bool
	}{
		{"v1", to("/v1", webhooktest.Secret), webhooktest.Secret, "", 0, true},
		{"v1, four minutes old", to("/v1", webhooktest.Secret), webhooktest.Secret, "", 4 * time.Minute, true},
		{"v1, six minutes old", to("/v1", webhooktest.Secret), webhooktest.Secret, "", 6 * time.Minute, false},
		{"v1, six minutes early", to("/v1", webhooktest.Secret), webhooktest.Secret, "", -6 * time.Minute, false},
		{"v1, another secret", to("/v1", old), webhooktest.Secret, "", 0, false},
		{"rotation, receiver with the new secret", to("/v1", webhooktest.Secret), webhooktest.Secret, old, 0, true},
		{"rotation, receiver with the old secret", to("/v1", old), webhooktest.Secret, old, 0, true},
		{"from v1 to v1a, receiver with the secret", to("/v1", old), "whsk_" + seed, old, 0, true},
		{"from v1 to v1a, receiver with the key", to("/v1a", public), "whsk_" + seed, old, 0, true},
		{"v1a, the whole private key", to("/v1a", public), "whsk_" + base64.StdEncoding.EncodeToString(private), "", 0, true},
		{"v1a, another key", to("/v1a", stranger), "whsk_" + seed, "", 0, false},
		{"v1a, receiver without it", to("/v1", old), "whsk_" + seed, "", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := at(t, c.to, c.secret, c.old)
			p.now = func() time.Time { return time.Now().Add(-c.late) }
			m := gala()
			r, err := p.Publish(t.Context(), m)
			if (err == nil) != c.accepted {
				t.Fatalf("published: %v", err)
			}
			if !c.accepted {
				return
			}
			m.Rev = 2
			if r, err = p.Amend(t.Context(), r, m); err != nil {
				t.Errorf("amended: %v", err)
			}
			if err := p.Retract(t.Context(), r); err != nil {
				t.Errorf("retracted: %v", err)
			}
		})
	}
	t.Run("tampered", func(t *testing.T) { tamper(t, to("/v1", webhooktest.Secret)) })
}

// tamper sends an event as the channel signed it, then with one thing changed.
func tamper(t *testing.T, address string) {
	c := newCapture(t)
	if _, err := at(t, c.URL, webhooktest.Secret, "").Publish(t.Context(), gala()); err != nil {
		t.Fatal(err)
	}
	signed, body := c.header, c.body
	for _, x := range []struct {
		name   string
		change func(h http.Header, body []byte) []byte
		status int
	}{
		{"nothing", func(_ http.Header, b []byte) []byte { return b }, http.StatusNoContent},
		{"the body", func(_ http.Header, b []byte) []byte { return bytes.Replace(b, []byte("18 h 30"), []byte("19 h 30"), 1) }, http.StatusBadRequest},
		{"a blank", func(_ http.Header, b []byte) []byte { return append(b, ' ') }, http.StatusBadRequest},
		{"the ID", func(h http.Header, b []byte) []byte { h.Set("webhook-id", "x"); return b }, http.StatusBadRequest},
		{"the time", func(h http.Header, b []byte) []byte {
			h.Set("webhook-timestamp", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
			return b
		}, http.StatusBadRequest},
		{"the signature", func(h http.Header, b []byte) []byte {
			h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
			return b
		}, http.StatusBadRequest},
		{"no signature", func(h http.Header, b []byte) []byte { h.Del("webhook-signature"); return b }, http.StatusBadRequest},
	} {
		header := signed.Clone()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(x.change(header, bytes.Clone(body))))
		if err != nil {
			t.Fatal(err)
		}
		header.Del("Content-Length")
		req.Header = header
		res, err := (&http.Client{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != x.status {
			t.Errorf("%s changed: %d, want %d", x.name, res.StatusCode, x.status)
		}
	}
}
