package rest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// server speaks raw HTTP/1.1: each request goes to serve, with its number and the connection it came on.
type server struct {
	url      string
	requests atomic.Int64
}

func serve(t *testing.T, answer func(n int64, r *http.Request, c net.Conn) (keep bool)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); _ = l.Close(); wg.Wait() })
	s := &server{url: "http://" + l.Addr().String()}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			gone := make(chan struct{})
			wg.Go(func() {
				select {
				case <-stop:
				case <-gone:
				}
				_ = c.Close()
			})
			wg.Go(func() {
				defer close(gone)
				for r := bufio.NewReader(c); ; {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, req.Body); err != nil {
						return
					}
					if !answer(s.requests.Add(1), req, c) {
						return
					}
				}
			})
		}
	})
	return s
}

func say(c net.Conn, s string) { _, _ = io.WriteString(c, strings.ReplaceAll(s, "\n", "\r\n")) }

const fine = "HTTP/1.1 200 OK\nContent-Length: 11\n\n" + `{"ok":true}`

func client(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New("The board", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.HTTP().CloseIdleConnections)
	return c
}

func outcome(t *testing.T, err error) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) || e.Fault == "" {
		t.Fatalf("want an *announce.Error with a fault, got %T: %v", err, err)
	}
	return e
}

var post = Call{Method: http.MethodPost, Path: "/posts", Body: map[string]string{"text": "à"}, Create: true}

// net/http repeats some requests by itself when a kept connection dies. A post must not be among them.
func TestNothingIsSentTwice(t *testing.T) {
	key := http.Header{"Idempotency-Key": {"k1"}}
	for name, call := range map[string]Call{
		"POST":                      post,
		"POST with a key":           {Method: http.MethodPost, Path: "/posts", Body: 1, Header: key, Create: true},
		"POST raw with a key":       {Method: http.MethodPost, Path: "/posts", Raw: []byte("x"), Type: "text/plain", Header: http.Header{"X-Idempotency-Key": {"k1"}}, Create: true},
		"POST empty":                {Method: http.MethodPost, Path: "/posts", Create: true},
		"POST empty with a key":     {Method: http.MethodPost, Path: "/posts", Header: key, Create: true},
		"PUT with a key":            {Method: http.MethodPut, Path: "/posts", Body: 1, Header: key, Create: true},
		"DELETE empty with a key":   {Method: http.MethodDelete, Path: "/posts", Header: key, Create: true},
		"PATCH with an oauth token": {Method: http.MethodPatch, Path: "/posts", Body: 1, Header: http.Header{"Authorization": {"x"}}, Create: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(n int64, r *http.Request, c net.Conn) bool {
				if n == 1 {
					say(c, fine)
					return true
				}
				return false // read, never answered
			})
			c := client(t, s.url)
			if _, err := c.Do(t.Context(), call); err != nil {
				t.Fatal(err)
			}
			_, err := c.Do(t.Context(), call)
			if e := outcome(t, err); e.Outcome != announce.Ambiguous {
				t.Errorf("is %s: %v", e.Outcome, e)
			}
			if n := s.requests.Load(); n != 2 {
				t.Errorf("the server saw %d requests for two calls", n)
			}
		})
	}
}

// "Not sent" is a promise: whenever a cancelled call says so, the server never had the whole request.
func TestNotSentIsCertain(t *testing.T) {
	var seen sync.Map
	s := serve(t, func(_ int64, r *http.Request, c net.Conn) bool {
		seen.Store(r.Header.Get("N"), true)
		say(c, fine)
		return true
	})
	c := client(t, s.url)
	var sent, unsent, done int
	for n := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		if n%3 == 0 {
			c.HTTP().CloseIdleConnections()
		}
		time.AfterFunc(time.Duration(rand.IntN(250))*time.Microsecond, cancel)
		id := strconv.Itoa(n)
		_, err := c.Do(ctx, Call{Method: http.MethodPost, Body: n, Header: http.Header{"N": {id}}, Create: true})
		cancel()
		if err == nil {
			done++
			continue
		}
		if e := outcome(t, err); e.Outcome == announce.Ambiguous {
			sent++
			continue
		}
		unsent++
		if _, there := seen.Load(id); there {
			t.Fatal("the server saw a request that was said not to have left")
		}
	}
	t.Logf("%d answered, %d ambiguous, %d not sent", done, sent, unsent)
}

func TestWhatBecameOfACall(t *testing.T) {
	const big = 9 << 20
	for name, x := range map[string]struct {
		answer   string // "" hangs
		drop     bool
		create   announce.Outcome
		read     announce.Outcome
		complete bool
	}{
		"hang":                 {create: announce.Ambiguous, read: announce.Temporary},
		"dropped":              {drop: true, create: announce.Ambiguous, read: announce.Temporary},
		"not HTTP":             {answer: "SSH-2.0-OpenSSH_9.6\n", drop: true, create: announce.Ambiguous, read: announce.Temporary},
		"cut in the header":    {answer: "HTTP/1.1 200 OK\nContent-Le", drop: true, create: announce.Ambiguous, read: announce.Temporary},
		"cut in the body":      {answer: "HTTP/1.1 200 OK\nContent-Length: 100\n\n{\"ok\":true}", drop: true, create: announce.Ambiguous, read: announce.Temporary},
		"cut in a chunk":       {answer: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n100\n{\"ok\":true}", drop: true, create: announce.Ambiguous, read: announce.Temporary},
		"stalled in the body":  {answer: "HTTP/1.1 200 OK\nContent-Length: 100\n\n{\"ok\":", create: announce.Ambiguous, read: announce.Temporary},
		"truncated JSON":       {answer: "HTTP/1.1 200 OK\nContent-Length: 7\n\n{\"ok\":t", create: announce.Ambiguous, read: announce.Temporary},
		"HTML":                 {answer: "HTTP/1.1 200 OK\nContent-Length: 9\n\n<p>Hi</p>", create: announce.Ambiguous, read: announce.Temporary},
		"nothing":              {answer: "HTTP/1.1 204 No Content\n\n", create: announce.Ambiguous, read: announce.Temporary},
		"endless":              {answer: "HTTP/1.1 200 OK\nContent-Length: 9437184\n\n" + strings.Repeat(" ", big), create: announce.Ambiguous, read: announce.Temporary},
		"refused, body cut":    {answer: "HTTP/1.1 400 Bad Request\nContent-Length: 100\n\n{\"ok\":", drop: true, create: announce.Permanent, read: announce.Permanent},
		"429, body cut":        {answer: "HTTP/1.1 429 Slow Down\nRetry-After: 3\nContent-Length: 100\n\n", drop: true, create: announce.RateLimited, read: announce.RateLimited},
		"500, body cut":        {answer: "HTTP/1.1 500 Oops\nContent-Length: 100\n\n", drop: true, create: announce.Ambiguous, read: announce.Temporary},
		"early hints, then ok": {answer: "HTTP/1.1 103 Early Hints\n\n" + fine, complete: true},
	} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{}, 2)
			s := serve(t, func(_ int64, _ *http.Request, c net.Conn) bool {
				say(c, x.answer)
				arrived <- struct{}{}
				if x.drop || x.complete {
					return x.complete
				}
				_, _ = c.Read(make([]byte, 1)) // until the client goes away
				return false
			})
			c := client(t, s.url)
			for _, create := range []bool{true, false} {
				ctx, cancel := context.WithCancelCause(t.Context())
				hangs := !x.drop && (x.answer == "" || name == "stalled in the body")
				go func() {
					<-arrived
					if hangs {
						cancel(context.DeadlineExceeded)
					}
				}()
				var into struct{ OK bool }
				res, err := c.Do(ctx, Call{Method: http.MethodPost, Body: 1, Create: create, Into: &into})
				cancel(nil)
				if x.complete {
					if err != nil || !into.OK || res.Status != 200 {
						t.Errorf("%v, %+v", err, res)
					}
					continue
				}
				want := x.read
				if create {
					want = x.create
				}
				if e := outcome(t, err); e.Outcome != want {
					t.Errorf("create=%t: is %s, want %s: %v", create, e.Outcome, want, e)
				}
			}
		})
	}
}

func TestNothingLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	_ = l.Close()
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.EnableHTTP2 = true
	tls.StartTLS()
	t.Cleanup(tls.Close)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	silent := serve(t, func(int64, *http.Request, net.Conn) bool { return false })
	mute := strings.Replace(silent.url, "http:", "https:", 1) // never answers the handshake with TLS
	for name, x := range map[string]struct {
		ctx context.Context
		url string
		say string
	}{
		"refused":             {t.Context(), closed, "refuses connections"},
		"cancelled":           {cancelled, silent.url, "cancelled before it left"},
		"untrusted":           {t.Context(), tls.URL, "not trusted"},
		"no TLS on the other": {t.Context(), mute, "connection failed"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, x1 := Watch(x.ctx)
			c := client(t, x.url)
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, x.url, strings.NewReader("x"))
			res, err := c.HTTP().Do(req)
			if err == nil {
				_ = res.Body.Close()
			}
			e := outcome(t, c.Judge(x1, err, true, nil))
			if e.Outcome != announce.Temporary || x1.sent || !strings.Contains(e.Fault, x.say) {
				t.Errorf("is %s (sent %t): %v", e.Outcome, x1.sent, e)
			}
		})
	}
	if n := silent.requests.Load(); n != 0 {
		t.Errorf("the server saw %d requests", n)
	}
}

func TestOnlyBytesOfThisRequestCount(t *testing.T) {
	near, far := net.Pipe()
	c := &countedConn{Conn: near}
	go func() { _, _ = io.Copy(io.Discard, far) }()
	_, _ = c.Write([]byte("an earlier request"))
	var w wire
	w.trace().GotConn(httptrace.GotConnInfo{Conn: c, Reused: true})
	if w.left() {
		t.Error("counts what went before")
	}
	_ = far.Close()
	_ = near.Close()
	if _, err := c.Write([]byte("x")); err == nil || w.left() {
		t.Errorf("counts a write that put out nothing (%v)", err)
	}
}
