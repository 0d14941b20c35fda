package website

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/website/websitetest"
)

// realEvent is a data file of a community's website.
type realEvent struct {
	Date       string
	Title      string
	Location   string
	EventURL   string `yaml:"event_url"`
	Eventbrite int64  `yaml:"eventbrite_id"`
	Sponsor    string
	Talks      []struct {
		Title, Description string
		Twitter, Website   string
		Authors            []string
	}
}

// The data files are in the shape of those that a community has written by hand for years: same keys, same kinds of
// values, and for an event that says the same, the same content.
func TestShapeOfRealEvents(t *testing.T) {
	dir, err := filepath.Abs("../../../shared/saglac")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "events", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Skip("NOT RUN: ../shared/saglac (the real events of SagLac IO) is not here")
	}
	site, places, people := realSite(t, dir)
	p, platform := open(t, func(c *Config) { c.Layout, c.SiteURL = "yaml", "" })
	platform.Commit(site)
	before := len(platform.Files(websitetest.Branch))
	kinds := map[string]string{} // of every key that somebody uses
	ours := map[string]string{}
	fresh := map[string]bool{} // places and speakers that the site has no data on
	for i, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want realEvent
		if err := yaml.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		shape(t, b, kinds)
		r := must(t)(p.Publish(t.Context(), want.message(t, i, places, people)))
		text := platform.Files(websitetest.Branch)[strings.Fields(r.ID)[1]]
		shape(t, []byte(text), ours)
		var got realEvent
		if err := yaml.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if _, known := places[want.Location]; !known && want.Location != "" {
			fresh[want.Location], want.Location = true, underscored(want.Location)
		}
		for _, x := range want.Talks {
			for _, id := range x.Authors {
				if people[id] == "" {
					fresh[id] = true
				}
			}
		}
		want.tidy()
		got.tidy()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v\n%s", filepath.Base(file), got, want, text)
		}
		if name := filepath.Base(strings.Fields(r.ID)[1]); !strings.HasPrefix(name, want.Date[:8]) || filepath.Ext(name) != ".yml" {
			t.Errorf("%s is called %s", filepath.Base(file), name)
		}
	}
	if n := len(platform.Files(websitetest.Branch)); n != before+len(files)+len(fresh) {
		t.Errorf("%d files for %d events and %v: places or speakers were not recognised", n-before, len(files), fresh)
	}
	delete(kinds, "talks.slides") // an announcement says nothing of slides
	if !maps.Equal(kinds, ours) {
		t.Errorf("the keys of real events: %v\nours:                    %v", kinds, ours)
	}
	t.Logf("%d real events; keys %v", len(files), slices.Sorted(maps.Keys(ours)))
}

// realSite is the site's data on places and speakers, as files, and by ID.
func realSite(t *testing.T, dir string) (files map[string]string, places map[string]announce.Venue, people map[string]string) {
	t.Helper()
	files, places, people = map[string]string{}, map[string]announce.Venue{}, map[string]string{}
	found, err := filepath.Glob(filepath.Join(dir, "locations", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var x struct{ Name, Address, URL string }
		if err := yaml.Unmarshal(b, &x); err != nil {
			t.Fatal(err)
		}
		files["data/locations/"+filepath.Base(f)] = string(b)
		places[strings.TrimSuffix(filepath.Base(f), ".yml")] = announce.Venue{Name: x.Name, Address: x.Address, URL: x.URL}
	}
	b, err := os.ReadFile(filepath.Join(dir, "speakers.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		id, called, _ := strings.Cut(strings.TrimSpace(line), "\t")
		people[id] = called
		quoted, err := encodeYAML(called)
		if err != nil {
			t.Fatal(err)
		}
		files["data/authors/"+id+".yml"] = "id: " + id + "\nname: " + quoted + "\n"
	}
	return files, places, people
}

// message announces the event again.
func (e realEvent) message(t *testing.T, i int, places map[string]announce.Venue, people map[string]string) announce.Message {
	t.Helper()
	start, err := time.Parse(time.RFC3339, e.Date)
	if err != nil {
		t.Fatal(err)
	}
	m := message(100 + i)
	m.Kind, m.Subject, m.Link = announce.KindEvent, e.Title, e.EventURL
	m.Versions = []announce.Version{{Language: "fr", Subject: e.Title, Text: e.Title}}
	m.Event = &announce.Event{Start: announce.When{Zone: "America/Toronto", Instant: start}, Zone: "America/Toronto"}
	if place, ok := places[e.Location]; ok {
		m.Event.Venue = &place
	} else if e.Location != "" {
		m.Event.Venue = &announce.Venue{Name: e.Location}
	}
	if e.Eventbrite != 0 {
		m.Event.SignUpURL = fmt.Sprintf("https://www.eventbrite.ca/e/billets-%d", e.Eventbrite)
	}
	if e.Sponsor != "" {
		m.Event.Partners = []announce.Partner{{Name: e.Sponsor}}
	}
	for _, x := range e.Talks {
		talk := announce.Talk{Title: x.Title, Abstract: x.Description}
		for _, id := range x.Authors {
			who := announce.Speaker{Name: people[id], URL: x.Website, Handles: map[string]string{"website": id}}
			if x.Twitter != "" {
				who.Handles["twitter"] = x.Twitter
			}
			talk.Speakers = append(talk.Speakers, who)
		}
		m.Event.Talks = append(m.Event.Talks, talk)
	}
	return m
}

// tidy leaves out what an announcement says in another place: where to sign up beside the link, and HTML.
func (e *realEvent) tidy() {
	if e.Eventbrite != 0 {
		e.EventURL = ""
	}
	e.Sponsor = strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(e.Sponsor)
	for i := range e.Talks {
		e.Talks[i].Description = strings.TrimSpace(e.Talks[i].Description)
	}
}

// shape notes the keys of a data file with the kinds of their values.
func shape(t *testing.T, b []byte, into map[string]string) {
	t.Helper()
	var data map[string]any
	if err := yaml.Unmarshal(b, &data); err != nil {
		t.Fatal(err)
	}
	for key, v := range data {
		if v == nil {
			continue
		}
		into[key] = fmt.Sprintf("%T", v)
		if list, ok := v.([]any); ok {
			for _, x := range list {
				for k, v := range x.(map[string]any) {
					into[key+"."+k] = fmt.Sprintf("%T", v)
				}
			}
		}
	}
}
