package publishertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
)

const token = "s3cr3t-t0k3n"

// board is the smallest platform: POST /posts, PUT and DELETE /posts/{id}, GET /posts.
type board struct {
	script sim.Script
	server *httptest.Server
	mu     sync.Mutex
	posts  []sim.Post
}

func newBoard() *board {
	b := &board{}
	b.server = httptest.NewServer(b.script.Wrap(http.HandlerFunc(b.serve)))
	return b
}

func (b *board) Script() *sim.Script        { return &b.script }
func (b *board) Environ() map[string]string { return map[string]string{"API": b.server.URL} }
func (b *board) Close()                     { b.script.Release(); b.server.Close() }
func (b *board) Posts() []sim.Post {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.posts)
}

func (b *board) serve(w http.ResponseWriter, r *http.Request) {
	var m announce.Message
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			w.WriteHeader(400)
			return
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/posts/"))
	known := i > 0 && i <= len(b.posts) && !b.posts[i-1].Deleted
	switch {
	case r.Method == http.MethodPost:
		i = len(b.posts) + 1
		b.posts = append(b.posts, sim.Post{ID: strconv.Itoa(i), Subject: m.Subject, Text: m.Text, Key: m.Key, At: time.Now()})
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(map[string]any{"posts": b.posts})
		return
	case !known:
		w.WriteHeader(404)
		return
	case r.Method == http.MethodPut:
		b.posts[i-1].Subject, b.posts[i-1].Text = m.Subject, m.Text
		b.posts[i-1].Edited++
	case r.Method == http.MethodDelete:
		b.posts[i-1].Deleted = true
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"id": strconv.Itoa(i)})
}

// poster is an honest channel for a board.
type poster struct{ api string }

func (p *poster) Name() string            { return "publishertest" }
func (p *poster) Limits() announce.Limits { return announce.Limits{Text: 300} }

func (p *poster) call(ctx context.Context, method, path string, body, into any, create bool) (int, error) {
	raw, _ := json.Marshal(body)
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, method, p.api+path, io.NopCloser(bytes.NewReader(raw)))
	if err != nil {
		return 0, err
	}
	lost := func(why string, err error) error {
		if create && wrote.Load() {
			return &announce.Error{Outcome: announce.Ambiguous, Fault: why, Err: err}
		}
		return &announce.Error{Outcome: announce.Temporary, Fault: why, Err: err}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, lost("no answer", err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	switch s := res.StatusCode; {
	case s == 429:
		wait, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		if wait == 0 {
			wait = 60
		}
		return s, &announce.Error{Outcome: announce.RateLimited, RetryAfter: time.Duration(wait) * time.Second, Fault: "wait"}
	case s == 401:
		return s, &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: "renew the token"}
	case s >= 500:
		return s, lost("failed", nil)
	case s >= 400:
		return s, &announce.Error{Outcome: announce.Permanent, Fault: "refused"}
	}
	if err != nil {
		return 0, lost("cut", err)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return 0, lost("garbled", err)
	}
	return res.StatusCode, nil
}

func (p *poster) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	var r announce.Receipt
	_, err := p.call(ctx, http.MethodPost, "/posts", m, &r, true)
	return r, err
}

func (p *poster) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	_, err := p.call(ctx, http.MethodPut, "/posts/"+r.ID, m, &r, false)
	return r, err
}

func (p *poster) Retract(ctx context.Context, r announce.Receipt) error {
	status, err := p.call(ctx, http.MethodDelete, "/posts/"+r.ID, nil, &r, false)
	if status == 404 {
		return nil
	}
	return err
}

func (p *poster) Find(ctx context.Context, m announce.Message, _ time.Time) (announce.Receipt, bool, error) {
	var list struct{ Posts []sim.Post }
	if _, err := p.call(ctx, http.MethodGet, "/posts", nil, &list, false); err != nil {
		return announce.Receipt{}, false, err
	}
	for _, post := range list.Posts {
		if post.Key == m.Key {
			return announce.Receipt{ID: post.ID}, true, nil
		}
	}
	return announce.Receipt{}, false, nil
}

func (p *poster) Check(ctx context.Context) (announce.Report, error) {
	var list struct{ Posts []sim.Post }
	_, err := p.call(ctx, http.MethodGet, "/posts", nil, &list, false)
	return announce.Report{}, err
}

func boardCase(wrap func(*poster) announce.Publisher) Case {
	return Case{
		Name: "board",
		Open: func(t testing.TB) (announce.Publisher, sim.Platform) {
			b := newBoard()
			t.Cleanup(b.Close)
			return wrap(&poster{api: b.server.URL}), b
		},
		Message: func(n int) announce.Message {
			return announce.Message{Key: fmt.Sprint("k", n), Subject: fmt.Sprintf("Rencontre nᵒ %03d", n), Text: fmt.Sprintf("Texte %d", n)}
		},
		Can: []string{"amend", "retract", "find", "check"}, Method: http.MethodPost, Create: "/posts",
		Window: time.Minute, Secrets: []string{token},
	}
}

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
