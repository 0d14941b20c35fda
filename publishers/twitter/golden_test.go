package twitter_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// TestRequests compares what goes over the wire with testdata/requests.
func TestRequests(t *testing.T) {
	since := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	m := message(1)
	illustrated := message(2)
	illustrated.Images = []announce.Picture{
		{Data: picture(t, color.Gray{1}), Type: "image/png", Alt: "Affiche : « l’été »"}, {Data: picture(t, color.Gray{2}), Type: "image/png"},
	}
	neutral := message(3)
	neutral.Text = "Lisez README.md sur example.org"
	for name, act := range map[string]func(announce.Publisher) error{
		"publish":     func(p announce.Publisher) error { _, err := p.Publish(context.Background(), m); return err },
		"illustrated": func(p announce.Publisher) error { _, err := p.Publish(context.Background(), illustrated); return err },
		"neutral":     func(p announce.Publisher) error { _, err := p.Publish(context.Background(), neutral); return err },
		"find": func(p announce.Publisher) error {
			_, _, err := p.(announce.Finder).Find(context.Background(), m, since)
			return err
		},
		"check": func(p announce.Publisher) error {
			_, err := p.(announce.Checker).Check(context.Background())
			return err
		},
		"amend": func(p announce.Publisher) error {
			r, err := p.Publish(context.Background(), m)
			if err != nil {
				return err
			}
			_, err = p.(announce.Amender).Amend(context.Background(), r, illustrated)
			return err
		},
		"amend to the same": func(p announce.Publisher) error {
			r, err := p.Publish(context.Background(), m)
			if err != nil {
				return err
			}
			_, err = p.(announce.Amender).Amend(context.Background(), r, m)
			return err
		},
		"retract": func(p announce.Publisher) error {
			r, err := p.Publish(context.Background(), m)
			if err != nil {
				return err
			}
			return p.(announce.Retracter).Retract(context.Background(), r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := platform(t, (*twittertest.Platform).Premium)
			api, tape := record(t, p.Environ()["API"])
			settings := []string{"API", api, "HANDLE", "@meetup_sim"}
			if name != "find" && name != "check" {
				settings = append(settings, "HANDLE", "")
			}
			if name == "neutral" {
				settings = append(settings, "LINKS", "false")
			}
			if err := act(open(t, p, settings...)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "requests", strings.ReplaceAll(name, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(tape()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := tape(); got != string(want) {
				t.Errorf("%s:\n%s\nwant\n%s", file, got, want)
			}
		})
	}
}

// record passes requests on to api and keeps them, without what differs each time.
func record(t *testing.T, api string) (address string, tape func() string) {
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var b strings.Builder
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
		for _, k := range slices.Sorted(func(yield func(string) bool) {
			for k := range r.Header {
				if !yield(k) {
					return
				}
			}
		}) {
			fmt.Fprintf(&b, "%s: %s\n", k, strings.Join(r.Header[k], ", "))
		}
		fmt.Fprintf(&b, "\n%s\n\n", printable(body))
		mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		out := b.String()
		for _, c := range []struct{ what, with string }{
			{`oauth_(nonce|signature|timestamp|token)="[^"]*"`, `oauth_$1="…"`}, {`\b[0-9a-f]{60}\b`, "boundary"},
			{`\b[0-9]{19}\b`, "number"}, {`Content-Length: \d+\n`, ""}, {"\u200C", "<U+200C>"},
		} {
			out = regexp.MustCompile(c.what).ReplaceAllString(out, c.with)
		}
		return out
	}
}

// printable shows pictures by their size.
func printable(b []byte) string {
	s := strings.ReplaceAll(string(b), "\r\n", "\n")
	for {
		before, rest, found := strings.Cut(s, "\x89PNG")
		size := strings.Index(rest, "IEND") + len("IEND") + 4
		if !found || size > len(rest) {
			return s
		}
		s = before + fmt.Sprintf("(a picture of %d bytes)", size) + rest[size:]
	}
}
