package bounce

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// snsWorld is an Amazon of our own: a TLS server under Amazon's name, by an authority that only the test's client trusts.
type snsWorld struct {
	key     *rsa.PrivateKey
	get     get
	fetched atomic.Int32 // certificates
	yes     atomic.Int32 // confirmed subscriptions
	broken  atomic.Bool
}

func newTestSNS(t testing.TB) (*hook, *snsWorld) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := &snsWorld{key: key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, DNSNames: []string{"sns.eu-west-3.amazonaws.com"},
		NotBefore: testNow().Add(-time.Hour), NotAfter: testNow().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case w.broken.Load():
			http.Error(rw, "not now", http.StatusServiceUnavailable)
		case strings.HasSuffix(r.URL.Path, ".pem"):
			w.fetched.Add(1)
			_ = pem.Encode(rw, &pem.Block{Type: "CERTIFICATE", Bytes: der})
		case r.URL.Query().Get("Action") == "ConfirmSubscription":
			w.yes.Add(1)
			_, _ = io.WriteString(rw, "<ConfirmSubscriptionResponse/>")
		default:
			http.NotFound(rw, r)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, Time: testNow},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
		DisableKeepAlives: true,
	}}
	w.get = func(ctx context.Context, address string, most int64, _ ...string) ([]byte, string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, "", err
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return nil, "", errors.New("could not be fetched")
		}
		b, err := io.ReadAll(io.LimitReader(res.Body, most))
		return b, "", err
	}
	h, err := ses(testReader(), testTopic, w.get)
	if err != nil {
		t.Fatal(err)
	}
	h.now = testNow
	return h, w
}

// message is one as SNS sends it, before it is signed.
func (w *snsWorld) message(id, text string) sns {
	return sns{Type: "Notification", MessageID: id, TopicArn: testTopic, Message: text, Timestamp: testNow().Add(-time.Minute).Format("2006-01-02T15:04:05.000Z"), SignatureVersion: "2", SigningCertURL: testCert}
}

func (w *snsWorld) sign(t testing.TB, m sns) []byte {
	t.Helper()
	text := "Message\n" + m.Message + "\nMessageId\n" + m.MessageID + "\n"
	if m.Type == "Notification" {
		if m.Subject != "" {
			text += "Subject\n" + m.Subject + "\n"
		}
		text += "Timestamp\n" + m.Timestamp + "\n"
	} else {
		text += "SubscribeURL\n" + m.SubscribeURL + "\nTimestamp\n" + m.Timestamp + "\nToken\n" + m.Token + "\n"
	}
	text += "TopicArn\n" + m.TopicArn + "\nType\n" + m.Type + "\n"
	var err error
	var signature []byte
	if m.SignatureVersion == "1" {
		sum := sha1.Sum([]byte(text))
		signature, err = rsa.SignPKCS1v15(rand.Reader, w.key, crypto.SHA1, sum[:])
	} else {
		sum := sha256.Sum256([]byte(text))
		signature, err = rsa.SignPKCS1v15(rand.Reader, w.key, crypto.SHA256, sum[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	m.Signature = base64.StdEncoding.EncodeToString(signature)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSESReports(t *testing.T) {
	for _, c := range []struct {
		text string
		want Class
	}{
		{bounceSES("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown"), Hard},
		{bounceSES("Permanent", "OnAccountSuppressionList", "", ""), Hard},
		{bounceSES("Permanent", "General", "5.7.1", "smtp; 550 5.7.1 refused"), Block},
		{bounceSES("Transient", "MailboxFull", "5.2.2", "smtp; 552 5.2.2 full"), Soft},
		{bounceSES("Transient", "General", "5.1.1", "smtp; 550 5.1.1 odd"), Soft},
		{bounceSES("Transient", "ContentRejected", "", ""), Block},
		{bounceSES("Undetermined", "Undetermined", "", ""), Soft},
		{strings.Replace(bounceSES("Permanent", "General", "5.1.1", ""), "notificationType", "eventType", 1), Hard},
		{webhookBodies()[5], Complaint},
		{strings.Replace(webhookBodies()[5], `"abuse"`, `"not-spam"`, 1), ""},
		{`{"notificationType":"Delivery"}`, ""},
		{"Successfully validated SNS topic for Amazon SES event publishing.", ""},
	} {
		h, w := newTestSNS(t)
		k := &kept{}
		m := w.message("id", c.text)
		if code := post(t, h, k, w.sign(t, m), nil); code != http.StatusOK {
			t.Fatalf("%s: %d", c.text, code)
		}
		got := k.reports()
		if c.want == "" {
			if got != nil {
				t.Errorf("%s: %+v", c.text, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Class != c.want || got[0].Token != testToken || got[0].Address != "ada@example.com" {
			t.Fatalf("%s: %+v", c.text, got)
		}
		sound(t, got[0])
	}
}

func TestSNSTakesOnlyWhatAmazonSignedForUs(t *testing.T) {
	h, w := newTestSNS(t)
	k := &kept{}
	text := webhookBodies()[4]
	for name, change := range map[string]func(*sns){
		"old":           func(m *sns) { m.Timestamp = testNow().Add(-2 * time.Hour).Format(time.RFC3339) },
		"from tomorrow": func(m *sns) { m.Timestamp = testNow().Add(time.Hour).Format(time.RFC3339) },
		"no time":       func(m *sns) { m.Timestamp = "" },
		"other topic":   func(m *sns) { m.TopicArn = "arn:aws:sns:eu-west-3:999999999999:bounces" },
		"other host": func(m *sns) {
			m.SigningCertURL = "https://sns.eu-west-3.amazonaws.com.example.org/SimpleNotificationService-0.pem"
		},
		"a bucket":     func(m *sns) { m.SigningCertURL = "https://s3.amazonaws.com/evil/SimpleNotificationService-0.pem" },
		"other region": func(m *sns) { m.SigningCertURL = strings.Replace(testCert, "eu-west-3", "us-east-1", 1) },
		"plain http":   func(m *sns) { m.SigningCertURL = strings.Replace(testCert, "https", "http", 1) },
		"with a user":  func(m *sns) { m.SigningCertURL = strings.Replace(testCert, "https://", "https://x@", 1) },
		"other path": func(m *sns) {
			m.SigningCertURL = "https://sns.eu-west-3.amazonaws.com/?x=SimpleNotificationService-0.pem"
		},
		"unknown type":    func(m *sns) { m.Type = "Surprise" },
		"unknown version": func(m *sns) { m.SignatureVersion = "3" },
		"unknown event":   func(m *sns) { m.Message = `{"notificationType":"Surprise"}` },
		"no JSON inside":  func(m *sns) { m.Message = "hello" },
	} {
		m := w.message(name, text)
		change(&m)
		if code := post(t, h, k, w.sign(t, m), nil); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	for name, change := range map[string]func(string) string{
		"changed": func(s string) string { return strings.Replace(s, "ada@", "eve@", 1) },
		"version 1 for 2": func(s string) string {
			return strings.Replace(s, `"SignatureVersion":"2"`, `"SignatureVersion":"1"`, 1)
		},
		"no signature": func(s string) string { return strings.Replace(s, `"Signature":"`, `"Signature":"AAAA`, 1) },
		"cut":          func(s string) string { return s[:len(s)/2] },
	} {
		if code := post(t, h, k, []byte(change(string(w.sign(t, w.message(name, text))))), nil); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	expired := h.now
	h.now = func() time.Time { return testNow().Add(72 * time.Hour) }
	m := w.message("expired", text)
	m.Timestamp = h.now().Format(time.RFC3339)
	if code := post(t, h, k, w.sign(t, m), nil); code != http.StatusForbidden {
		t.Errorf("with a certificate that has ended: %d", code)
	}
	h.now = expired
	if got := k.reports(); got != nil {
		t.Fatalf("a stranger reported %+v", got)
	}

	// Both versions of signature, with a subject; one certificate for all; the same again counts once.
	before := w.fetched.Load()
	for _, version := range []string{"1", "2"} {
		m := w.message("v"+version, text)
		m.SignatureVersion, m.Subject = version, "Amazon SES Email Event Notification"
		body := w.sign(t, m)
		for range 2 {
			if code := post(t, h, k, body, nil); code != http.StatusOK {
				t.Fatalf("version %s: %d", version, code)
			}
		}
	}
	if got := k.reports(); len(got) != 2 || got[0].ID != got[1].ID || w.fetched.Load()-before > 1 {
		t.Errorf("%d certificates, %+v", w.fetched.Load(), got)
	}
}

func TestSNSComesAgainAfterOurFailure(t *testing.T) {
	h, w := newTestSNS(t)
	k := &kept{fails: true}
	body := w.sign(t, w.message("m", webhookBodies()[4]))
	w.broken.Store(true)
	if code := post(t, h, k, body, nil); code != http.StatusServiceUnavailable {
		t.Fatalf("without the certificate: %d", code)
	}
	w.broken.Store(false)
	if code := post(t, h, k, body, nil); code != http.StatusServiceUnavailable {
		t.Fatalf("with a full disk: %d", code)
	}
	k.set(false)
	if code := post(t, h, k, body, nil); code != http.StatusOK || len(k.reports()) != 1 {
		t.Fatalf("%d, %+v", code, k.reports())
	}
}

func TestASubscriptionIsConfirmedForOurTopicAlone(t *testing.T) {
	h, w := newTestSNS(t)
	k := &kept{}
	good := "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + testTopic + "&Token=abc"
	ask := func(id, address string) sns {
		m := w.message(id, "You have chosen to subscribe")
		m.Type, m.Token, m.SubscribeURL = "SubscriptionConfirmation", "abc", address
		return m
	}
	for name, address := range map[string]string{
		"other host":  strings.Replace(good, "sns.eu-west-3.amazonaws.com", "169.254.169.254", 1),
		"other act":   strings.Replace(good, "ConfirmSubscription", "DeleteTopic", 1),
		"other topic": strings.Replace(good, "bounces", "others", 1),
		"empty":       "",
	} {
		if code := post(t, h, k, w.sign(t, ask(name, address)), nil); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	m := ask("foreign", strings.Replace(good, "bounces", "others", 1))
	m.TopicArn = strings.Replace(testTopic, "bounces", "others", 1)
	if code := post(t, h, k, w.sign(t, m), nil); code != http.StatusForbidden {
		t.Errorf("foreign topic: %d", code)
	}
	bye := ask("bye", good)
	bye.Type = "UnsubscribeConfirmation"
	if code := post(t, h, k, w.sign(t, bye), nil); code != http.StatusOK || w.yes.Load() != 0 {
		t.Fatalf("something was confirmed: %d, %d", code, w.yes.Load())
	}
	if code := post(t, h, k, w.sign(t, ask("ours", good)), nil); code != http.StatusOK || w.yes.Load() != 1 {
		t.Errorf("%d, %d confirmed", code, w.yes.Load())
	}
}
