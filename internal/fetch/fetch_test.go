package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// here allows what httptest listens on, and no other address of this machine.
var here = Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// want holds an error to its reason, and to showing nothing of what was asked for.
func want(t *testing.T, err error, r Reason, hidden ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Reason != r {
		t.Fatalf("got %v, want the reason %q", err, r)
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		for _, h := range append(hidden, "127.0.0.1", "dial", "lookup", "http:") {
			if strings.Contains(cause.Error(), h) {
				t.Errorf("%q tells of %s", cause, h)
			}
		}
	}
}

func TestGet(t *testing.T) {
	site := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 || r.Referer() != "" || r.UserAgent() != "crieur" || r.Header.Get("Accept") != "image/png, image/jpeg" {
			t.Errorf("asked with %v", r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Content-Type", "IMAGE/PNG; name=\"a b\"; x")
		_, _ = io.WriteString(w, "0123456789")
	})
	c := New(here)
	for range 2 {
		body, media, err := c.Get(t.Context(), site+"/a.png#x", 10, "image/png", "image/jpeg")
		if err != nil || string(body) != "0123456789" || media != "image/png" {
			t.Fatalf("%q, %q, %v", body, media, err)
		}
	}
	_, _, err := c.Get(t.Context(), site, 9, "image/png", "image/jpeg")
	want(t, err, TooLarge)
}

func TestAnswers(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	site := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/forbidden":
			w.WriteHeader(http.StatusForbidden)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/untyped":
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "x")
		case "/page":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "x")
		case "/bomb":
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped.Bytes())
		case "/endless":
			w.Header().Set("Content-Type", "image/png")
			for {
				if _, err := w.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		case "/cut":
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		case "/declared":
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", "100000")
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 70<<10))
		}
	})
	c := New(here)
	for path, r := range map[string]Reason{
		"/gone": NotFound, "/missing": NotFound, "/forbidden": Unavailable, "/broken": Unavailable, "/empty": Unavailable, "/untyped": WrongType,
		"/page": WrongType, "/bomb": TooLarge, "/endless": TooLarge, "/cut": Unavailable, "/declared": TooLarge, "/headers": Unavailable,
	} {
		t.Run(path, func(t *testing.T) {
			_, _, err := c.Get(t.Context(), site+path, 5000, "image/png")
			want(t, err, r, path)
		})
	}
	if body, media, err := c.Get(t.Context(), site+"/untyped", 5); err != nil || string(body) != "x" || media != "" {
		t.Errorf("%q, %q, %v", body, media, err)
	}
}

func TestAddresses(t *testing.T) {
	c := New(here)
	for _, address := range []string{
		"", "x", "/x", "//example.org/x", "http://", "http:///x", "http://:80/", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/",
		"javascript:alert(1)", "data:image/png;base64,AA", "http://user:s3cr3t@example.org/", "http://user@example.org/", "http://a b/", "http://[::1", "HTTP://\x00",
	} {
		_, _, err := c.Get(t.Context(), address, 10)
		want(t, err, Address, "s3cr3t")
	}
}

func TestPrivateAddresses(t *testing.T) {
	site := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") })
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{})
	for _, host := range []string{
		"127.0.0.1", "0.0.0.0", "localhost", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]",
		"10.0.0.1", "192.168.0.1", "169.254.169.254", "[fd00:ec2::254]",
	} {
		_, _, err := c.Get(t.Context(), "http://"+host+":"+u.Port()+"/", 10)
		want(t, err, Private, host)
	}
}

// names answers every question with the given addresses.
func names(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			head := make([]byte, 2)
			if _, err := io.ReadFull(far, head); err != nil {
				return
			}
			raw := make([]byte, int(head[0])<<8|int(head[1]))
			if _, err := io.ReadFull(far, raw); err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(raw); err != nil {
				return
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			for _, q := range m.Questions {
				for _, s := range addresses {
					h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
					switch a := netip.MustParseAddr(s); {
					case a.Is4() && q.Type == dnsmessage.TypeA:
						m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
					case a.Is6() && q.Type == dnsmessage.TypeAAAA:
						m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
					}
				}
			}
			answer, err := m.Pack()
			if err != nil {
				return
			}
			_, _ = far.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
		}()
		return near, nil
	}}
}

func TestNamesOfPrivateAddresses(t *testing.T) {
	site := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
	address := strings.Replace(site, "127.0.0.1", "images.example.org", 1)
	for _, to := range [][]string{{"127.0.0.1"}, {"::1"}, {"127.0.0.1", "::1"}, {"::ffff:127.0.0.1"}, {"64:ff9b::7f00:1"}, {"169.254.169.254"}, {"10.0.0.1", "10.0.0.2"}} {
		_, _, err := build(Options{}, names(t, to...)).Get(t.Context(), address, 10)
		want(t, err, Private, "images.example.org", to[0])
	}
	if body, _, err := build(here, names(t, "127.0.0.1")).Get(t.Context(), address, 10); err != nil || string(body) != "x" {
		t.Errorf("the name does not lead where it should: %q, %v", body, err)
	}
	_, _, err := build(here, names(t)).Get(t.Context(), address, 10)
	want(t, err, Unavailable, "images.example.org")
}

func TestRedirects(t *testing.T) {
	elsewhere, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("this machine has no second loopback address: %v", err)
	}
	other := &httptest.Server{Listener: elsewhere, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was called") })}}
	other.Start()
	t.Cleanup(other.Close)
	_, port, err := net.SplitHostPort(elsewhere.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	site := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Referer() != "" {
			t.Errorf("the address before is told: %s", r.Referer())
		}
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "x")
	})
	hop := func(to string) string { return site + "/?to=" + url.QueryEscape(to) }
	c := New(here)
	if body, _, err := c.Get(t.Context(), hop(hop(hop(site))), 10); err != nil || string(body) != "x" {
		t.Errorf("three redirections: %q, %v", body, err)
	}
	for to, r := range map[string]Reason{
		hop(hop(hop(site))):          Redirected,
		other.URL:                    Private,
		"http://127.0.0.2:" + port:   Private,
		"http://0.0.0.0:" + port:     Private,
		"http://[::1]:" + port:       Private,
		"//127.0.0.2:" + port:        Private,
		hop(other.URL):               Private,
		"file:///etc/passwd":         Address,
		"ftp://example.org/":         Address,
		"http://user:pw@example.org": Address,
	} {
		_, _, err := c.Get(t.Context(), hop(to), 10)
		want(t, err, r, "127.0.0.2", "pw")
	}
}

func TestTimeout(t *testing.T) {
	done := make(chan struct{})
	site := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
		}
		<-done
	})
	defer close(done)
	for _, path := range []string{"/", "/body"} {
		o := here
		o.Timeout = 50 * time.Millisecond
		_, _, err := New(o).Get(t.Context(), site+path, 10)
		want(t, err, Timeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v hides the deadline", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := New(here).Get(ctx, site, 10)
	want(t, err, Unavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v hides that it was cancelled", err)
	}
}

func TestNoProxy(t *testing.T) {
	if New(here).http.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would be told every address, and would resolve names by itself")
	}
}

// A page answers when a reader would see something, also behind a redirection; a picture, or a page of any size, will do.
func TestPageAnswers(t *testing.T) {
	site := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/page", http.StatusFound)
		case "/page":
			w.Header().Set("Content-Length", "1000000")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/inside":
			http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	})
	c := New(here)
	for _, path := range []string{"/page", "/moved", "/empty"} {
		if err := c.Answers(t.Context(), site+path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for path, reason := range map[string]Reason{"/gone": NotFound, "/forbidden": Unavailable, "/inside": Private} {
		want(t, c.Answers(t.Context(), site+path), reason)
	}
	want(t, c.Answers(t.Context(), "ftp://example.org"), Address)
}
