package feed_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
)

// The simulated hub takes a ping only when the feed is already there and names the hub.
func TestHubsAreTold(t *testing.T) {
	_, platform := start(t)
	p, err := feed.New(feed.Config{Hubs: []string{platform.Environ()["HUBS"]}}, platform.Site(), platform.Shelf())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, l := range []string{"fr", "en"} {
		for _, file := range []string{"atom.xml", "feed.json", "rss.xml"} {
			want = append(want, platform.Site().URL+"/feeds/"+l+"/"+file)
		}
	}
	slices.Sort(want)
	told := func(times int) {
		t.Helper()
		got := platform.Pings()
		slices.Sort(got)
		var all []string
		for _, x := range want {
			all = append(all, slices.Repeat([]string{x}, times)...)
		}
		if !slices.Equal(got, all) {
			t.Errorf("told of %v, want each of %v %d times", got, want, times)
		}
	}
	m := message(1)
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != string(m.Announcement) || r.URL != platform.Site().URL+"/a/"+r.ID || r.At.IsZero() {
		t.Errorf("receipt %+v", r)
	}
	told(1)
	m.Versions[0].Subject = "Autre chose"
	if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	told(2)
	if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	told(3)
}

// Whatever a hub does, the announcement is published.
func TestHubsMayFail(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) },
		"breaks":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			hub := httptest.NewServer(answer)
			defer hub.Close()
			p, platform := start(t, hub.URL)
			if _, err := p.Publish(t.Context(), message(1)); err != nil {
				t.Fatal(err)
			}
			if posts := platform.Posts(); len(posts) != 1 {
				t.Errorf("%d posts", len(posts))
			}
		})
	}
	t.Run("is not there", func(t *testing.T) {
		p, _ := start(t, "http://127.0.0.1:1/")
		if _, err := p.Publish(t.Context(), message(1)); err != nil {
			t.Error(err)
		}
	})
	t.Run("hangs until the caller's patience ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		hub := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			cancel()
			<-release
		}))
		defer hub.Close()
		defer close(release)
		p, platform := start(t, hub.URL)
		if _, err := p.Publish(ctx, message(1)); err != nil {
			t.Fatal(err)
		}
		if posts := platform.Posts(); len(posts) != 1 {
			t.Errorf("%d posts", len(posts))
		}
	})
}

func TestNew(t *testing.T) {
	_, platform := start(t)
	for _, c := range []struct {
		config feed.Config
		shelf  feed.Shelf
		want   string
	}{
		{feed.Config{}, nil, "shelf"},
		{feed.Config{Max: -1}, platform.Shelf(), "MAX"},
		{feed.Config{Max: 201}, platform.Shelf(), "MAX"},
		{feed.Config{Hubs: []string{"http://hub.example.org/"}}, platform.Shelf(), "HUBS"},
		{feed.Config{Hubs: []string{"https://hub.example.org/", "hub"}}, platform.Shelf(), "HUBS"},
	} {
		if _, err := feed.New(c.config, community, c.shelf); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want it to name %s", c.config, err, c.want)
		}
	}
}

func TestFaults(t *testing.T) {
	p, _ := start(t)
	var e *announce.Error
	if _, err := p.Publish(t.Context(), announce.Message{Subject: "x"}); !errors.As(err, &e) || e.Outcome != announce.Permanent {
		t.Errorf("a message of no announcement: %v", err)
	}
	if _, err := p.(announce.Amender).Amend(t.Context(), announce.Receipt{}, message(1)); !errors.As(err, &e) || e.Outcome != announce.Permanent {
		t.Errorf("an amendment of nothing: %v", err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), announce.Receipt{ID: "never"}); err != nil {
		t.Errorf("retracting what was never there: %v", err)
	}
	report, err := p.(announce.Checker).Check(t.Context())
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Severe || !strings.Contains(report.Identity, "0 entries") {
		t.Errorf("on a loopback address: %+v, %v", report, err)
	}
}

func TestPublishingAgainChangesNothing(t *testing.T) {
	p, platform := start(t)
	m := message(1)
	for range 3 {
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	first := read(t, platform.Site().URL+"/feeds/fr/atom.xml")
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if again := read(t, platform.Site().URL+"/feeds/fr/atom.xml"); again != first {
		t.Errorf("the feed changed:\n%s\n%s", first, again)
	}
	if posts := platform.Posts(); len(posts) != 1 || posts[0].Edited != 0 {
		t.Errorf("%+v", posts)
	}
}
