package announce

import (
	"fmt"
	"time"
)

// When is a moment as a person meant it: the wall time they wrote, the zone it is read in, and the instant that follows.
// Of somebody who gave an offset the instant is what was meant (Fixed), and the wall time follows. What follows is by the
// rules of the zone when it was read: see Again.
type When struct {
	Wall    string    `json:"wall" doc:"Wall time in the zone, without offset."` // 2006-01-02T15:04:05
	Zone    string    `json:"time_zone" doc:"IANA."`
	Instant time.Time `json:"instant" doc:"UTC."`
	Fixed   bool      `json:"fixed,omitempty" doc:"It was given with an offset: if the rules of the zone change, the instant stays and the wall time follows. Else the wall time stays."`
}

const wallLayout = "2006-01-02T15:04:05"

// IsZero reports whether no moment was given.
func (w When) IsZero() bool { return w.Instant.IsZero() }

// In returns the instant in the zone it was meant in.
func (w When) In() time.Time {
	loc, err := time.LoadLocation(w.Zone)
	if err != nil {
		return w.Instant.UTC()
	}
	return w.Instant.In(loc)
}

// ParseWhen reads a wall time ("2027-03-14T18:30", seconds optional) in zone, or RFC 3339 with an offset. A wall time
// that a clock change skips is the first valid instant after; one that occurs twice is the first.
func ParseWhen(s, zone string) (When, error) {
	loc, err := Zone(zone)
	if err != nil {
		return When{}, err
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return When{Wall: t.In(loc).Format(wallLayout), Zone: zone, Instant: t.UTC(), Fixed: true}, inRange(t)
	}
	for _, layout := range []string{wallLayout, "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return When{Wall: t.Format(wallLayout), Zone: zone, Instant: resolve(t, loc).UTC()}, inRange(t)
		}
	}
	return When{}, fmt.Errorf("%q is not a time: write 2027-03-14T18:30 (read in %s) or 2027-03-14T18:30:00-04:00", s, zone)
}

func inRange(t time.Time) error {
	if y := t.Year(); y < 1970 || y > 2200 {
		return fmt.Errorf("the year %d is out of range", y)
	}
	return nil
}

// String is the form that ParseWhen reads back to what was meant: the wall time, or RFC 3339 where the instant was.
func (w When) String() string {
	switch {
	case w.IsZero():
		return ""
	case w.Fixed || w.Wall == "":
		return w.In().Format(time.RFC3339Nano)
	}
	return w.Wall
}

// Again is the moment by the rules that its zone has now. changed: they are others than when it was read, and make its
// instant or its wall time another.
func (w When) Again() (now When, changed bool) {
	now, err := ParseWhen(w.String(), w.Zone)
	if w.IsZero() || w.Wall == "" || err != nil { // a zone that is gone from the data has no other rules
		return w, false
	}
	return now, now.Wall != w.Wall || !now.Instant.Equal(w.Instant)
}

// Zone loads an IANA zone by name. "Local" and the empty name are refused: they mean something else on every machine.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is not a time zone: write an IANA name such as America/Toronto", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone: write an IANA name such as America/Toronto", name)
	}
	return loc, nil
}

// resolve maps the wall time of w (carried in UTC) to an instant of loc. time.Date picks either side of a gap and
// either occurrence of a repeated hour, so both offsets around the moment are tried instead.
func resolve(w time.Time, loc *time.Location) time.Time {
	_, before := w.Add(-26 * time.Hour).In(loc).Zone()
	_, after := w.Add(26 * time.Hour).In(loc).Zone()
	first, second := w.Add(-time.Duration(before)*time.Second), w.Add(-time.Duration(after)*time.Second)
	if second.Before(first) {
		first, second = second, first
	}
	same := func(t time.Time) bool { return t.In(loc).Format(wallLayout) == w.Format(wallLayout) }
	switch {
	case same(first):
		return first
	case same(second):
		return second
	}
	// In a gap: the first valid instant is the moment of the change, between the two readings.
	lo, hi := first, second
	_, o := lo.In(loc).Zone()
	for hi.Sub(lo) > time.Second {
		mid := lo.Add(hi.Sub(lo) / 2)
		if _, m := mid.In(loc).Zone(); m == o {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi.Truncate(time.Second)
}
