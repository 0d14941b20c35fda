package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/templates"
)

// site is a server with an embedded record, reached over HTTP, whose clock is set by hand.
type site struct {
	*testing.T
	store  *store.DB
	people *people.Service
	links  *people.Links
	url    string
	dir    string

	options broadcast.Options // of the service behind it

	mu      sync.Mutex
	now     time.Time
	letters []people.Letter // that were put on record
}

func newSite(t *testing.T, with func(*Options)) *site {
	s := &site{T: t, dir: t.TempDir(), now: time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Dir: s.dir, MinFree: -1, Clock: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, topic := range []store.Topic{
		{Name: "python", Facet: "theme", Labels: map[announce.Language]string{"fr": "Python et données", "en": "Python and data"}, Place: 1},
		{Name: "quebec", Facet: "place", Labels: map[announce.Language]string{"fr": "Québec", "en": "Quebec City"}, Place: 2},
		{Name: "board", Private: true, Labels: map[announce.Language]string{"fr": "Bureau"}, Place: 3},
	} {
		if err := db.PutTopic(ctx, topic, "test"); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server := httptest.NewUnstartedServer(nil)
	place := announce.Site{Name: "Club d’essai", URL: "http://" + server.Listener.Addr().String(), Postal: "1, rue du Test, Québec", Zone: "America/Toronto", Languages: []announce.Language{"fr", "en"}}
	s.store, s.links, s.url = db, people.NewLinks(place.URL, []byte("a key of the test")), place.URL
	s.people = people.New(people.Options{
		Store: db, Links: s.links, Site: place, Channels: []string{email, webpush}, Log: log,
		Write: func(_ context.Context, l people.Letter) error {
			s.letters = append(s.letters, l)
			return nil
		},
	})
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Store: db, Site: place, Links: s.links, People: s.people, Metrics: prometheus.NewRegistry(), Version: "test", Log: log,
	}
	s.options = broadcast.Options{Store: db, Templates: set, Links: s.links, Site: place, Log: log}
	o.Service = broadcast.New(s.options)
	if with != nil {
		with(&o)
	}
	server.Config.Handler = Handler(o)
	server.Start()
	t.Cleanup(server.Close)
	return s
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// got is what a request got.
type got struct {
	status int
	header http.Header
	body   string
}

func (s *site) do(method, path, kind, body string, header ...string) got {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: time.Minute}
	w, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		s.Fatal(err)
	}
	if w.Header.Get("Set-Cookie") != "" {
		s.Errorf("%s %s sets a cookie", method, path)
	}
	return got{w.StatusCode, w.Header, string(b)}
}

func (s *site) get(path string, header ...string) got {
	s.Helper()
	return s.do(http.MethodGet, path, "", "", header...)
}

func (s *site) post(path string, form url.Values, header ...string) got {
	s.Helper()
	return s.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(), header...)
}

// joined is an active address, with the links of its messages.
func (s *site) joined(address string, topics ...string) store.Address {
	s.Helper()
	a := store.Address{Channel: email, Address: address, Language: "fr", Standing: store.Active, Frequency: store.Now, Everything: len(topics) == 0, Topics: topics}
	if _, err := s.store.AddAddresses(s.Context(), []store.Address{a}, store.Deed{Act: store.Added, How: "test"}); err != nil {
		s.Fatal(err)
	}
	return s.known(address)
}

func (s *site) known(address string) store.Address {
	s.Helper()
	a, err := s.store.AddressOf(s.Context(), email, address)
	if err != nil {
		s.Fatalf("%s: %v", address, err)
	}
	return a
}

func (s *site) link(p people.Purpose, id int64) string {
	return strings.TrimPrefix(s.links.Make(p, people.Bearer{Address: id}, s.clock()), s.url)
}

// written are the letters that became due.
func (s *site) written() []people.Letter {
	s.Helper()
	if err := s.people.Send(s.Context()); err != nil {
		s.Fatal(err)
	}
	return s.letters
}

// record is everything that is stored, byte for byte.
func (s *site) record() [32]byte {
	s.Helper()
	var all bytes.Buffer
	files, err := filepath.Glob(filepath.Join(s.dir, "*.db*"))
	if err != nil || len(files) == 0 {
		s.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "-shm") {
			continue // how readers find their way, no content
		}
		b, err := os.ReadFile(name)
		if err != nil {
			s.Fatal(err)
		}
		all.WriteString(filepath.Base(name) + strconv.Itoa(len(b)))
		all.Write(b)
	}
	return sha256.Sum256(all.Bytes())
}

// fields are what the first form of a page would send, unchanged.
func fields(t *testing.T, page string) url.Values {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	v, seen := url.Values{}, false
	for n := range root.Descendants() {
		if n.Data == "form" && !seen {
			seen = true
			for in := range n.Descendants() {
				kind, _ := attr(in, "type")
				_, checked := attr(in, "checked")
				if name, named := attr(in, "name"); named && in.Data == "input" && (kind != "radio" && kind != "checkbox" || checked) {
					value, _ := attr(in, "value")
					v.Add(name, value)
				}
			}
		}
	}
	if !seen {
		t.Fatalf("no form:\n%s", page)
	}
	return v
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// called gives an address a name, by its person.
func called(name string) func(*store.Address) error {
	return func(a *store.Address) error { a.Name = name; return nil }
}

func deed() store.Deed { return store.Deed{Act: store.Changed, How: "test"} }

// purposeOf is what the link of a letter is for.
func purposeOf(k announce.Kind) people.Purpose {
	if k == announce.KindConfirm {
		return people.Confirm
	}
	return people.Preferences
}
