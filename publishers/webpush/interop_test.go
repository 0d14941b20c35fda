package webpush

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

var service = flag.String("service", "", "address of a push service that is not ours (.ci/servers/webpush)")

// TestInterop holds encryption and signatures to a push service that verifies and decrypts with other implementations.
func TestInterop(t *testing.T) {
	if *service == "" {
		t.Skip("needs another implementation: run .ci/servers/webpush/run.sh")
	}
	call := func(path string, form url.Values, into any) {
		t.Helper()
		res, err := (&http.Client{}).PostForm(*service+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s, %v", path, res.StatusCode, body, err)
		}
		if into != nil {
			if err := json.Unmarshal(body, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	private, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := PublicKey(private)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Key: private, Contact: "mailto:organisers@example.org", Keep: time.Hour, AllowPrivate: true}, site)
	if err != nil {
		t.Fatal(err)
	}
	subscribe := func(key string) (hash, to string) {
		var s struct{ Data json.RawMessage }
		call("/subscribe", url.Values{"userVisibleOnly": {"true"}, "applicationServerKey": {key}}, &s)
		var client struct{ ClientHash string }
		if err := json.Unmarshal(s.Data, &client); err != nil || client.ClientHash == "" {
			t.Fatalf("%s, %v", s.Data, err)
		}
		return client.ClientHash, string(s.Data)
	}
	hash, to := subscribe(public)
	longest := message(2, to)
	longest.Text = strings.Repeat("é🎉", 2000)
	var sent []string
	for _, m := range []announce.Message{gala(to), longest, message(3, to)} {
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		b, err := compose(m, tag(m.Key))
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, string(b))
	}
	var got struct{ Data struct{ Messages []string } }
	call("/get-notifications", url.Values{"clientHash": {hash}}, &got)
	if len(got.Data.Messages) != len(sent) {
		t.Fatalf("%d messages arrived of %d", len(got.Data.Messages), len(sent))
	}
	for i, s := range sent {
		if got.Data.Messages[i] != s {
			t.Errorf("decrypted: %.200s\nsent:      %.200s", got.Data.Messages[i], s)
		}
	}
	if n := len(sent[1]); n < mostPlain-20 || n > mostPlain {
		t.Errorf("the longest has %d bytes", n)
	}

	other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	strange, err := PublicKey(other)
	if err != nil {
		t.Fatal(err)
	}
	_, elsewhere := subscribe(strange)
	if _, err := p.Publish(t.Context(), message(4, elsewhere)); fault(t, err).Outcome != announce.Permanent {
		t.Errorf("a subscription of another key: %v", err)
	}
	res, err := (&http.Client{}).Post(*service+"/expire-subscription/"+hash, "application/json", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if _, err := p.Publish(t.Context(), message(5, to)); !fault(t, err).Gone {
		t.Errorf("a subscription that has ended: %v", err)
	}
}
