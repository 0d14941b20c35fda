package bounce

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

const (
	testTopic = "arn:aws:sns:eu-west-3:123456789012:bounces"
	testCert  = "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
)

// kept is a caller that keeps reports, or fails.
type kept struct {
	mu    sync.Mutex
	all   []Report
	fails bool
}

func (k *kept) handle(_ context.Context, reports []Report) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails {
		return errors.New("the disk is full")
	}
	k.all = append(k.all, reports...)
	return nil
}

func (k *kept) set(fails bool) { k.mu.Lock(); k.fails = fails; k.mu.Unlock() }

func (k *kept) reports() []Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Report(nil), k.all...)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// post sends one call to a hook and returns the answer's status.
func post(t testing.TB, h *hook, k *kept, body []byte, change func(*http.Request)) int {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	if change != nil {
		change(req)
	}
	w := httptest.NewRecorder()
	h.handler("test", k.handle, quiet()).ServeHTTP(w, req)
	return w.Code
}

func webhookBodies() []string {
	return []string{
		`{"RecordType":"Bounce","ID":692560173,"Type":"HardBounce","TypeCode":1,"Email":"ada@example.com","Details":"smtp;550 5.1.1 user unknown","Description":"The server was unable to deliver","MessageID":"2c1b63fe","BouncedAt":"2026-11-29T11:00:00Z","Metadata":{"token":"` + testToken + `"},"Inactive":true}`,
		`{"RecordType":"SubscriptionChange","MessageID":"m","Recipient":"ada@example.com","Origin":"Recipient","SuppressSending":true,"ChangedAt":"2026-11-29T11:00:00Z"}`,
		`{"event-data":{"id":"e1","event":"failed","severity":"permanent","reason":"bounce","recipient":"ada@example.com","timestamp":1795950000.5,"delivery-status":{"code":550,"enhanced-code":"5.1.1","message":"no such user"},"user-variables":{"token":"` + testToken + `"}}}`,
		`[{"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 5.1.1 no","email":"ada@example.com","timestamp":1795950000,"sg_event_id":"s1","token":"` + testToken + `"}]`,
		bounceSES("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown"),
		`{"notificationType":"Complaint","complaint":{"feedbackId":"f","complaintFeedbackType":"abuse","complainedRecipients":[{"emailAddress":"ada@example.com"}]},"mail":{"source":"b+` + testToken + `@bounce.example.org"}}`,
	}
}

func bounceSES(kind, sub, status, diagnostic string) string {
	return fmt.Sprintf(`{"notificationType":"Bounce","new field":1,"bounce":{"bounceType":%q,"bounceSubType":%q,"feedbackId":"f1","timestamp":"2026-11-29T11:59:00.000Z","bouncedRecipients":[{"emailAddress":"ada@example.com","status":%q,"diagnosticCode":%q,"action":"failed"}]},"mail":{"messageId":"x","headers":[{"name":"Message-ID","value":"<%s@example.org>"}]}}`,
		kind, sub, status, diagnostic, testToken)
}

func TestPostmark(t *testing.T) {
	h := postmark(testReader(), "crieur", announce.NewSecret("sixteen letters!"))
	h.now = testNow
	k := &kept{}
	login := func(r *http.Request) { r.SetBasicAuth("crieur", "sixteen letters!") }
	body := webhookBodies()[0]
	for name, change := range map[string]func(*http.Request){"nothing": nil, "wrong": func(r *http.Request) { r.SetBasicAuth("crieur", "sixteen letters?") }, "other user": func(r *http.Request) { r.SetBasicAuth("x", "sixteen letters!") }} {
		if code := post(t, h, k, []byte(body), change); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	for kind, want := range map[string]Class{"HardBounce": Hard, "BadEmailAddress": Hard, "SoftBounce": Soft, "DnsError": Soft, "SpamNotification": Block, "Blocked": Block, "SpamComplaint": Complaint, "Unsubscribe": Unsubscribe, "AutoResponder": "", "ChallengeVerification": ""} {
		k := &kept{}
		b := strings.Replace(strings.Replace(body, "HardBounce", kind, 1), "692560173", strconv.Itoa(len(kind)), 1)
		if code := post(t, h, k, []byte(b), login); code != http.StatusOK {
			t.Fatalf("%s: %d", kind, code)
		}
		if got := k.reports(); want == "" && got != nil || want != "" && (len(got) != 1 || got[0].Class != want || got[0].Token != testToken || got[0].Status != "5.1.1") {
			t.Errorf("%s: %+v", kind, got)
		}
	}
	for _, b := range []string{`{"RecordType":"Surprise"}`, `{"RecordType":"Bounce","Type":"Surprise"}`, `[]`, ``, `{"RecordType":"Bounce"`} {
		if code := post(t, h, k, []byte(b), login); code != http.StatusForbidden {
			t.Errorf("%s: %d", b, code)
		}
	}
	for range 2 {
		if code := post(t, h, k, []byte(webhookBodies()[1]), login); code != http.StatusOK {
			t.Error(code)
		}
	}
	if got := k.reports(); len(got) != 1 || got[0].Class != Unsubscribe || got[0].Address != "ada@example.com" {
		t.Errorf("%+v", got)
	}
	if code := post(t, h, k, []byte(strings.Replace(body, "5.1.1", "5.7.1", 1)), login); code != http.StatusOK || k.reports()[1].Class != Block {
		t.Errorf("%d %+v", code, k.reports())
	}
}

// signMailgun puts a signature into a body; a body that is no object stays as it is.
func signMailgun(t testing.TB, body []byte, key, token string, at time.Time) []byte {
	t.Helper()
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil || m == nil {
		return body
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(stamp + token))
	m["signature"] = json.RawMessage(fmt.Sprintf(`{"timestamp":%q,"token":%q,"signature":%q}`, stamp, token, hex.EncodeToString(mac.Sum(nil))))
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMailgun(t *testing.T) {
	h := mailgun(testReader(), announce.NewSecret("key"))
	h.now = testNow
	body := []byte(webhookBodies()[2])
	k := &kept{}
	for name, b := range map[string][]byte{
		"other key": signMailgun(t, body, "other", "t1", testNow()), "old": signMailgun(t, body, "key", "t2", testNow().Add(-6*time.Minute)),
		"future": signMailgun(t, body, "key", "t3", testNow().Add(6*time.Minute)), "unsigned": body, "no token": signMailgun(t, body, "key", "", testNow()),
		"unknown": signMailgun(t, bytes.Replace(body, []byte(`"failed"`), []byte(`"surprise"`), 1), "key", "t4", testNow()),
		"shape":   signMailgun(t, bytes.Replace(body, []byte(`"permanent"`), []byte(`"odd"`), 1), "key", "t5", testNow()), "nothing": nil,
	} {
		if code := post(t, h, k, b, nil); code != http.StatusForbidden || len(k.reports()) != 0 {
			t.Errorf("%s: %d %+v", name, code, k.reports())
		}
	}
	good := signMailgun(t, body, "key", "good", testNow())
	k.set(true)
	if code := post(t, h, k, good, nil); code != http.StatusServiceUnavailable {
		t.Errorf("failed: %d", code)
	}
	k.set(false)
	forged := bytes.Replace(good, []byte("ada@"), []byte("eve@"), 1)
	if code := post(t, h, k, forged, nil); code != http.StatusForbidden {
		t.Errorf("another body under the same signature: %d", code)
	}
	for range 2 {
		if code := post(t, h, k, good, nil); code != http.StatusOK {
			t.Errorf("good: %d", code)
		}
	}
	if code := post(t, h, k, forged, nil); code != http.StatusForbidden {
		t.Errorf("another body under a used signature: %d", code)
	}
	if got := k.reports(); len(got) != 1 || got[0].Class != Hard || got[0].Status != "5.1.1" || got[0].Token != testToken || got[0].Address != "ada@example.com" {
		t.Errorf("%+v", got)
	}
	for i, c := range []struct {
		old, new string
		want     Class
	}{
		{`"permanent"`, `"temporary"`, ""}, {`"failed"`, `"complained"`, Complaint}, {`"failed"`, `"unsubscribed"`, Unsubscribe}, {`"failed"`, `"opened"`, ""},
		{`"bounce"`, `"suppress-complaint"`, Complaint}, {`550,"enhanced-code":"5.1.1","message":"no such user"`, `602,"message":"too old"`, Soft}, {`"5.1.1"`, `"5.7.1"`, Block},
	} {
		k := &kept{}
		b := signMailgun(t, bytes.Replace(body, []byte(c.old), []byte(c.new), 1), "key", "more"+strconv.Itoa(i), testNow())
		if code := post(t, h, k, b, nil); code != http.StatusOK {
			t.Errorf("%s: %d", c.new, code)
		}
		if got := k.reports(); c.want == "" && got != nil || c.want != "" && (len(got) != 1 || got[0].Class != c.want) {
			t.Errorf("%s: %+v", c.new, got)
		}
	}
}

func signSendGrid(t testing.TB, r *http.Request, key *ecdsa.PrivateKey, body []byte, at time.Time) {
	t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256(append([]byte(stamp), body...))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	r.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
}

func TestSendGrid(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	h := sendgrid(testReader(), &key.PublicKey)
	h.now = testNow
	event := func(id, more string) string {
		return `{"sg_event_id":"` + id + `","email":"ada@example.com","timestamp":1795950000,"smtp-id":"<` + testToken + `@example.org>",` + more + `}`
	}
	body := []byte("[" + strings.Join([]string{
		event("1", `"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 5.1.1 no"`),
		event("2", `"event":"bounce","type":"blocked","status":"5.1.1","reason":"550 no"`),
		event("3", `"event":"bounce","type":"bounce","status":"5.2.2","reason":"552 5.2.2 full"`),
		event("4", `"event":"deferred","reason":"451 later"`), event("5", `"event":"delivered"`), event("6", `"event":"surprise"`),
		event("7", `"event":"spamreport"`), event("8", `"event":"group_unsubscribe"`),
		event("9", `"event":"dropped","reason":"Bounced Address"`), event("10", `"event":"dropped","reason":"Recipient List over Package Quota"`),
		event("11", `"event":"dropped","reason":"Spam Reporting Address"`), event("12", `"event":"dropped","reason":"Unsubscribed Address"`),
	}, ",\r\n") + "]\r\n")
	k := &kept{}
	for name, change := range map[string]func(*http.Request){
		"nothing":   nil,
		"other key": func(r *http.Request) { signSendGrid(t, r, other, body, testNow()) },
		"old":       func(r *http.Request) { signSendGrid(t, r, key, body, testNow().Add(-6*time.Minute)) },
		"future":    func(r *http.Request) { signSendGrid(t, r, key, body, testNow().Add(6*time.Minute)) },
		"trimmed":   func(r *http.Request) { signSendGrid(t, r, key, bytes.TrimSpace(body), testNow()) },
		"other time": func(r *http.Request) {
			signSendGrid(t, r, key, body, testNow())
			r.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", strconv.FormatInt(testNow().Unix()+1, 10))
		},
	} {
		if code := post(t, h, k, body, change); code != http.StatusForbidden || len(k.reports()) != 0 {
			t.Errorf("%s: %d", name, code)
		}
	}
	sign := func(r *http.Request) { signSendGrid(t, r, key, body, testNow()) }
	for range 2 {
		if code := post(t, h, k, body, sign); code != http.StatusOK {
			t.Fatalf("good: %d", code)
		}
	}
	var classes []Class
	for _, g := range k.reports() {
		classes = append(classes, g.Class)
		sound(t, g)
		if g.Token != testToken {
			t.Errorf("%+v", g)
		}
	}
	if got := fmt.Sprint(classes); got != "[hard block soft complaint unsubscribe hard block complaint unsubscribe]" {
		t.Error(got)
	}
	shape := []byte(`{"event":"bounce"}`)
	if code := post(t, h, k, shape, func(r *http.Request) { signSendGrid(t, r, key, shape, testNow()) }); code != http.StatusForbidden {
		t.Errorf("shape: %d", code)
	}
}

func TestWebhooksHaveBounds(t *testing.T) {
	h := mailgun(testReader(), announce.NewSecret("key"))
	k := &kept{}
	if code := post(t, h, k, bytes.Repeat([]byte(" "), mostBody+1), nil); code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", code)
	}
	if code := post(t, h, k, nil, func(r *http.Request) { r.Method = http.MethodGet }); code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", code)
	}
	p := &replays{seen: map[string]*call{}}
	for i := range mostReplays {
		if err := p.begin(strconv.Itoa(i), nil, testNow(), oldest); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.begin("one more", nil, testNow(), oldest); !errors.Is(err, errLater) {
		t.Errorf("a full memory forgets a signature that is still good: %v", err)
	}
	if err := p.begin("one more", nil, testNow().Add(oldest), oldest); err != nil || len(p.seen) != 1 {
		t.Errorf("%d remembered, %v", len(p.seen), err)
	}
}
