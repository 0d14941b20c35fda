package calendar

import (
	"bytes"
	"fmt"
	"net/mail"
	"sort"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ics "github.com/arran4/golang-ical"

	"github.com/crieur/crieur/internal/announce"
)

var site = announce.Site{Name: "Club de l’été", URL: "https://example.org", Zone: "America/Toronto"}

func when(t testing.TB, wall, zone string) announce.When {
	t.Helper()
	w, err := announce.ParseWhen(wall, zone)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func message(t testing.TB) announce.Message {
	return announce.Message{
		Announcement: "01hx0000000000000000000000", Rev: 2, Kind: announce.KindEvent, Language: "fr",
		Subject: "Rencontre d’octobre : bière, réseau; et \"Go\"", Summary: "Une soirée,\r\ndeux présentations\\.",
		Link: "https://example.org/octobre?a=1,2;3", Topics: []string{"go, cloud", "réseau"},
		Images:  []announce.Picture{{URL: "https://example.org/a,b.png", Alt: "Affiche"}},
		Created: time.Date(2027, 9, 1, 12, 0, 0, 0, time.UTC), Updated: time.Date(2027, 9, 2, 12, 0, 0, 0, time.UTC),
		Event: &announce.Event{
			Start: when(t, "2027-10-20T18:30", "America/Toronto"), End: when(t, "2027-10-20T21:00", "America/Toronto"),
			Zone: "America/Toronto", Sequence: 1, SignUpURL: "https://example.org/inscription",
			Venue: &announce.Venue{Name: "Café du Port", Address: "1, rue du Port, Chicoutimi"},
			Talks: []announce.Talk{{Title: "Les files d’attente " + strings.Repeat("é🎉", 60), Speakers: []announce.Speaker{{Name: "Ada"}, {Name: "Grace"}}}},
		},
	}
}

func TestEntryReadsBack(t *testing.T) {
	m := message(t)
	stamp := time.Date(2027, 9, 3, 8, 0, 0, 0, time.UTC)
	o := Options{Stamp: stamp, Organizer: &mail.Address{Name: `L'équipe: "nous", vous`, Address: "hello@example.org"}}
	doc := Document{Name: "Calendrier; été", Method: "PUBLISH", Source: "https://example.org/c,d.ics", Refresh: time.Hour, Updated: stamp}
	b := Calendar(doc, nil, Event(m, site, o))
	if again := Calendar(doc, Event(m, site, o)); !bytes.Equal(b, again) {
		t.Error("the same input gave other bytes")
	}
	for i, l := range strings.Split(strings.TrimSuffix(string(b), "\r\n"), "\r\n") {
		if len(l) > 75 || strings.ContainsAny(l, "\r\n") || !utf8.ValidString(l) {
			t.Errorf("line %d is not a content line: %q", i, l)
		}
	}
	for _, want := range []string{
		"METHOD:PUBLISH\r\n", "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n", "X-PUBLISHED-TTL:PT1H\r\n", "SOURCE;VALUE=URI:https://example.org/c,d.ics\r\n",
		"UID:01hx0000000000000000000000@example.org\r\n", "DTSTAMP:20270903T080000Z\r\n", "DTSTART;TZID=America/Toronto:20271020T183000\r\n",
		"DTEND;TZID=America/Toronto:20271020T210000\r\n", "SEQUENCE:1\r\n", "STATUS:CONFIRMED\r\n", "LAST-MODIFIED:20270902T120000Z\r\n",
		"ORGANIZER;CN=L’équipe nous vous:mailto:hello@example.org\r\n", "URL:https://example.org/octobre?a=1,2;3\r\n",
		"LOCATION:Café du Port\\, 1\\, rue du Port\\, Chicoutimi\r\n", "CATEGORIES:go\\, cloud\r\n", "IMAGE;VALUE=URI:https://example.org/a,b.png\r\n",
		"RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\n", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\n",
	} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("missing %q in\n%s", want, b)
		}
	}
	c, err := ics.ParseCalendar(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	e := c.Events()[0]
	if got := e.GetProperty(ics.ComponentPropertySummary).Value; got != m.Subject {
		t.Errorf("summary %q, want %q", got, m.Subject)
	}
	want := "Une soirée,\ndeux présentations\\.\n\n• " + m.Event.Talks[0].Title + " — Ada, Grace\n\nhttps://example.org/inscription\nhttps://example.org/octobre?a=1,2;3"
	if got := e.GetProperty(ics.ComponentPropertyDescription).Value; got != want {
		t.Errorf("description\n%q, want\n%q", got, want)
	}
}

func TestStatusEndAndZone(t *testing.T) {
	m := message(t)
	m.Event.End = announce.When{}
	m.Event.Cancelled = true
	m.Event.Venue = nil
	m.Event.OnlineURL = "https://example.org/live"
	b := string(Calendar(Document{}, Event(m, announce.Site{}, Options{})))
	for _, want := range []string{"STATUS:CANCELLED", "DTEND;TZID=America/Toronto:20271020T213000", "LOCATION:https://example.org/live", "@crieur\r\n", "CONFERENCE;VALUE=URI:https://example.org/live"} {
		if !strings.Contains(b, want) {
			t.Errorf("missing %q in\n%s", want, b)
		}
	}
	if strings.Contains(b, "METHOD") {
		t.Error("a published file must not have a METHOD")
	}
	m.Event.Start.Zone = "UTC"
	if b := string(Calendar(Document{}, Event(m, site, Options{}))); !strings.Contains(b, "DTSTART:20271020T223000Z") || strings.Contains(b, "VTIMEZONE") {
		t.Errorf("an event in UTC needs no zone:\n%s", b)
	}
	m.Event.Cancelled, m.Kind = false, announce.KindCancellation
	if b := string(Calendar(Document{}, Event(m, site, Options{}))); !strings.Contains(b, "STATUS:CANCELLED") {
		t.Error("an announced cancellation does not cancel")
	}
	m.Event = nil
	if Event(m, site, Options{}) != nil {
		t.Error("an entry without an event")
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{time.Hour: "PT1H", 90 * time.Minute: "PT1H30M", 15 * time.Minute: "PT15M", 10 * time.Hour: "PT10H"} {
		if got := duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// TestZonesAgreeWithGo reads each VTIMEZONE as a calendar program would and compares it with Go for every six hours of the years concerned.
func TestZonesAgreeWithGo(t *testing.T) {
	ruled := map[string]bool{"America/Toronto": true, "America/St_Johns": true, "Europe/Paris": true, "Europe/Dublin": true, "Australia/Sydney": true, "Australia/Lord_Howe": true}
	for _, id := range []string{
		"America/Toronto", "America/St_Johns", "Europe/Paris", "Europe/Dublin", "Australia/Sydney", "Australia/Lord_Howe",
		"America/Santiago", "Africa/Casablanca", "Asia/Kolkata", "Asia/Kathmandu", "America/Sao_Paulo", "Asia/Gaza", "Pacific/Apia", "Africa/Monrovia",
	} {
		for _, y := range []int{1976, 2011, 2026, 2055} {
			t.Run(fmt.Sprintf("%s %d", id, y), func(t *testing.T) {
				loc, err := time.LoadLocation(id)
				if err != nil {
					t.Fatal(err)
				}
				z := timezone(id, loc, y, y+1)
				if y >= 2026 && ruled[id] != hasRule(z) {
					t.Errorf("written by rules: %v", hasRule(z))
				}
				o := onsets(t, z, y+2)
				for at := time.Date(y, 1, 1, 0, 0, 0, 0, loc); at.Year() < y+2; at = at.Add(6 * time.Hour) {
					_, want := at.Zone()
					i := sort.Search(len(o), func(i int) bool { return o[i].at.After(at) }) - 1
					if i < 0 || o[i].to != want {
						t.Fatalf("at %v a calendar has %v, Go has %d", at, o[max(i, 0)], want)
					}
				}
			})
		}
	}
}

func hasRule(z *ics.VTimezone) bool {
	for _, c := range z.Components {
		for _, p := range c.UnknownPropertiesIANAProperties() {
			if p.IANAToken == "RRULE" {
				return true
			}
		}
	}
	return false
}

type onset struct {
	at time.Time
	to int
}

func onsets(t *testing.T, z *ics.VTimezone, until int) []onset {
	var out []onset
	for _, c := range z.Components {
		v := map[string]string{}
		for _, p := range c.UnknownPropertiesIANAProperties() {
			v[p.IANAToken] = p.Value
		}
		start, err := time.Parse(wallLayout, v["DTSTART"])
		if err != nil {
			t.Fatal(err)
		}
		from, to := seconds(t, v["TZOFFSETFROM"]), seconds(t, v["TZOFFSETTO"])
		add := func(wall time.Time) { out = append(out, onset{wall.Add(-time.Duration(from) * time.Second), to}) }
		add(start)
		if v["RRULE"] == "" {
			continue
		}
		var month, n int
		var day string
		if _, err := fmt.Sscanf(v["RRULE"], "FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", &month, &n, &day); err != nil {
			t.Fatalf("%q: %v", v["RRULE"], err)
		}
		for y := start.Year() + 1; y <= until; y++ {
			var days []time.Time
			for d := time.Date(y, time.Month(month), 1, start.Hour(), start.Minute(), start.Second(), 0, time.UTC); d.Month() == time.Month(month); d = d.AddDate(0, 0, 1) {
				if strings.HasPrefix(strings.ToUpper(d.Weekday().String()), day) {
					days = append(days, d)
				}
			}
			if n < 0 {
				n = len(days)
				add(days[n-1])
				n = -1
				continue
			}
			add(days[n-1])
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].at.Before(out[j].at) })
	return out
}

func seconds(t *testing.T, s string) int {
	var h, m, sec int
	if _, err := fmt.Sscanf(s[1:]+"00", "%02d%02d%02d", &h, &m, &sec); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	n := h*3600 + m*60 + sec
	if s[0] == '-' {
		n = -n
	}
	return n
}

// Who got an entry is told to cancel it; an entry that nobody got is not.
func TestMethod(t *testing.T) {
	m := message(t)
	if got := Method(m); got != "PUBLISH" {
		t.Error(got)
	}
	m.Event.Cancelled = true
	if got := Method(m); got != "CANCEL" {
		t.Error(got)
	}
	m.Event.Sequence = 0
	if got := Method(m); got != "PUBLISH" {
		t.Error(got)
	}
	m.Event.Cancelled, m.Event.Of, m.Kind = false, "01hx0000000000000000000001", announce.KindCancellation
	if got := Method(m); got != "CANCEL" {
		t.Error(got)
	}
}
