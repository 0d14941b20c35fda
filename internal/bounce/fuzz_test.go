package bounce

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// FuzzMail: whatever comes, a report is complete, printable, and about a token of ours; and it is the same the next time.
func FuzzMail(f *testing.F) {
	for _, raw := range samples(f) {
		f.Add(raw, "")
		f.Add(bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")), "b+"+testToken+"@bounce.example.org")
	}
	f.Fuzz(func(t *testing.T, raw []byte, to string) {
		r := testReader()
		got := r.read(raw, []string{to})
		for _, g := range got {
			sound(t, g)
			if g.Token != testToken {
				t.Errorf("a foreign token: %+v", g)
			}
		}
		if !slices.Equal(got, r.read(raw, []string{to})) {
			t.Error("another answer the second time")
		}
	})
}

// FuzzDeliveryStatus: the body of a report's machine-readable part, inside an otherwise sound bounce.
func FuzzDeliveryStatus(f *testing.F) {
	for _, raw := range samples(f) {
		if _, after, ok := bytes.Cut(raw, []byte("Content-Type: message/delivery-status\n\n")); ok {
			part, _, _ := bytes.Cut(after, []byte("\n--"))
			f.Add(part)
		}
	}
	f.Fuzz(func(t *testing.T, status []byte) {
		l := &letter{status: status}
		for _, g := range testReader().bounces(l, []string{"b+" + testToken + "@bounce.example.org"}) {
			g.ID = "x"
			sound(t, g)
			if g.Class == Complaint || g.Class == Unsubscribe {
				t.Errorf("a bounce became %+v", g)
			}
		}
	})
}

// FuzzFeedback: the same for complaints.
func FuzzFeedback(f *testing.F) {
	for _, raw := range samples(f) {
		if _, after, ok := bytes.Cut(raw, []byte("Content-Type: message/feedback-report\n\n")); ok {
			part, _, _ := bytes.Cut(after, []byte("\n--"))
			f.Add(part)
		}
	}
	f.Fuzz(func(t *testing.T, feedback []byte) {
		for _, g := range testReader().complaint(&letter{feedback: feedback}, []string{"b+" + testToken + "@bounce.example.org"}) {
			g.ID = "x"
			sound(t, g)
			if g.Class != Complaint && g.Class != Unsubscribe {
				t.Errorf("a complaint became %+v", g)
			}
		}
	})
}

// FuzzReturnPath: what is read can be made again, and says the same.
func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"b+" + testToken + "@bounce.example.org", "<B+ABC@BOUNCE.EXAMPLE.ORG>", "b+@bounce.example.org", "b+a@b+c@bounce.example.org", "b+a\r\n@bounce.example.org", "b+İ@bounce.example.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		token, ok := ReadReturnPath("b", "bounce.example.org", s)
		if !ok {
			return
		}
		a, err := ReturnPath("b", "bounce.example.org", token)
		if err != nil || !strings.EqualFold(strings.Trim(strings.TrimSuffix(strings.Trim(strings.TrimSpace(s), "<>"), "."), "<>"), a) {
			t.Fatalf("%q became %q, %v", s, a, err)
		}
	})
}

// FuzzWebhooks: a stranger's body is never a report, nor, with a genuine signature, an unsound one.
func FuzzWebhooks(f *testing.F) {
	for _, s := range webhookBodies() {
		f.Add([]byte(s))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	r := testReader()
	amazonOurs, _ := newTestSNS(f)
	hooks := map[string]*hook{
		sourcePostmark: postmark(r, "u", announce.NewSecret("p")), sourceMailgun: mailgun(r, announce.NewSecret("k")),
		sourceSendGrid: sendgrid(r, &key.PublicKey), sourceSES: amazonOurs,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, h := range hooks {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			if d, err := h.read(req, body, testNow()); err == nil {
				t.Fatalf("%s took what nobody signed: %+v", name, d)
			}
			var sent []byte
			switch name {
			case sourcePostmark:
				req.SetBasicAuth("u", "p")
				sent = body
			case sourceSendGrid:
				sent = body
				signSendGrid(t, req, key, body, testNow())
			case sourceMailgun:
				sent = signMailgun(t, body, "k", "token", testNow())
			case sourceSES:
				continue
			}
			d, err := h.read(req, sent, testNow())
			if err != nil && len(d.reports) > 0 {
				t.Errorf("%s refused and reports", name)
			}
			for _, g := range d.reports {
				sound(t, g)
			}
		}
		a := &amazon{reader: r, topic: testTopic}
		reports, _ := a.notification(sns{Message: string(body)}, testNow())
		for _, g := range reports {
			sound(t, g)
		}
	})
}
