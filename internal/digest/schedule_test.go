package digest

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine
)

// Occurrences around clock changes: a gap fires at its first valid instant, a repeated hour at its first, and each once.
func TestOccurrences(t *testing.T) {
	for _, c := range []struct{ line, zone, after, until, want string }{
		{"0 8 * * *", "America/Toronto", "2027-03-13T00:00Z", "2027-03-16T00:00Z", "03-13T13:00 03-14T12:00 03-15T12:00"},
		{"30 2 * * *", "America/Toronto", "2027-03-13T00:00Z", "2027-03-16T00:00Z", "03-13T07:30 03-14T07:00 03-15T06:30"},
		{"30 1 * * *", "America/Toronto", "2026-10-31T00:00Z", "2026-11-03T00:00Z", "10-31T05:30 11-01T05:30 11-02T06:30"},
		{"0 * * * *", "America/Toronto", "2026-11-01T04:30Z", "2026-11-01T08:00Z", "11-01T05:00 11-01T07:00 11-01T08:00"},             // 1:00 once
		{"0 * * * *", "America/Toronto", "2027-03-14T05:30Z", "2027-03-14T09:00Z", "03-14T06:00 03-14T07:00 03-14T08:00 03-14T09:00"}, // 2:00 is 3:00
		{"15 2 * * 0", "Europe/Paris", "2027-03-22T00:00Z", "2027-04-05T00:00Z", "03-28T01:00 04-04T00:15"},
		{"30 2 * * 0", "Europe/Paris", "2026-10-20T00:00Z", "2026-11-02T00:00Z", "10-25T00:30 11-01T01:30"},
		{"30 2 * * *", "America/St_Johns", "2027-03-13T00:00Z", "2027-03-15T12:00Z", "03-13T06:00 03-14T05:30 03-15T05:00"},
		{"15 1 * * *", "America/St_Johns", "2026-10-31T00:00Z", "2026-11-02T12:00Z", "10-31T03:45 11-01T03:45 11-02T04:45"},
		{"0 8 * * 1", "Asia/Kathmandu", "2027-03-07T00:00Z", "2027-03-16T00:00Z", "03-08T02:15 03-15T02:15"},
		{"50 2 * * *", "Pacific/Chatham", "2027-04-03T00:00Z", "2027-04-05T12:00Z", "04-03T13:05 04-04T14:05"},
		{"0 3 * * *", "Pacific/Chatham", "2026-09-25T00:00Z", "2026-09-27T20:00Z", "09-25T14:15 09-26T14:00 09-27T13:15"},
		{"0 8 1 * *", "Europe/Paris", "2026-12-15T00:00Z", "2027-03-15T00:00Z", "01-01T07:00 02-01T07:00 03-01T07:00"},
		{"0 8 13 * 5", "UTC", "2026-11-10T00:00Z", "2026-11-21T00:00Z", "11-13T08:00 11-20T08:00"}, // either day will do
		{"0 8 29 2 *", "UTC", "2027-01-01T00:00Z", "2029-01-01T00:00Z", "02-29T08:00"},
	} {
		s, err := ParseSchedule(c.line, c.zone)
		if err != nil {
			t.Fatal(c.line, err)
		}
		after, until := instant(t, c.after), instant(t, c.until)
		var got []string
		for _, w := range s.Between(after, until) {
			got = append(got, w.Instant.Format("01-02T15:04"))
			if last, ok := s.Last(w.Instant); !ok || last != w {
				t.Errorf("%s in %s: the last at %v is %v", c.line, c.zone, w, last)
			}
			if last, ok := s.Last(w.Instant.Add(time.Second)); !ok || last != w {
				t.Errorf("%s in %s: the last after %v is %v", c.line, c.zone, w, last)
			}
			if last, ok := s.Last(w.Instant.Add(-time.Second)); !ok || !last.Instant.Before(w.Instant) {
				t.Errorf("%s in %s: the last before %v is %v", c.line, c.zone, w, last)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s in %s:\ngot  %s\nwant %s", c.line, c.zone, strings.Join(got, " "), c.want)
		}
	}
}

// The next occurrence is the same, however close to it one asks, minute by minute through the changes of a year.
func TestNextIsSteady(t *testing.T) {
	for _, zone := range []string{"America/Toronto", "Pacific/Chatham"} {
		for _, line := range []string{"30 1 * * *", "30 2 * * *", "0 3 * * 0"} {
			s, err := ParseSchedule(line, zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, day := range []string{"2027-03-13T12:00Z", "2026-10-31T12:00Z", "2027-04-03T00:00Z", "2026-09-26T00:00Z"} {
				from := instant(t, day)
				all := s.Between(from, from.Add(72*time.Hour))
				for at := from; at.Before(from.Add(48 * time.Hour)); at = at.Add(7 * time.Minute) {
					next, _ := s.Next(at)
					for _, w := range all {
						if w.Instant.After(at) {
							if next != w {
								t.Fatalf("%s in %s at %v: %v, not %v", line, zone, at, next, w)
							}
							break
						}
					}
				}
			}
		}
	}
}

func TestBadSchedules(t *testing.T) {
	for _, line := range []string{"", "* * * * *", "*/30 * * * *", "0,30 8 * * *", "@daily", "0 8 * *", "0 8 * * * 2027", "61 8 * * *", "0 8 30 2 *", "every day"} {
		if _, err := ParseSchedule(line, "UTC"); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
	if _, err := ParseSchedule("0 8 * * *", "Local"); err == nil {
		t.Error("a zone that means something else on every machine was taken")
	}
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04Z", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
