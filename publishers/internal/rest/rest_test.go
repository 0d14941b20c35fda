package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestByStatus(t *testing.T) {
	for status, want := range map[int]struct {
		create, other announce.Outcome
		stop          bool
	}{
		300: {announce.Ambiguous, announce.Temporary, false},
		301: {announce.Permanent, announce.Permanent, true},
		302: {announce.Ambiguous, announce.Temporary, false},
		303: {announce.Ambiguous, announce.Temporary, false},
		304: {announce.Ambiguous, announce.Temporary, false},
		307: {announce.Permanent, announce.Permanent, true},
		308: {announce.Permanent, announce.Permanent, true},
		400: {announce.Permanent, announce.Permanent, false},
		401: {announce.Permanent, announce.Permanent, true},
		402: {announce.Permanent, announce.Permanent, true},
		403: {announce.Permanent, announce.Permanent, false},
		404: {announce.Permanent, announce.Permanent, false},
		408: {announce.Ambiguous, announce.Temporary, false},
		409: {announce.Permanent, announce.Permanent, false},
		410: {announce.Permanent, announce.Permanent, false},
		413: {announce.Permanent, announce.Permanent, false},
		421: {announce.Temporary, announce.Temporary, false},
		422: {announce.Permanent, announce.Permanent, false},
		425: {announce.Temporary, announce.Temporary, false},
		429: {announce.RateLimited, announce.RateLimited, false},
		500: {announce.Ambiguous, announce.Temporary, false},
		501: {announce.Ambiguous, announce.Temporary, false},
		502: {announce.Ambiguous, announce.Temporary, false},
		503: {announce.Ambiguous, announce.Temporary, false},
		504: {announce.Ambiguous, announce.Temporary, false},
		529: {announce.Ambiguous, announce.Temporary, false},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
			t.Cleanup(other.Close)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", other.URL+"/elsewhere")
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(status)
			}))
			t.Cleanup(s.Close)
			c := client(t, s.URL)
			for _, create := range []bool{true, false} {
				for _, method := range []string{http.MethodPost, http.MethodGet} {
					_, err := c.Do(t.Context(), Call{Method: method, Path: "/x", Create: create})
					e, expected := outcome(t, err), want.other
					if create {
						expected = want.create
					}
					if e.Outcome != expected || e.Stop != want.stop || e.Status != fmt.Sprint(status) {
						t.Errorf("%s create=%t: is %s, stop=%t: %v", method, create, e.Outcome, e.Stop, e)
					}
					if e.Outcome == announce.RateLimited && e.RetryAfter != 5*time.Second {
						t.Errorf("waits %s", e.RetryAfter)
					}
				}
			}
			res, err := c.HTTP().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != status {
				t.Errorf("a library sees %d", res.StatusCode)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "0": 0, "-5": 0, "1.2": 2 * time.Second, "1000000000": day, "86400": day, "86401": day,
		"99999999999999999999999": day, "1e999": day, "NaN": 0, "Inf": day, "-Inf": 0, "soon": 0, "7 seconds": 0, "0x10": 0, "12:30": 0,
		"Sun, 14 Mar 2027 18:31:00 GMT": time.Minute, "Sun, 14 Mar 2027 18:29:00 GMT": 0, "Mon, 14 Mar 2033 18:31:00 GMT": day,
		"Sunday, 14-Mar-27 18:31:00 GMT": time.Minute, "Sun Mar 14 18:31:00 2027": time.Minute, "Sun, 14 Mar 2027 18:31:00 EST": 0,
	} {
		h := http.Header{}
		if v != "" {
			h.Set("Retry-After", v)
		}
		if got := RetryAfter(h, now); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

func TestTheVendorsRulesComeFirst(t *testing.T) {
	answer, status := `{"ok":false,"error":"nope"}`, 200
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	c := client(t, s.URL)
	rules := func(_ int, _ http.Header, body []byte) *announce.Error {
		var a struct{ Error string }
		if json.Unmarshal(body, &a) == nil && a.Error != "" {
			return &announce.Error{Outcome: announce.Permanent, Status: a.Error, Fault: "refused"}
		}
		return nil
	}
	call := post
	call.Classify = rules
	for _, status = range []int{200, 400, 500} {
		_, err := c.Do(t.Context(), call)
		if e := outcome(t, err); e.Status != "nope" || e.Outcome != announce.Permanent {
			t.Errorf("%d: %v", status, e)
		}
	}
	status, answer = 200, `{"ok":true}`
	var into struct{ OK bool }
	call.Into = &into
	if res, err := c.Do(t.Context(), call); err != nil || !into.OK || string(res.Body) != answer {
		t.Errorf("%v %+v", err, res)
	}
}

// A success that was cut short is nobody's to classify: the platform's rules would read half an answer.
func TestACutSuccessIsNotClassified(t *testing.T) {
	s := serve(t, func(_ int64, _ *http.Request, c net.Conn) bool {
		say(c, "HTTP/1.1 200 OK\nContent-Length: 100\n\n{\"error\":\"nope\"}")
		return false
	})
	call := post
	call.Classify = func(int, http.Header, []byte) *announce.Error {
		return &announce.Error{Outcome: announce.Permanent, Fault: "refused"}
	}
	_, err := client(t, s.url).Do(t.Context(), call)
	if e := outcome(t, err); e.Outcome != announce.Ambiguous {
		t.Errorf("is %s", e.Outcome)
	}
}

// Libraries lose headers, invent errors and swallow them. What went over the wire decides.
func TestJudgingALibrary(t *testing.T) {
	status, body := 200, "{}"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	c := client(t, s.URL)
	vendor := errors.New("slack server error: 429")
	for _, x := range []struct {
		status int
		lib    error
		want   announce.Outcome
		wait   time.Duration
		none   bool
	}{
		{200, nil, 0, 0, true},
		{200, vendor, announce.Ambiguous, 0, false},
		{429, vendor, announce.RateLimited, 9 * time.Second, false},
		{429, nil, announce.RateLimited, 9 * time.Second, false},
		{403, nil, announce.Permanent, 0, false},
		{503, nil, announce.Ambiguous, 0, false},
	} {
		status = x.status
		ctx, w := Watch(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("x"))
		res, err := c.HTTP().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		if string(got) != body || w.status != status || w.Header().Get("Retry-After") != "9" {
			t.Errorf("the library reads %q, status %d", got, w.status)
		}
		err = c.Judge(w, x.lib, true, nil)
		if x.none {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if e := outcome(t, err); e.Outcome != x.want || e.RetryAfter != x.wait {
			t.Errorf("%d, %v: is %s after %s: %v", x.status, x.lib, e.Outcome, e.RetryAfter, e)
		}
	}
	_, w := Watch(t.Context())
	if e := outcome(t, c.Judge(w, vendor, true, nil)); e.Outcome != announce.Temporary {
		t.Errorf("without any request: is %s", e.Outcome)
	}
}

func TestRequests(t *testing.T) {
	var got *http.Request
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	c, err := New("The board", s.URL+"/api/", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") })
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), Call{Method: http.MethodPost, Path: "/posts/a%2Fb", Query: url.Values{"q": {"é&"}}, Body: map[string]string{"t": "<à>"}, Header: http.Header{"x-a": {"1"}}})
	if err != nil || got.RequestURI != "/api/posts/a%2Fb?q=%C3%A9%26" || body != `{"t":"<à>"}` || got.Header.Get("X-A") != "1" || got.Header.Get("Authorization") != "Bearer x" ||
		got.Header.Get("User-Agent") != "crieur" || got.Header.Get("Content-Type") != "application/json; charset=utf-8" || got.ContentLength != int64(len(body)) {
		t.Errorf("%v\n%s %+v", err, got.RequestURI, got.Header)
	}
	signed := c.Through(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "OAuth y")
			return next.RoundTrip(r)
		})
	})
	if _, err := signed.Do(t.Context(), Call{Method: http.MethodPut, Raw: []byte("abc"), Type: "image/png"}); err != nil || got.Header.Get("Authorization") != "OAuth y" || body != "abc" || got.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%v\n%+v", err, got.Header)
	}
	if _, err := c.Do(t.Context(), Call{Method: "BAD METHOD"}); outcome(t, err).Outcome != announce.Permanent {
		t.Error(err)
	}
	if _, err := c.Do(t.Context(), Call{Method: http.MethodPost, Body: func() {}}); outcome(t, err).Outcome != announce.Permanent {
		t.Error(err)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCheckAddress(t *testing.T) {
	for _, ok := range []string{"https://slack.com/api", "https://slack.com:8443/", "http://127.0.0.1:1", "http://localhost:80/x", "http://[::1]:9/api"} {
		if err := CheckAddress(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "slack.com", "/api", "ftp://h/s3cr3t", "http://slack.com/s3cr3t", "http://127.0.0.1.evil.example/s3cr3t", "http://localhost.example/s3cr3t", "http://0.0.0.0/s3cr3t",
		"http://10.0.0.1/s3cr3t", "https://u:s3cr3t@slack.com", "https://slack.com?t=s3cr3t", "https://slack.com/#s3cr3t", "https://slack.com/?", "https://%zz/s3cr3t", "https://h/\ns3cr3t"} {
		err := CheckAddress(bad)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", bad, err)
		}
		if c, err := New("x", bad, nil); err == nil || c != nil || !strings.HasPrefix(err.Error(), "API: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Some platforms put the secret into the path. It stays out of every text, whatever goes wrong.
func TestErrorsShowNoAddress(t *testing.T) {
	const secret = "s3cr3t"
	s := serve(t, func(_ int64, r *http.Request, c net.Conn) bool {
		switch r.Header.Get("Do") {
		case "garble":
			say(c, "s3cr3t nonsense\n\n")
		case "redirect":
			say(c, "HTTP/1.1 302 Found\nLocation: https://other.example/s3cr3t\nContent-Length: 0\n\n")
		case "location":
			say(c, "HTTP/1.1 302 Found\nLocation: https://%zz/s3cr3t\nContent-Length: 0\n\n")
		case "cut":
			say(c, "HTTP/1.1 200 OK\nContent-Length: 50\n\ns3cr3t")
		case "json":
			say(c, "HTTP/1.1 200 OK\nContent-Length: 10\n\n\"s3cr3t\"\n")
			return true
		}
		return false
	})
	for _, do := range []string{"drop", "garble", "redirect", "location", "cut", "json", "refused", "library", "understood", "malformed"} {
		base := s.url
		if do == "refused" {
			base = "http://127.0.0.1:1"
		}
		c := client(t, base+"/"+secret)
		var into struct{ A int }
		call := Call{Method: http.MethodPost, Path: "/" + secret, Query: url.Values{"token": {secret}}, Header: http.Header{"Do": {do}}, Body: secret, Into: &into, Create: true}
		_, err := c.Do(t.Context(), call)
		if do == "malformed" {
			_, err = c.Do(t.Context(), Call{Method: http.MethodPost, Path: "/" + secret + "\n"})
		}
		if do == "understood" { // a complete answer that the library quarrels with, quoting its address
			err = c.Judge(&Exchange{status: 200}, fmt.Errorf("failed: %w", &url.Error{Op: "Post", URL: base + "/" + secret, Err: io.ErrUnexpectedEOF}), true, nil)
		}
		if do == "library" {
			ctx, x := Watch(t.Context())
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base+"/"+secret, strings.NewReader("x"))
			_, lib := c.HTTP().Do(req)
			err = c.Judge(x, fmt.Errorf("failed: %w", lib), true, nil)
		}
		outcome(t, err)
		for e := err; e != nil; e = errors.Unwrap(e) {
			if text := fmt.Sprintf("%v %+v", e, e); strings.Contains(text, secret) {
				t.Errorf("%s: %s", do, text)
			}
		}
	}
}
