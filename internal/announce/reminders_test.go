package announce

import (
	"strings"
	"testing"
	"time"
)

// Days keep the wall time over clock changes, hours do not; what a change skips is the first valid instant after, and what
// it repeats is the first of the two. The changes are those of the IANA data for 2026 and 2027.
func TestMomentsOfReminders(t *testing.T) {
	for _, c := range []struct{ zone, start, end, at, want string }{
		{"America/Toronto", "2026-03-09T18:30", "", "-1d", "2026-03-08T18:30:00-04:00"},
		{"America/Toronto", "2026-03-08T18:30", "", "-1d", "2026-03-07T18:30:00-05:00"},
		{"America/Toronto", "2026-03-08T18:30", "", "-24h", "2026-03-07T17:30:00-05:00"},
		{"America/Toronto", "2027-03-21T02:30", "", "-7d", "2027-03-14T03:00:00-04:00"},
		{"America/Toronto", "2026-11-02T01:30", "", "-1d", "2026-11-01T01:30:00-04:00"},
		{"America/Toronto", "2026-11-01T18:30", "", "-1d", "2026-10-31T18:30:00-04:00"},
		{"America/Toronto", "2026-11-01T18:30", "", "-24h", "2026-10-31T19:30:00-04:00"},
		{"America/Toronto", "2027-11-13T18:30", "2027-11-13T21:00", "+1d", "2027-11-14T21:00:00-05:00"},
		{"America/Toronto", "2027-11-06T22:00", "", "+1h", "2027-11-07T01:00:00-05:00"},
		{"Europe/Paris", "2026-03-30T02:15", "", "-1d", "2026-03-29T03:00:00+02:00"},
		{"Europe/Paris", "2027-10-31T12:00", "", "-12h", "2027-10-31T01:00:00+02:00"},
		{"Europe/Paris", "2027-11-01T02:30", "", "-1d", "2027-10-31T02:30:00+02:00"},
		{"America/St_Johns", "2027-03-15T02:15", "", "-1d", "2027-03-14T03:00:00-02:30"},
		{"America/St_Johns", "2026-11-02T01:45", "", "-1d", "2026-11-01T01:45:00-02:30"},
		{"Asia/Kathmandu", "2027-03-14T02:30", "", "-7d", "2027-03-07T02:30:00+05:45"},
		{"Pacific/Chatham", "2026-09-28T03:00", "", "-1d", "2026-09-27T03:45:00+13:45"},
		{"Pacific/Chatham", "2027-04-05T03:00", "", "-1d", "2027-04-04T03:00:00+13:45"},
		{"Pacific/Chatham", "2027-04-05T03:00", "", "-24h", "2027-04-04T03:00:00+12:45"},
	} {
		e := Event{Zone: c.zone}
		var err error
		if e.Start, err = ParseWhen(c.start, c.zone); err != nil {
			t.Fatal(err)
		}
		if c.end != "" {
			if e.End, err = ParseWhen(c.end, c.zone); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Reminder{At: c.at}.Moment(&e)
		if err != nil || got.In().Format(time.RFC3339) != c.want {
			t.Errorf("%s of %s in %s: %v %v, want %s", c.at, c.start, c.zone, got.In().Format(time.RFC3339), err, c.want)
		}
	}
}

func TestReminderFaults(t *testing.T) {
	rules := Rules{Now: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Zone: "America/Toronto", Language: "fr", Accounts: []string{"slack"}}
	good := func() Draft {
		return Draft{Kind: KindEvent, Texts: map[Language]Text{"fr": {Title: "Mai"}}, Event: &DraftEvent{StartsAt: "2027-05-14T18:30"}}
	}
	d := good()
	d.Reminders = []Reminder{{At: "-7d"}, {At: "-2h", Channels: []string{"slack"}, Topics: []string{"python"}}, {At: "+1d", Link: "https://example.org/slides"}}
	a, err := d.Announcement(rules)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.Draft().Announcement(rules); err != nil || len(again.Reminders) != 3 || again.Reminders[1].Topics[0] != "python" {
		t.Errorf("read back: %v %+v", err, again.Reminders)
	}
	for field, bad := range map[string]func(*Draft){
		"reminders[0].at":    func(d *Draft) { d.Reminders = []Reminder{{At: "7 days before"}} },
		"reminders[1].at":    func(d *Draft) { d.Reminders = []Reminder{{At: "-1d"}, {At: "-1d"}} },
		"reminders[0].kind":  func(d *Draft) { d.Reminders = []Reminder{{At: "+1d", Kind: KindReminder}} },
		"reminders[0].texts": func(d *Draft) { d.Reminders = []Reminder{{At: "-1d", Texts: map[Language]Text{"en": {Title: "x"}}}} },
		"reminders[0].texts.fr.body": func(d *Draft) {
			d.Reminders = []Reminder{{At: "-1d", Texts: map[Language]Text{"fr": {Title: "x", Body: "\x00"}}}}
		},
		"reminders[0].link":        func(d *Draft) { d.Reminders = []Reminder{{At: "+1d", Link: "javascript:x"}} },
		"reminders[0].channels[0]": func(d *Draft) { d.Reminders = []Reminder{{At: "-1d", Channels: []string{"fax"}}} },
		"reminders[0].topics[0]":   func(d *Draft) { d.Reminders = []Reminder{{At: "-1d", Topics: []string{"?"}}} },
		"reminders":                func(d *Draft) { d.Kind, d.Event, d.Reminders = KindNews, nil, []Reminder{{At: "-1d"}} },
	} {
		d := good()
		bad(&d)
		if _, err := d.Announcement(rules); err == nil || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
