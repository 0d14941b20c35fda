package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
)

func read(t testing.TB, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHeaders(t *testing.T) {
	h := served(t)
	for path, media := range map[string]string{
		"/feeds/fr/rss.xml": "application/rss+xml; charset=utf-8", "/feeds/atom.xml": "application/atom+xml; charset=utf-8",
		"/feeds/en/feed.json": "application/feed+json; charset=utf-8", "/feeds/events.ics": "text/calendar; charset=utf-8",
		"/a/01a": "text/html; charset=utf-8", "/a/01a.ics": "text/calendar; charset=utf-8", "/a/01a/image/1": "image/png", "/events": "text/html; charset=utf-8",
		"/feeds/feed.css": "text/css; charset=utf-8",
	} {
		w := get(t, h, path)
		head := w.Header()
		etag := head.Get("ETag")
		if w.Code != 200 || head.Get("Content-Type") != media || !strings.HasPrefix(etag, `"`) || !strings.Contains(head.Get("Cache-Control"), "max-age") || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %v", path, w.Code, head)
		}
		if path != "/feeds/feed.css" && head.Get("Last-Modified") != "Fri, 10 Sep 2027 12:30:00 GMT" && path != "/a/01a/image/1" {
			t.Errorf("%s: modified %s", path, head.Get("Last-Modified"))
		}
		for what, header := range map[string][]string{
			"same tag": {"If-None-Match", etag}, "one of several tags": {"If-None-Match", `"x", ` + etag}, "same time": {"If-Modified-Since", head.Get("Last-Modified")},
			"the tag wins": {"If-None-Match", etag, "If-Modified-Since", "Mon, 06 Sep 1999 12:30:00 GMT"},
		} {
			if path == "/feeds/feed.css" && what == "same time" {
				continue // it is as old as the program, which knows no date
			}
			if w := get(t, h, path, header...); w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != etag {
				t.Errorf("%s, %s: %d", path, what, w.Code)
			}
		}
		for what, header := range map[string][]string{
			"another tag": {"If-None-Match", `"x"`}, "an older time": {"If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", "If-None-Match", `"x"`},
			"another tag wins": {"If-None-Match", `"x"`, "If-Modified-Since", head.Get("Last-Modified")},
		} {
			if w := get(t, h, path, header...); w.Code != 200 {
				t.Errorf("%s, %s: %d", path, what, w.Code)
			}
		}
		if w := request(t, h, http.MethodHead, path); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("ETag") != etag || w.Header().Get("Content-Length") == "" {
			t.Errorf("HEAD %s: %d, %d bytes, %v", path, w.Code, w.Body.Len(), w.Header())
		}
		if w := request(t, h, http.MethodPost, path); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
	links := strings.Join(get(t, h, "/feeds/rss.xml").Header().Values("Link"), ", ")
	if links != `<https://cafe.example.org/feeds/fr/rss.xml>; rel="self", <https://hub.example.org/>; rel="hub"` {
		t.Errorf("a feed under its short address names itself and its hub by %s", links)
	}
	if links := get(t, h, "/feeds/events.ics").Header().Values("Link"); len(links) != 1 {
		t.Errorf("no hub spreads the calendar: %v", links)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	h := served(t)
	for path, want := range map[string]int{
		"/a/none": 404, "/a/none.ics": 404, "/a/01c.ics": 404, "/a/01h": 410, "/a/01h/image/1": 410, "/a/01h.ics": 200,
		"/a/01a/image/0": 404, "/a/01a/image/2": 404, "/a/01a/image/3": 404, "/a/01a/image/x": 404, "/a/01c/image/1": 404, "/a/": 404,
		"/feeds/de/atom.xml": 404, "/feeds/fr/none": 404, "/feeds/none": 404, "/feeds/": 404, "/a/%3Cscript%3E": 404, "/a/..%2f01a": 404,
	} {
		w := get(t, h, path)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s repeats what it was asked for", path)
		}
	}
}

// counting counts how often the shelf is read.
type counting struct {
	fixed
	mu      sync.Mutex
	edition string
	broken  error
	lists   atomic.Int32
}

func (c *counting) List(context.Context) ([]announce.ShelfItem, error) {
	c.lists.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fixed, c.broken
}

func (c *counting) Edition(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.edition, c.broken
}

func (c *counting) Item(_ context.Context, key string) (announce.ShelfItem, bool, error) {
	if key != "old" {
		return announce.ShelfItem{}, false, nil
	}
	m := message(1)
	return announce.ShelfItem{Key: "old", Message: m, First: day(1), Updated: day(1)}, true, nil
}

func TestShelfIsReadOncePerEdition(t *testing.T) {
	shelf := &counting{fixed: items(t), edition: "1"}
	h := feed.Config{}.Handler(shelf, community)
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() { get(t, h, []string{"/feeds/fr/atom.xml", "/feeds/en/rss.xml", "/a/01a", "/events"}[n%4]) })
	}
	all.Wait()
	if n := shelf.lists.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
	before := get(t, h, "/feeds/fr/atom.xml").Header().Get("ETag")
	shelf.mu.Lock()
	shelf.fixed, shelf.edition = shelf.fixed[2:], "2"
	shelf.mu.Unlock()
	if after := get(t, h, "/feeds/fr/atom.xml").Header().Get("ETag"); after == before || shelf.lists.Load() != 2 {
		t.Errorf("a change is not seen, or the shelf was read %d times", shelf.lists.Load())
	}
	if w := get(t, h, "/a/old"); w.Code != 200 || !strings.Contains(w.Body.String(), message(1).Subject) {
		t.Errorf("an entry that the list has forgotten: %d", w.Code)
	}
}

func TestShelfThatCannotBeRead(t *testing.T) {
	shelf := &counting{fixed: items(t), edition: "1", broken: errors.New("the disk is full of secrets")}
	h := feed.Config{}.Handler(shelf, community)
	w := get(t, h, "/feeds/fr/atom.xml")
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "secrets") {
		t.Errorf("%d, %v, %s", w.Code, w.Header(), w.Body)
	}
	set := func(err error) {
		shelf.mu.Lock()
		defer shelf.mu.Unlock()
		shelf.broken = err
	}
	set(nil)
	if w := get(t, h, "/a/01a"); w.Code != 200 {
		t.Errorf("the shelf is well again, and the page is %d", w.Code)
	}
	set(errors.New("away"))
	if w := get(t, h, "/a/01a"); w.Code != 200 {
		t.Errorf("what was read before is not shown: %d", w.Code)
	}
}

// A shelf that cannot tell its edition is read for each visit, and a change shows at once.
func TestPlainShelf(t *testing.T) {
	_, platform := start(t)
	shelf := platform.Shelf()
	h := feed.Config{}.Handler(shelf, community)
	seen := map[string]bool{}
	for n := range 3 {
		if err := shelf.Put(t.Context(), announce.ShelfItem{Key: fmt.Sprint(n), Message: message(n), First: day(1), Updated: day(1)}); err != nil {
			t.Fatal(err)
		}
		seen[get(t, h, "/feeds/fr/atom.xml").Header().Get("ETag")] = true
	}
	if err := shelf.Remove(t.Context(), "1", day(1)); err != nil {
		t.Fatal(err)
	}
	seen[get(t, h, "/feeds/fr/atom.xml").Header().Get("ETag")] = true
	if len(seen) != 4 {
		t.Errorf("%d editions, want 4", len(seen))
	}
}

// What is to come moves among the rest when it is over, although nobody touches the shelf.
func TestListForgetsWhatIsOver(t *testing.T) {
	now := day(8)
	h := feed.HandlerAt(feed.Config{}, items(t), community, func() time.Time { return now })
	coming := func() string {
		upcoming, _, _ := strings.Cut(get(t, h, "/events").Body.String(), `id="news"`)
		return upcoming
	}
	if !strings.Contains(coming(), "Midi en ligne") {
		t.Error("today's event is not shown")
	}
	now = day(8).Add(24 * time.Hour)
	if strings.Contains(coming(), "Midi en ligne") {
		t.Error("yesterday's event is still to come")
	}
	for i := range 3 {
		now = now.AddDate(0, 1, 0)
		if w := get(t, h, "/events"); w.Code != 200 {
			t.Error(i, w.Code)
		}
	}
}
