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
		{"2027-03-14T02:30", "America/Toronto", "2027-03-14T07:00:00Z"},  // skipped: 03:00 EDT
		{"2026-11-01T01:30", "America/Toronto", "2026-11-01T05:30:00Z"},  // repeated: the first, EDT
		{"2026-11-01T02:00", "America/Toronto", "2026-11-01T07:00:00Z"},  // after the change, EST
		{"2027-03-28T02:30", "Europe/Paris", "2027-03-28T01:00:00Z"},     // skipped: 03:00 CEST
		{"2026-10-25T02:30", "Europe/Paris", "2026-10-25T00:30:00Z"},     // repeated: the first, CEST
		{"2026-11-01T01:30", "America/St_Johns", "2026-11-01T04:00:00Z"}, // half-hour zone
		{"2027-01-05T18:30", "Asia/Kathmandu", "2027-01-05T12:45:00Z"},   // 5:45
		{"2026-09-27T02:50", "Pacific/Chatham", "2026-09-26T14:00:00Z"},  // skipped 2:45 to 3:45: 3:45 +13:45
		{"2027-04-04T03:15", "Pacific/Chatham", "2027-04-03T13:30:00Z"},  // repeated: the first, +13:45
		{"2024-02-29T12:00", "UTC", "2024-02-29T12:00:00Z"},
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
		if err != nil || !again.Instant.Equal(w.Instant) {
			t.Errorf("%s in %s: %q reads back as %v, %v", c.in, c.zone, w.String(), again.Instant, err)
		}
	}
	for _, bad := range [][2]string{{"", "UTC"}, {"tomorrow", "UTC"}, {"2027-02-30T10:00", "UTC"}, {"2027-01-01T10:00", "Mars/Olympus"},
		{"2027-01-01T10:00", ""}, {"2027-01-01T10:00", "Local"}, {"0001-01-01T10:00", "UTC"}, {"9999-01-01T10:00", "UTC"}} {
		if w, err := ParseWhen(bad[0], bad[1]); err == nil {
			t.Errorf("%q in %q was read as %v", bad[0], bad[1], w)
		}
	}
}
