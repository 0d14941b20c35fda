package digest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"github.com/crieur/crieur/internal/announce"
)

// Schedule is when a digest is due: the wall times of a cron line in a zone. One that a clock change skips is the first
// valid instant after it, one that occurs twice is the first, as with every time in Crieur.
type Schedule struct {
	line, zone string
	place      *time.Location
}

// shortest is the least time between two occurrences.
const shortest = time.Hour

// ParseSchedule reads a cron line of five fields: minute, hour, day of the month, month, day of the week; with days in both
// fields, either will do (crontab(5)). Occurrences less than an hour apart are refused.
func ParseSchedule(line, zone string) (Schedule, error) {
	place, err := announce.Zone(zone)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{strings.Join(strings.Fields(line), " "), zone, place}
	if len(strings.Fields(line)) != 5 || !gronx.IsValid(s.line) {
		return Schedule{}, fmt.Errorf("%q is not a schedule: write a cron line of five fields, such as 0 8 * * 1 for Mondays at 8", line)
	}
	wall := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range 60 {
		next, err := gronx.NextTickAfter(s.line, wall, false)
		if err != nil {
			return Schedule{}, fmt.Errorf("%q never occurs", line)
		}
		if n > 0 && next.Sub(wall) < shortest {
			return Schedule{}, errors.New("occurrences must be at least an hour apart: a digest gathers")
		}
		wall = next
	}
	return s, nil
}

// wall is the time that clocks of the zone show at an instant, carried in UTC, by the offset that pick prefers of those
// around it: no occurrence near a clock change is missed, or found too late.
func (s Schedule) wall(at time.Time, pick func(a, b int) int) time.Time {
	_, offset := at.In(s.place).Zone()
	for _, d := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		_, other := at.Add(d).In(s.place).Zone()
		offset = pick(offset, other)
	}
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// occurrence is a wall time as an instant, named by what clocks then really show.
func (s Schedule) occurrence(wall time.Time) (announce.When, error) {
	const layout = "2006-01-02T15:04:05"
	w, err := announce.ParseWhen(wall.Format(layout), s.zone)
	if err == nil && w.Instant.In(s.place).Format(layout) != w.Wall {
		w, err = announce.ParseWhen(w.Instant.In(s.place).Format(layout), s.zone)
	}
	return w, err
}

// Next is the first occurrence after an instant. False: there is none within years.
func (s Schedule) Next(after time.Time) (announce.When, bool) {
	wall := s.wall(after, func(a, b int) int { return min(a, b) })
	for {
		next, err := gronx.NextTickAfter(s.line, wall, false)
		if err != nil {
			return announce.When{}, false
		}
		w, err := s.occurrence(next)
		if err != nil {
			return announce.When{}, false
		}
		if w.Instant.After(after) {
			return w, true
		}
		wall = next
	}
}

// Last is the last occurrence at or before an instant. False: there is none within years.
func (s Schedule) Last(until time.Time) (announce.When, bool) {
	wall := s.wall(until, func(a, b int) int { return max(a, b) })
	for inclusive := true; ; inclusive = false {
		last, err := gronx.PrevTickBefore(s.line, wall, inclusive)
		if err != nil {
			return announce.When{}, false
		}
		w, err := s.occurrence(last)
		if err != nil {
			return announce.When{}, false
		}
		if !w.Instant.After(until) {
			return w, true
		}
		wall = last
	}
}

// Between lists the occurrences after an instant, up to another.
func (s Schedule) Between(after, until time.Time) (all []announce.When) {
	for {
		w, ok := s.Next(after)
		if !ok || w.Instant.After(until) {
			return all
		}
		all, after = append(all, w), w.Instant
	}
}
