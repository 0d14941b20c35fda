package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
)

// saglacEvent is an event as the website of SagLac IO keeps it.
type saglacEvent struct {
	Title    string `yaml:"title"`
	Date     string `yaml:"date"`
	Location string `yaml:"location"`
	EventURL string `yaml:"event_url"`
	Sponsor  string `yaml:"sponsor"`
	Talks    []struct {
		Title       string   `yaml:"title"`
		Description string   `yaml:"description"`
		Authors     []string `yaml:"authors"`
	} `yaml:"talks"`
}

type saglacPlace struct {
	Name    string `yaml:"name"`
	Address string `yaml:"address"`
	URL     string `yaml:"url"`
}

var tags = regexp.MustCompile(`<[^>]*>`)

// saglac maps every event under dir to an announcement, moved forward by 28 years: same weekday, date and local hour.
func saglac(t *testing.T, dir string) []announce.Draft {
	t.Helper()
	read := func(path string, into any) {
		b, err := os.ReadFile(path)
		if err == nil {
			err = yaml.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	speakers := map[string]string{}
	names, err := os.ReadFile(filepath.Join(dir, "speakers.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(names), "\n") {
		if id, name, ok := strings.Cut(line, "\t"); ok {
			speakers[id] = strings.TrimSpace(name)
		}
	}
	zone, err := time.LoadLocation("America/Toronto")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "events", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var drafts []announce.Draft
	for _, path := range files {
		var e saglacEvent
		read(path, &e)
		at, err := time.Parse(time.RFC3339, e.Date)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		start := at.In(zone)
		start = time.Date(start.Year()+28, start.Month(), start.Day(), start.Hour(), start.Minute(), 0, 0, zone)
		d := announce.Draft{
			Kind: announce.KindEvent, Default: "fr", TimeZone: "America/Toronto", Link: e.EventURL,
			Event: &announce.DraftEvent{StartsAt: start.Format("2006-01-02T15:04")},
		}
		if e.Location != "" {
			p := saglacPlace{Name: e.Location} // some say in words what has no file
			if file := filepath.Join(dir, "locations", e.Location+".yml"); exists(file) {
				read(file, &p)
			}
			d.Event.Venue = &announce.Venue{Name: p.Name, Address: p.Address, URL: p.URL}
		}
		body := ""
		for _, talk := range e.Talks {
			x := announce.Talk{Title: strings.TrimSpace(talk.Title), Abstract: tags.ReplaceAllString(talk.Description, "")}
			for _, a := range talk.Authors {
				name := speakers[a]
				if name == "" {
					name = a
				}
				x.Speakers = append(x.Speakers, announce.Speaker{Name: name})
			}
			d.Event.Talks = append(d.Event.Talks, x)
		}
		if e.Sponsor != "" {
			body = strings.TrimSpace(tags.ReplaceAllString(e.Sponsor, ""))
		}
		title := strings.TrimSpace(e.Title)
		if title == "" {
			title = filepath.Base(path)
		}
		d.Texts = map[announce.Language]announce.Text{"fr": {Title: title, Body: body}}
		drafts = append(drafts, d)
	}
	return drafts
}

// TestSagLac previews every real event of a community on every channel, and publishes ten of them.
func TestSagLac(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("SAGLAC_DIR")
	if dir == "" {
		t.Skip("SAGLAC_DIR is not set: the real events of SagLac IO are not here")
	}
	drafts := saglac(t, dir)
	if len(drafts) < 10 {
		t.Fatalf("%d events", len(drafts))
	}
	d := startDemo(t)
	unlimited(d.world)
	ctx := context.Background()
	for _, draft := range drafts {
		title := draft.Texts["fr"].Title
		both := draft // in two languages, with the same words of the author's
		both.Texts = map[announce.Language]announce.Text{"fr": draft.Texts["fr"], "en": draft.Texts["fr"]}
		previews, err := d.Preview(ctx, both)
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		english := both
		english.Default = "en"
		more, err := d.Preview(ctx, english)
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		previews = append(previews, more...)
		whole := wordsOf(draft)
		when, _ := announce.ParseWhen(draft.Event.StartsAt, draft.TimeZone)
		for _, p := range previews {
			if len(p.Faults) > 0 {
				t.Errorf("%s on %s: %v", title, p.Channel, p.Faults)
			}
			if p.Part == 0 && !dated(p, when.In()) {
				t.Errorf("%s on %s in %s: no date in\n%s", title, p.Channel, p.Language, p.Text)
			}
			for _, cut := range cuts(p.Text, whole) {
				t.Errorf("%s on %s: %q is cut\n%s", title, p.Channel, cut, p.Text)
			}
		}
	}
	t.Logf("%d events fit every channel", len(drafts))
	step := len(drafts) / 10
	for i := range 10 {
		draft := drafts[i*step]
		title := draft.Texts["fr"].Title
		a, _, err := d.Submit(ctx, draft, fmt.Sprint("saglac-", i))
		if err != nil {
			t.Fatalf("%s: %v", title, err)
		}
		st := d.settle(t, a.ID)
		for _, r := range st.Deliveries {
			if r.State != announce.Published {
				t.Errorf("%s on %s: %s %s", title, r.Channel, r.State, r.Fault)
			}
		}
	}
	for i := range 10 {
		title := plain(drafts[i*step].Texts["fr"].Title)
		for _, channel := range append(public(d.world), "discord@calendar") {
			n := 0
			for _, p := range d.world.Platform(channel).Posts() {
				if strings.Contains(plain(p.Subject+" "+p.Text), title) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%q is %d times on %s", title, n, channel)
			}
		}
		to := map[string]int{}
		for _, p := range d.world.Platform("email").Posts() {
			if strings.Contains(plain(p.Subject), title) {
				to[p.To]++
			}
		}
		for who, n := range to {
			if n != 1 {
				t.Errorf("%q reached %s %d times", title, who, n)
			}
		}
		if len(to) != 3 {
			t.Errorf("%q reached %d of 3 people", title, len(to))
		}
	}
}

// dated reports whether a text says when: the day, the month and the hour, as its language does.
func dated(p broadcast.Preview, when time.Time) bool {
	text := strings.ToLower(plain(p.Text + " " + p.Subject))
	french := []string{"janv", "févr", "mars", "avr", "mai", "juin", "juill", "août", "sept", "oct", "nov", "déc"}
	month, clock := french[when.Month()-1], when.Format("15 h")
	if p.Language.Base() == "en" {
		month, clock = strings.ToLower(when.Format("Jan")), when.Format("3")
		if when.Minute() != 0 {
			clock = when.Format("3:04")
		}
	}
	return strings.Contains(text, when.Format("2")) && strings.Contains(text, month) && strings.Contains(text, clock)
}

// wordsOf are the words of an announcement's author, addresses among them.
func wordsOf(d announce.Draft) map[string]bool {
	words := map[string]bool{}
	add := func(texts ...string) {
		for _, s := range texts {
			for _, w := range strings.FieldsFunc(plain(s), notOfAWord) {
				words[w] = true
			}
		}
	}
	for _, x := range d.Texts {
		add(x.Title, x.Body)
	}
	for _, x := range d.Event.Talks {
		add(x.Title, x.Abstract)
	}
	return words
}

func notOfAWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' }

// cuts are the words before an ellipsis that nobody wrote: words that were cut.
func cuts(text string, whole map[string]bool) (bad []string) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) {
		return []string{"a character"}
	}
	for part := range strings.SplitSeq(plain(text), "…") {
		fields := strings.FieldsFunc(part, notOfAWord)
		if len(fields) == 0 || !strings.HasPrefix(plain(text), part+"…") && !strings.Contains(plain(text), part+"…") {
			continue
		}
		if last := fields[len(fields)-1]; !whole[last] {
			bad = append(bad, last)
		}
	}
	return bad
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// plain is text without the differences that typography makes.
func plain(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("’", "'", "\u00a0", " ", "\u202f", " ", "\u2060", "").Replace(s)), " ")
}
