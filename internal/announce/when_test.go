package announce

import (
	"testing"
	"time"
)

func TestParseWhen(t *testing.T) {
	for _, c := range []struct{ in, zone, want string }{
		{"2027-03-14T18:30", "America/Toronto", "2027-03-14T22:30:00Z"},
		{"2027-03-14T18:30:15", "America/Toronto", "2027-03-14T22:30:15Z"},
		{"2027-03-14T18:30:00+05:45", "America/Toronto", "2027-03-14T12:45:00Z"},
		{"2024-02-29T12:00", "UTC", "2024-02-29T12:00:00Z"},
		// Around each change: the last moment before it, what it skips or repeats, and the first moment after.
		{"2026-03-08T01:59:59", "America/Toronto", "2026-03-08T06:59:59Z"},
		{"2026-03-08T02:00", "America/Toronto", "2026-03-08T07:00:00Z"}, // skipped: 03:00 EDT
		{"2026-03-08T02:59:59", "America/Toronto", "2026-03-08T07:00:00Z"},
		{"2026-03-08T03:00", "America/Toronto", "2026-03-08T07:00:00Z"},
		{"2027-03-14T02:30", "America/Toronto", "2027-03-14T07:00:00Z"},
		{"2026-11-01T00:59:59", "America/Toronto", "2026-11-01T04:59:59Z"},
		{"2026-11-01T01:00", "America/Toronto", "2026-11-01T05:00:00Z"}, // repeated: the first, EDT
		{"2026-11-01T01:30", "America/Toronto", "2026-11-01T05:30:00Z"},
		{"2026-11-01T01:59:59", "America/Toronto", "2026-11-01T05:59:59Z"},
		{"2026-11-01T02:00", "America/Toronto", "2026-11-01T07:00:00Z"}, // EST
		{"2027-11-07T01:30", "America/Toronto", "2027-11-07T05:30:00Z"},
		{"2026-11-01T01:30:00-05:00", "America/Toronto", "2026-11-01T06:30:00Z"}, // the second, because it was said
		{"2026-03-29T01:59:59", "Europe/Paris", "2026-03-29T00:59:59Z"},
		{"2026-03-29T02:30", "Europe/Paris", "2026-03-29T01:00:00Z"}, // skipped: 03:00 CEST
		{"2027-03-28T02:30", "Europe/Paris", "2027-03-28T01:00:00Z"},
		{"2026-10-25T02:30", "Europe/Paris", "2026-10-25T00:30:00Z"}, // repeated: the first, CEST
		{"2026-10-25T03:00", "Europe/Paris", "2026-10-25T02:00:00Z"},
		{"2027-10-31T02:59:59", "Europe/Paris", "2027-10-31T00:59:59Z"},
		{"2026-03-08T02:15", "America/St_Johns", "2026-03-08T05:30:00Z"}, // half-hour zone; skipped: 03:00 NDT
		{"2027-03-14T02:59:59", "America/St_Johns", "2027-03-14T05:30:00Z"},
		{"2026-11-01T01:30", "America/St_Johns", "2026-11-01T04:00:00Z"}, // repeated: the first, NDT
		{"2027-11-07T01:00", "America/St_Johns", "2027-11-07T03:30:00Z"},
		{"2027-11-07T02:00", "America/St_Johns", "2027-11-07T05:30:00Z"},
		{"2026-03-29T02:30", "Asia/Kathmandu", "2026-03-28T20:45:00Z"}, // 5:45, without changes
		{"2026-11-01T01:30", "Asia/Kathmandu", "2026-10-31T19:45:00Z"},
		{"2027-01-05T18:30", "Asia/Kathmandu", "2027-01-05T12:45:00Z"},
		{"2026-09-27T02:44:59", "Pacific/Chatham", "2026-09-26T13:59:59Z"},
		{"2026-09-27T02:50", "Pacific/Chatham", "2026-09-26T14:00:00Z"}, // skipped 2:45 to 3:45: 3:45 +13:45
		{"2027-09-26T03:30", "Pacific/Chatham", "2027-09-25T14:00:00Z"},
		{"2026-04-05T02:45", "Pacific/Chatham", "2026-04-04T13:00:00Z"}, // repeated: the first, +13:45
		{"2027-04-04T03:15", "Pacific/Chatham", "2027-04-03T13:30:00Z"},
		{"2027-04-04T03:45", "Pacific/Chatham", "2027-04-03T15:00:00Z"},
	} {
		w, err := ParseWhen(c.in, c.zone)
		if err != nil {
			t.Errorf("%s %s: %v", c.in, c.zone, err)
			continue
		}
		if got := w.Instant.Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s is %s, want %s", c.in, c.zone, got, c.want)
		}
		again, err := ParseWhen(w.String(), c.zone)
		if err != nil || again != w {
			t.Errorf("%s in %s: %q reads back as %v, %v", c.in, c.zone, w.String(), again, err)
		}
		if now, changed := w.Again(); changed || now != w {
			t.Errorf("%s in %s is %v when nothing changed", c.in, c.zone, now)
		}
	}
	for _, bad := range [][2]string{{"", "UTC"}, {"tomorrow", "UTC"}, {"2027-02-30T10:00", "UTC"}, {"2027-01-01T10:00", "Mars/Olympus"},
		{"2027-01-01T10:00", ""}, {"2027-01-01T10:00", "Local"}, {"0001-01-01T10:00", "UTC"}, {"9999-01-01T10:00", "UTC"}} {
		if w, err := ParseWhen(bad[0], bad[1]); err == nil {
			t.Errorf("%q in %q was read as %v", bad[0], bad[1], w)
		}
	}
}

// What was read by rules that the zone has no more: the wall time stays, or the instant where an offset was given.
func TestAgain(t *testing.T) {
	was := When{Wall: "2027-01-20T18:30:00", Zone: "America/Toronto", Instant: time.Date(2027, 1, 20, 22, 30, 0, 0, time.UTC)} // as if there were no winter time
	for fixed, want := range map[bool]When{
		false: {Wall: "2027-01-20T18:30:00", Zone: "America/Toronto", Instant: time.Date(2027, 1, 20, 23, 30, 0, 0, time.UTC)},
		true:  {Wall: "2027-01-20T17:30:00", Zone: "America/Toronto", Instant: time.Date(2027, 1, 20, 22, 30, 0, 0, time.UTC), Fixed: true},
	} {
		was.Fixed = fixed
		if now, changed := was.Again(); !changed || now != want {
			t.Errorf("fixed %v: %v, changed %v", fixed, now, changed)
		}
	}
	gone := When{Wall: "2027-01-20T18:30:00", Zone: "America/Atlantis", Instant: was.Instant}
	for _, w := range []When{{}, {Zone: "UTC", Instant: was.Instant}, gone} {
		if now, changed := w.Again(); changed || now != w {
			t.Errorf("%v is %v", w, now)
		}
	}
}
