// Package feedtest is the feed's simulated world: a shelf that is reached over a network, as a database is, the pages
// and feeds that are served from it, a WebSub hub, and a reader that fetches the feed to see what is there.
package feedtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
	"github.com/crieur/crieur/publishers/sim"
)

// Platform is a website with feeds. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server
	shelf  *shelf
	site   announce.Site

	mu    sync.Mutex
	pings []string
}

var _ sim.Platform = (*Platform)(nil)

// New opens a website in French and English whose shelf is empty.
func New() *Platform {
	p := &Platform{shelf: &shelf{}}
	mux := http.NewServeMux()
	p.server = httptest.NewUnstartedServer(mux)
	p.site = announce.Site{
		Name: "Café des sciences", URL: "http://" + p.server.Listener.Addr().String(), Zone: "America/Toronto",
		Languages: []announce.Language{"fr", "en"},
	}
	pages := feed.Config{Hubs: []string{p.site.URL + "/hub"}, Max: 200}.Handler(p.shelf, p.site)
	for _, path := range []string{"/feeds/", "/a/", "/events"} {
		mux.Handle(path, pages)
	}
	mux.Handle("/shelf/", p.script.Wrap(p.shelf))
	mux.HandleFunc("/hub", p.hub)
	p.server.Start()
	return p
}

// Site is the community whose website this is.
func (p *Platform) Site() announce.Site { return p.site }

// Shelf reaches the website's shelf over HTTP, with the faults of the script.
func (p *Platform) Shelf() feed.Shelf {
	return remote{p.site.URL + "/shelf/", &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// Script is how the shelf misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ names the hub.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"HUBS": p.site.URL + "/hub"}
}

// Close ends the website.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Pings are the feeds that the hub was told about, in order.
func (p *Platform) Pings() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pings)
}

// hub takes what the strictest hubs take: a form with both names of the topic, which must be a feed that names the hub.
func (p *Platform) hub(w http.ResponseWriter, r *http.Request) {
	topic := r.PostFormValue("hub.url")
	if r.Method != http.MethodPost || r.PostFormValue("hub.mode") != "publish" || topic == "" || r.PostFormValue("hub.topic") != topic {
		http.Error(w, "hub.mode=publish, hub.url and hub.topic are required", http.StatusBadRequest)
		return
	}
	answer, err := p.server.Client().Get(topic)
	if err != nil {
		http.Error(w, "the topic cannot be fetched", http.StatusBadRequest)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	links := strings.Join(answer.Header.Values("Link"), ", ")
	if answer.StatusCode != http.StatusOK || !strings.Contains(links, "<"+topic+`>; rel="self"`) || !strings.Contains(links, `/hub>; rel="hub"`) {
		http.Error(w, "the topic is not a feed of this hub", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pings = append(p.pings, topic)
	w.WriteHeader(http.StatusAccepted)
}

// Posts is what a reader of the JSON feed sees, and what was taken away.
func (p *Platform) Posts() []sim.Post {
	var read struct {
		Items []struct {
			ID       string    `json:"id"`
			URL      string    `json:"url"`
			Title    string    `json:"title"`
			HTML     string    `json:"content_html"`
			Summary  string    `json:"summary"`
			Image    string    `json:"image"`
			Modified time.Time `json:"date_modified"`
		} `json:"items"`
	}
	if err := p.fetch("/feeds/fr/feed.json", &read); err != nil {
		return nil
	}
	items, _ := p.shelf.List(context.Background())
	var posts []sim.Post
	for _, i := range items {
		post := sim.Post{ID: i.Key, Key: i.Message.Key, Author: p.site.Name, Edited: i.Sequence, At: i.First}
		post.Deleted = true
		for _, x := range read.Items {
			if x.URL != p.site.URL+"/a/"+i.Key {
				continue
			}
			post.Deleted = false
			post.URL, post.Subject, post.Text, post.HTML = x.URL, x.Title, strings.TrimSpace(x.Title+"\n\n"+x.Summary), x.HTML
			if x.Image != "" {
				post.Images = []sim.Image{{URL: x.Image, Alt: i.Message.Images[0].Alt}}
			}
		}
		posts = append(posts, post)
	}
	slices.SortStableFunc(posts, func(a, b sim.Post) int { return a.At.Compare(b.At) })
	return posts
}

func (p *Platform) fetch(path string, into any) error {
	answer, err := p.server.Client().Get(p.site.URL + path)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// remote is the shelf as the channel reaches it.
type remote struct {
	base   string
	client *http.Client
}

func (r remote) Put(ctx context.Context, item announce.ShelfItem) error {
	return r.call(ctx, http.MethodPut, item.Key, item, nil)
}

func (r remote) Remove(ctx context.Context, key string, at time.Time) error {
	return r.call(ctx, http.MethodDelete, key, at, nil)
}

func (r remote) List(ctx context.Context) ([]announce.ShelfItem, error) {
	var items []announce.ShelfItem
	return items, r.call(ctx, http.MethodGet, "", nil, &items)
}

func (r remote) call(ctx context.Context, method, key string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, r.base+key, strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err = io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", answer.Status, err)
	}
	if into == nil {
		into = new(struct{})
	}
	return json.Unmarshal(b, into)
}
