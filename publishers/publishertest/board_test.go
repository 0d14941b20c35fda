package publishertest

import (
	"bytes"
	"context"
	"encoding/json"
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
