package rest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

var loopbacks = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}

func TestAGuardedClientSendsNothingToPrivateAddresses(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"} {
		c, err := NewGuarded("The receiver", "https://"+host+":"+port, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []Call{post, {Method: http.MethodDelete}, {Method: http.MethodGet}} {
			_, err = c.Do(t.Context(), call)
			e := outcome(t, err)
			if e.Outcome != announce.Permanent || !e.Stop || !strings.Contains(e.Fault, "private") || strings.Contains(err.Error()+e.Err.Error(), host) {
				t.Errorf("%s %s: is %s, stop %t: %v", call.Method, host, e.Outcome, e.Stop, e)
			}
		}
	}
}

func TestAGuardedClientReachesWhatIsAllowed(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(s.Close)
	c, err := NewGuarded("The receiver", s.URL+"/", nil, loopbacks...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.HTTP().CloseIdleConnections)
	if _, err := c.Do(t.Context(), post); err != nil {
		t.Error(err)
	}
	c, err = NewGuarded("The receiver", strings.Replace(s.URL, "127.0.0.1", "0.0.0.0", 1), nil, loopbacks...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), post)
	if e := outcome(t, err); !e.Stop {
		t.Errorf("reaches what is not allowed: %v", e)
	}
}

func TestGuardedAddresses(t *testing.T) {
	for base, want := range map[string]struct{ without, with bool }{
		"https://hooks.example.org":      {true, true},
		"https://hooks.example.org/a":    {true, true},
		"http://hooks.example.org":       {false, true},
		"http://127.0.0.1:1":             {false, true},
		"https://u:p@hooks.example.org":  {false, false},
		"https://hooks.example.org/?a=b": {false, false},
		"ftp://hooks.example.org":        {false, false},
		"hooks.example.org":              {false, false},
	} {
		if _, err := NewGuarded("x", base, nil); (err == nil) != want.without {
			t.Errorf("%s: %v", base, err)
		}
		if _, err := NewGuarded("x", base, nil, loopbacks...); (err == nil) != want.with {
			t.Errorf("%s with what is allowed: %v", base, err)
		}
	}
}

// One client serves many servers by the same rules.
func TestAnotherServer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/push?token=a" {
			t.Errorf("called at %s", r.URL)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	post := Call{Method: http.MethodPost, Path: "/push?token=a"}
	allowed, err := NewGuarded("x", "https://example.org", nil, loopbacks...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(allowed.HTTP().CloseIdleConnections)
	c, err := allowed.At(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), post); err != nil || Private(err) || allowed.Base() != "https://example.org" {
		t.Errorf("%v, base %s", err, allowed.Base())
	}
	strict, err := NewGuarded("x", "https://example.org", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strict.At(s.URL); err == nil {
		t.Error("takes plain http")
	}
	if c, err = strict.At(strings.Replace(s.URL, "http:", "https:", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err = c.Do(t.Context(), post); !Private(err) {
		t.Errorf("the guard was lost: %v", err)
	}
}
