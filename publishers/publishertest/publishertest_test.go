package publishertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
)

func TestAnHonestChannelPasses(t *testing.T) {
	Run(t, boardCase(func(p *poster) announce.Publisher { return p }))
}

// liar is a channel that is honest but for one thing.
type liar struct {
	*poster
	name    string
	limits  func(announce.Limits) announce.Limits
	publish func(context.Context, announce.Message) (announce.Receipt, error)
	amend   func(context.Context, announce.Receipt, announce.Message) (announce.Receipt, error)
	retract func(context.Context, announce.Receipt) error
	find    func(context.Context, announce.Message, time.Time) (announce.Receipt, bool, error)
	check   func(context.Context) (announce.Report, error)
}

func (l *liar) Name() string {
	if l.name != "" {
		return l.name
	}
	return l.poster.Name()
}

func (l *liar) Limits() announce.Limits {
	if l.limits != nil {
		return l.limits(l.poster.Limits())
	}
	return l.poster.Limits()
}

func (l *liar) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if l.publish != nil {
		return l.publish(ctx, m)
	}
	return l.poster.Publish(ctx, m)
}

func (l *liar) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	if l.amend != nil {
		return l.amend(ctx, r, m)
	}
	return l.poster.Amend(ctx, r, m)
}

func (l *liar) Retract(ctx context.Context, r announce.Receipt) error {
	if l.retract != nil {
		return l.retract(ctx, r)
	}
	return l.poster.Retract(ctx, r)
}

func (l *liar) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	if l.find != nil {
		return l.find(ctx, m, since)
	}
	return l.poster.Find(ctx, m, since)
}

func (l *liar) Check(ctx context.Context) (announce.Report, error) {
	if l.check != nil {
		return l.check(ctx)
	}
	return l.poster.Check(ctx)
}

// mangled makes an honest Publish tell its errors otherwise.
func mangled(change func(*announce.Error) error) func(*liar) {
	return func(l *liar) {
		l.publish = func(ctx context.Context, m announce.Message) (announce.Receipt, error) {
			r, err := l.poster.Publish(ctx, m)
			var e *announce.Error
			if errors.As(err, &e) {
				return r, change(e)
			}
			return r, err
		}
	}
}

// A contract that no liar fails is no contract: each lie must turn exactly the clauses red that speak of it.
func TestLiarsAreCaught(t *testing.T) {
	any := func(*announce.Error) bool { return true }
	is := func(o announce.Outcome) func(*announce.Error) bool {
		return func(e *announce.Error) bool { return e.Outcome == o }
	}
	says := func(when func(*announce.Error) bool, o announce.Outcome) func(*liar) {
		return mangled(func(e *announce.Error) error {
			if when(e) {
				e.Outcome = o
			}
			return e
		})
	}
	const lost = "accepted and lost is settled with one post"
	for name, lie := range map[string]struct {
		tell func(*liar)
		red  []string // some of the clauses that must fail
	}{
		"lost calls are said to be temporary": {says(is(announce.Ambiguous), announce.Temporary), []string{
			"500 is ambiguous", "502 is ambiguous", "503 is ambiguous", "504 is ambiguous", "a hang is ambiguous", "a hang after acceptance is ambiguous",
			"a dropped connection is ambiguous", "a dropped kept connection is ambiguous", "a drop after acceptance is ambiguous",
			"a drop after acceptance on a kept connection is ambiguous", "a cut answer is ambiguous", "500 after acceptance is ambiguous",
			"a garbled success is ambiguous", "a truncated success is ambiguous", "an empty success is ambiguous", "cancelled after it left is ambiguous", lost}},
		"nothing is sure":         {says(any, announce.Ambiguous), []string{"a refused connection is temporary", "cancelled before it left is temporary", "400 is permanent", "401 stops the account", "429 with a wait is rate limited", "429 without a wait is rate limited"}},
		"a wait is only a delay":  {says(is(announce.RateLimited), announce.Temporary), []string{"429 with a wait is rate limited"}},
		"refusals are temporary":  {says(is(announce.Permanent), announce.Temporary), []string{"400 is permanent", "401 stops the account"}},
		"a dead token goes on":    {mangled(func(e *announce.Error) error { e.Stop = false; return e }), []string{"401 stops the account"}},
		"the wait is forgotten":   {mangled(func(e *announce.Error) error { e.RetryAfter = 0; return e }), []string{"429 with a wait is rate limited", "429 without a wait is rate limited"}},
		"failures are swallowed":  {mangled(func(*announce.Error) error { return nil }), []string{"500 is ambiguous", "400 is permanent", "a refused connection is temporary", lost}},
		"errors of another type":  {mangled(func(e *announce.Error) error { return errors.New(e.Fault) }), []string{"500 is ambiguous"}},
		"errors without a word":   {mangled(func(e *announce.Error) error { e.Fault = ""; return e }), []string{"500 is ambiguous"}},
		"the token is in faults":  {mangled(func(e *announce.Error) error { e.Fault += " " + token; return e }), []string{"500 is ambiguous", "a refused connection is temporary"}},
		"the token is in a cause": {mangled(func(e *announce.Error) error { e.Err = fmt.Errorf("POST /%s", token); return e }), []string{"500 is ambiguous"}},
		"posts twice": {func(l *liar) {
			l.publish = func(ctx context.Context, m announce.Message) (announce.Receipt, error) {
				if r, err := l.poster.Publish(ctx, m); err != nil {
					return r, err
				}
				return l.poster.Publish(ctx, m)
			}
		}, []string{"a message is published once", "sixteen at once are sixteen posts"}},
		"tries again by itself": {func(l *liar) {
			l.publish = func(ctx context.Context, m announce.Message) (announce.Receipt, error) {
				if r, err := l.poster.Publish(ctx, m); err == nil {
					return r, nil
				}
				return l.poster.Publish(ctx, m)
			}
		}, []string{"a dropped connection is ambiguous", "a drop after acceptance is ambiguous", "500 is ambiguous", lost}},
		"ignores the context": {func(l *liar) {
			l.publish = func(_ context.Context, m announce.Message) (announce.Receipt, error) {
				return l.poster.Publish(context.Background(), m)
			}
		}, []string{"cancelled before it left is temporary"}},
		"claims idempotency": {func(l *liar) {
			l.limits = func(x announce.Limits) announce.Limits { x.Idempotent = time.Hour; return x }
		}, []string{"a message is published once", lost}},
		"has a limit of its own": {func(l *liar) { l.limits = func(x announce.Limits) announce.Limits { x.Text = -1; return x } }, []string{"limits are sane"}},
		"has another name":       {func(l *liar) { l.name = "other" }, []string{"limits are sane"}},
		"gives no receipt": {func(l *liar) {
			l.publish = func(ctx context.Context, m announce.Message) (announce.Receipt, error) {
				_, err := l.poster.Publish(ctx, m)
				return announce.Receipt{}, err
			}
		}, []string{"a message is published once"}},
		"amends by posting anew": {func(l *liar) {
			l.amend = func(ctx context.Context, _ announce.Receipt, m announce.Message) (announce.Receipt, error) {
				return l.poster.Publish(ctx, m)
			}
		}, []string{"an amendment replaces the post"}},
		"amends nothing": {func(l *liar) {
			l.amend = func(_ context.Context, r announce.Receipt, _ announce.Message) (announce.Receipt, error) {
				return r, nil
			}
		}, []string{"an amendment replaces the post", "a failing amendment may be tried again"}},
		"retracts nothing": {func(l *liar) { l.retract = func(context.Context, announce.Receipt) error { return nil } }, []string{"a retraction takes the post away", "a failing retraction may be tried again"}},
		"retracts once": {func(l *liar) {
			l.retract = func(ctx context.Context, r announce.Receipt) error {
				_, err := l.poster.call(ctx, http.MethodDelete, "/posts/"+r.ID, nil, &r, false)
				return err
			}
		}, []string{"a retraction takes the post away"}},
		"finds everything": {func(l *liar) {
			l.find = func(context.Context, announce.Message, time.Time) (announce.Receipt, bool, error) {
				return announce.Receipt{ID: "1"}, true, nil
			}
		}, []string{"what was never sent is not found", "what was published is found"}},
		"finds nothing": {func(l *liar) {
			l.find = func(context.Context, announce.Message, time.Time) (announce.Receipt, bool, error) {
				return announce.Receipt{}, false, nil
			}
		}, []string{"what was published is found", lost}},
		"blind means not there": {func(l *liar) {
			l.find = func(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
				r, there, _ := l.poster.Find(ctx, m, since)
				return r, there, nil
			}
		}, []string{"looking during 500 is an error", "looking during a garbled answer is an error", "looking during an empty answer is an error", "looking during a cut answer is an error",
			"looking during a hang is an error", "looking during 429 is an error", "looking during 404 is an error"}},
		"always well": {func(l *liar) {
			l.check = func(context.Context) (announce.Report, error) { return announce.Report{}, nil }
		}, []string{"a dead credential is seen by the check"}},
		"never well": {func(l *liar) {
			l.check = func(context.Context) (announce.Report, error) {
				return announce.Report{Findings: []announce.Finding{{Severe: true, What: "ill", Do: "rest"}}}, nil
			}
		}, []string{"a sound account has no severe finding"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := boardCase(func(p *poster) announce.Publisher {
				l := &liar{poster: p}
				lie.tell(l)
				return l
			})
			for _, want := range lie.red {
				i := slices.IndexFunc(contract(), func(k check) bool { return k.name == want })
				if i < 0 {
					t.Fatalf("no clause %q", want)
				}
				if err := contract()[i].run(t, c); err == nil {
					t.Errorf("%q stays green", want)
				}
			}
		})
	}
}

func TestEveryClauseCanFail(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range contract() {
		if seen[k.name] {
			t.Errorf("%q is there twice", k.name)
		}
		seen[k.name] = true
		c := boardCase(func(p *poster) announce.Publisher { return silent{} })
		c.Can = nil
		c.Refusal = sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"error":"no"}`}
		if err := k.run(t, c); err == nil {
			t.Errorf("%q is green for a channel that does nothing", k.name)
		}
	}
}

// silent does nothing and claims success.
type silent struct{}

func (silent) Name() string            { return "silent" }
func (silent) Limits() announce.Limits { return announce.Limits{Text: 300} }
func (silent) Publish(context.Context, announce.Message) (announce.Receipt, error) {
	return announce.Receipt{}, nil
}
func (silent) Amend(context.Context, announce.Receipt, announce.Message) (announce.Receipt, error) {
	return announce.Receipt{}, nil
}
func (silent) Retract(context.Context, announce.Receipt) error { return nil }
func (silent) Find(context.Context, announce.Message, time.Time) (announce.Receipt, bool, error) {
	return announce.Receipt{}, true, nil
}
func (silent) Check(context.Context) (announce.Report, error) {
	return announce.Report{Findings: []announce.Finding{{Severe: true}}}, nil
}
