package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxBody   = 8 << 20          // an answer longer than this is cut
	patience  = 90 * time.Second // for a call whose context has no nearer end
	maxHeader = 256 << 10
)

var errTooLong = errors.New("the answer is too long")

// Exchange is what went over the wire for one call. Read it when the call has returned.
type Exchange struct {
	mu     sync.Mutex
	sent   bool
	status int
	header http.Header
	body   []byte
	err    error // why there is no complete answer
	sink   io.Writer
}

type exchangeKey struct{}

// Watch returns a context whose request is noted in the Exchange. Use it for one request.
func Watch(ctx context.Context) (context.Context, *Exchange) {
	x := &Exchange{err: errors.New("no request was made")}
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// Header is the header that came back, or nil.
func (x *Exchange) Header() http.Header { x.mu.Lock(); defer x.mu.Unlock(); return x.header }

// transport speaks HTTP/1.1 only, where one connection carries one request at a time: so it is known exactly whether a
// request left. It takes no proxy from the environment.
type transport struct{ kept, fresh *http.Transport }

// newTransport asks guard, when not nil, before each connection.
func newTransport(guard control) *transport {
	kept := &http.Transport{
		DialContext:            guard.dial,
		TLSHandshakeTimeout:    10 * time.Second,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
	fresh := kept.Clone()
	fresh.DisableKeepAlives = true
	return &transport{kept: kept, fresh: fresh}
}

// RoundTrip sends the request at most once if it changes anything, and reads the whole answer. An answer cut short is
// handed on with its error at the end.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), patience)
	defer cancel()
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	if x == nil {
		x = &Exchange{}
	}
	var w wire
	out := req.Clone(httptrace.WithClientTrace(ctx, w.trace()))
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "crieur")
	}
	via := t.kept
	if out.Method != http.MethodGet && out.Method != http.MethodHead {
		// net/http repeats a request by itself when it can rewind the body, or when there is no body and the request
		// names an idempotency key; on a new connection it never does.
		out.GetBody = nil
		if out.Body == nil || out.Body == http.NoBody {
			via = t.fresh
		}
	}
	res, err := via.RoundTrip(out)
	if err != nil {
		x.note(w.left(), 0, nil, nil, bare(err))
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if x.sink != nil && res.StatusCode/100 == 2 {
		_, err := io.Copy(x.sink, res.Body)
		x.note(true, res.StatusCode, res.Header, nil, bare(err))
		res.Body, res.Request = http.NoBody, req
		return res, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if len(body) > maxBody {
		body, err = body[:maxBody], errTooLong
	}
	x.note(true, res.StatusCode, res.Header, body, bare(err))
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), ending{err}))
	res.Request = req
	return res, nil
}

// CloseIdleConnections is called by http.Client.
func (t *transport) CloseIdleConnections() {
	t.kept.CloseIdleConnections()
	t.fresh.CloseIdleConnections()
}

func (x *Exchange) note(sent bool, status int, header http.Header, body []byte, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent = x.sent || sent
	x.status, x.header, x.body, x.err = status, header, body, err
}

type ending struct{ err error }

func (e ending) Read([]byte) (int, error) {
	if e.err == nil {
		return 0, io.EOF
	}
	return 0, e.err
}

// wire knows whether anything of one request left: whether bytes went out on its connection since the request got it.
// A write counts from its beginning, and net/http closes the connection before it gives a request up.
type wire struct {
	mu     sync.Mutex
	conn   *countedConn
	before int64
}

func (w *wire) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		w.mu.Lock()
		defer w.mu.Unlock()
		c := i.Conn
		if t, ok := c.(*tls.Conn); ok {
			c = t.NetConn()
		}
		if w.conn, _ = c.(*countedConn); w.conn != nil {
			w.before = w.conn.writes.Load()
		}
	}}
}

func (w *wire) left() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn != nil && w.conn.writes.Load() != w.before
}

// countedConn counts writes that put out a byte or are under way.
type countedConn struct {
	net.Conn
	writes atomic.Int64
}

// control is as for net.Dialer.
type control func(network, address string, c syscall.RawConn) error

func (guard control) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: guard}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: c}, nil
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	n, err := c.Conn.Write(b)
	if n == 0 && err != nil {
		c.writes.Add(-1)
	}
	return n, err
}
