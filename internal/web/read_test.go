package web

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/queue"
)

// post is a personal channel that keeps what it was given.
type post struct {
	mu  sync.Mutex
	got map[string]announce.Message // the last one, by address
}

func (*post) Name() string { return email }
func (*post) Limits() announce.Limits {
	return announce.Limits{Personal: true, HTML: true, Links: true, Again: 1, Concurrent: 1}
}

func (p *post) Publish(_ context.Context, m announce.Message) (announce.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got[m.To] = m
	return announce.Receipt{ID: m.Key}, nil
}

func (p *post) Amend(ctx context.Context, _ announce.Receipt, m announce.Message) (announce.Receipt, error) {
	return p.Publish(ctx, m)
}

func (p *post) last(to string) announce.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[to]
}

// Whoever got a message can read it as a page; what is theirs alone is not on it, and after it is taken back it is gone.
func TestRead(t *testing.T) {
	channel := &post{got: map[string]announce.Message{}}
	var service *broadcast.Service
	s := newSite(t, nil)
	o := s.options
	q, err := queue.Open(t.Context(), queue.Config{Dir: t.TempDir(), Log: o.Log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close(context.Background()) })
	o.Queue, o.Metrics, o.Accounts = q, broadcast.NewMetrics(prometheus.NewRegistry()), []broadcast.Account{{Name: email, Publisher: channel}}
	service = broadcast.New(o)
	run, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = service.Run(run) })
	t.Cleanup(func() { stop(); running.Wait() })
	ada := s.joined("ada@example.org")
	if _, err := s.store.ChangeAddress(t.Context(), ada.ID, called("Ada Lovelace"), deed()); err != nil {
		t.Fatal(err)
	}

	draft := announce.Draft{Kind: announce.KindNews, Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre de mars", Body: "Venez *nombreux*."}}}
	a, _, err := service.Submit(t.Context(), draft, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		end := time.Now().Add(30 * time.Second)
		for ; !ok() && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			s.later(time.Second)
		}
		if !ok() {
			t.Fatalf("never %s", what)
		}
	}
	until("sent", func() bool { return channel.last("ada@example.org").Subject != "" })
	m := channel.last("ada@example.org")
	link := strings.TrimPrefix(m.Archive, s.url)
	if !strings.HasPrefix(link, "/read/") || !strings.Contains(m.HTML, announce.UnsubscribeMark) {
		t.Fatalf("%q\n%s", m.Archive, m.HTML)
	}
	page := s.get(link)
	if page.status != http.StatusOK || !strings.Contains(page.body, "<em>nombreux</em>") || !strings.Contains(page.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v\n%s", page.status, page.header, page.body)
	}
	for _, own := range []string{"unsubscribe", "/preferences/", ".invalid", "Lovelace", "ada@"} {
		if strings.Contains(page.body, own) {
			t.Errorf("the page holds %q, and may be passed on", own)
		}
	}

	draft.Texts["fr"] = announce.Text{Title: "Rencontre d’avril", Body: "Venez *plus nombreux*."}
	if _, err := service.Amend(t.Context(), a.ID, a.Rev, draft, "test"); err != nil {
		t.Fatal(err)
	}
	until("changed", func() bool { return strings.Contains(s.get(link).body, "plus nombreux") })

	if err := service.Retract(t.Context(), a.ID, a.Rev+1, "test"); err != nil {
		t.Fatal(err)
	}
	if gone := s.get(link); gone.status != http.StatusNotFound || strings.Contains(gone.body, "nombreux") {
		t.Errorf("taken back: %d\n%s", gone.status, gone.body)
	}
	if other := s.get(s.link('a', ada.ID)); other.status != http.StatusNotFound {
		t.Errorf("of no letter: %d", other.status)
	}
}

func TestPassable(t *testing.T) {
	got, err := passable(announce.Message{
		Name: "Ada",
		HTML: `<!doctype html><html lang="fr"><body style="color:#000"><p>Bonjour` + announce.NameMark + `, <a href="` + announce.PreferencesMark + `">vos choix</a> sont à vous.</p>` +
			`<p>Rencontres · <a href="` + announce.ArchiveMark + `">En ligne</a></p>` +
			`<p><a href="` + announce.PreferencesMark + `#why">Pourquoi</a> · <a href="` + announce.PreferencesMark + `#often">Moins</a> · <a href="` + announce.UnsubscribeMark + `">Partir</a></p>` +
			`<p><a href="` + announce.UnsubscribeMark + `">Partir</a></p>` +
			`<img src="cid:image1" alt="x"><img src="cid:image2" alt="y"><script>alert(1)</script><form action="x"></form><p>fin</p></body></html>`,
		Images: []announce.Picture{{Type: "image/png", Data: []byte("png")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `<p>Bonjour, vos choix sont à vous.</p><p>Rencontres</p><img src="data:image/png;base64,cG5n" alt="x"/><img src="cid:image2" alt="y"/><p>fin</p>`; !strings.Contains(got, want) {
		t.Errorf("%s\ndoes not hold %s", got, want)
	}
}
