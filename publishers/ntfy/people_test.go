package ntfy

import (
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/ntfy/ntfytest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

func each(t testing.TB) (announce.Publisher, *ntfytest.Platform) {
	t.Helper()
	platform := ntfytest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	p, err := New(Config{People: true, Token: announce.NewSecret(env["TOKEN"]), API: env["API"]}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func personal(n int) announce.Message {
	m := message(n)
	m.To, m.Name, m.Unsubscribe = "ada-x7Kq", "Ada *L*", "https://crieur.example.org/u/a_b?x=1&y=2"
	m.Text += "\n\nBonjour" + announce.NameMark + ". Ne plus recevoir : " + announce.UnsubscribeMark
	return m
}

func TestContractOfPeople(t *testing.T) {
	publishertest.Run(t, publishertest.Case{
		Name:    "people",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return each(t) },
		Message: personal, Can: []string{"amend", "retract", "find", "check"}, Method: "POST", Window: window, Secrets: []string{ntfytest.Token},
		Unauthorized:    sim.Fault{Kind: sim.Answer, Status: 401, Body: `{"code":40101,"http":401,"error":"unauthorized"}`},
		RateLimitedBare: sim.Fault{Kind: sim.Answer, Status: 429, Body: `{"code":42901,"http":429,"error":"limit reached: too many requests"}`},
		Refusal:         sim.Fault{Kind: sim.Answer, Status: 413, Body: `{"code":41303,"http":413,"error":"JSON body too large"}`},
	})
}

func TestWhatAPersonGets(t *testing.T) {
	p, platform := each(t)
	r, err := p.Publish(t.Context(), personal(1))
	if err != nil || r.ID != "ada-x7Kq/"+personal(1).Key || !strings.HasSuffix(r.URL, "/ada-x7Kq") {
		t.Fatalf("%+v, %v", r, err)
	}
	post := platform.Posts()[0]
	if post.Author != "ada-x7Kq" || !strings.HasSuffix(post.Text, "Bonjour Ada *L*. Ne plus recevoir : https://crieur.example.org/u/a_b?x=1&y=2") {
		t.Errorf("%+v", post)
	}
}

// A topic that cannot be written to concerns its person only, and a dead token everybody.
func TestTopicsThatAreGone(t *testing.T) {
	p, platform := each(t)
	for to, gone := range map[string]bool{"": true, "https://ntfy.sh/ada": true, "docs": true, "ada": false} {
		m := personal(1)
		m.To = to
		_, err := p.Publish(t.Context(), m)
		if !gone {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if e := fault(t, err); e.Outcome != announce.Permanent || !e.Gone || e.Stop {
			t.Errorf("%q: %#v", to, e)
		}
	}
	platform.Change(func(s *ntfytest.Server) { s.ReadOnly = true })
	if _, err := p.Publish(t.Context(), personal(2)); fault(t, err).Stop || fault(t, err).Gone || fault(t, err).Outcome != announce.Permanent {
		t.Errorf("%#v", err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), announce.Receipt{ID: "odd"}); fault(t, err).Outcome != announce.Permanent {
		t.Errorf("%#v", err)
	}
}

func TestConfigurationOfPeople(t *testing.T) {
	for _, c := range []Config{{API: "https://ntfy.sh"}, {API: "https://ntfy.sh", People: true, Topic: "all"}} {
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), "TOPIC: ") || !strings.Contains(err.Error(), "PEOPLE=true") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAddress(t *testing.T) {
	for written, want := range map[string]string{" ada-x7Kq\n": "ada-x7Kq", "https://ntfy.sh/ada": "", "": "", "ada/b": "", "é": ""} {
		if got, err := Address(written); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
}
