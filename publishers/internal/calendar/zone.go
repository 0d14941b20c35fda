package calendar

import (
	"fmt"
	"sort"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
)

const (
	wallLayout = "20060102T150405"
	utcLayout  = "20060102T150405Z"
	horizon    = 10 // years over which a rule must hold before it is written as one
)

// timezones describes every zone that the entries name, for the years in which they take place.
func timezones(events []*ics.VEvent) []*ics.VTimezone {
	type years struct{ from, to int }
	used := map[string]years{}
	for _, e := range events {
		if e == nil {
			continue
		}
		for _, p := range e.Properties {
			id := p.ICalParameters[string(ics.ParameterTzid)]
			t, err := time.Parse(wallLayout, p.Value)
			if len(id) != 1 || err != nil {
				continue
			}
			y, ok := used[id[0]]
			if !ok {
				y = years{t.Year(), t.Year()}
			}
			used[id[0]] = years{min(y.from, t.Year()), max(y.to, t.Year())}
		}
	}
	var ids []string
	for id := range used {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	var out []*ics.VTimezone
	for _, id := range ids {
		if loc, err := time.LoadLocation(id); err == nil {
			out = append(out, timezone(id, loc, used[id].from, used[id].to))
		}
	}
	return out
}

// change is a moment from which a zone's clocks show another offset.
type change struct {
	at       time.Time // wall time before the change, carried in UTC
	from, to int       // seconds east
	name     string
}

// timezone describes loc for the years from..to and one more on either side: by two yearly rules where the clocks
// follow such, else change by change.
func timezone(id string, loc *time.Location, from, to int) *ics.VTimezone {
	z := ics.NewTimezone(id)
	all := changes(loc, from-1, to+horizon)
	if rules := yearly(all, to+horizon); rules != nil {
		for _, r := range rules {
			z.Components = append(z.Components, observance(r.first, r.rule))
		}
		return z
	}
	name, offset := time.Date(from-1, 1, 1, 0, 0, 0, 0, loc).Zone()
	z.Components = append(z.Components, observance(change{time.Date(from-1, 1, 1, 0, 0, 0, 0, time.UTC), offset, offset, name}, ""))
	for _, c := range all {
		if c.at.Year() <= to+1 {
			z.Components = append(z.Components, observance(c, ""))
		}
	}
	return z
}

// changes lists what the clocks of loc do in the years from..to. It looks day by day, because Time.ZoneBounds
// also stops where years begin once a zone's table is at its end.
func changes(loc *time.Location, from, to int) []change {
	var out []change
	t := time.Date(from, 1, 1, 0, 0, 0, 0, loc)
	last := time.Date(to+1, 1, 1, 0, 0, 0, 0, loc)
	for _, before := t.Zone(); t.Before(last); t = t.Add(24 * time.Hour) {
		next := t.Add(24 * time.Hour)
		_, after := next.Zone()
		if after == before {
			continue
		}
		n := sort.Search(24*3600, func(s int) bool {
			_, o := t.Add(time.Duration(s) * time.Second).Zone()
			return o != before
		})
		at := t.Add(time.Duration(n) * time.Second)
		name, _ := at.Zone()
		out = append(out, change{at.UTC().Add(time.Duration(before) * time.Second), before, after, name})
		before = after
	}
	return out
}

type rule struct {
	first change
	rule  string
}

// yearly is the two rules that all changes follow until the year last, or nil.
func yearly(all []change, last int) []rule {
	groups := map[[2]int][]change{}
	var order [][2]int
	for _, c := range all {
		k := [2]int{c.from, c.to}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], c)
	}
	if len(order) != 2 {
		return nil
	}
	var out []rule
	for _, k := range order {
		r, ok := pattern(groups[k], last)
		if !ok {
			return nil
		}
		out = append(out, rule{groups[k][0], r})
	}
	return out
}

// pattern is the recurrence that g follows: once in each year until last, in one month, on one weekday counted from
// one end of the month, at one time.
func pattern(g []change, last int) (string, bool) {
	first := g[0]
	nth, final := true, true
	for i, c := range g {
		if c.at.Year() != first.at.Year()+i || c.name != first.name || c.at.Month() != first.at.Month() ||
			c.at.Weekday() != first.at.Weekday() || c.at.Format("150405") != first.at.Format("150405") {
			return "", false
		}
		nth = nth && (c.at.Day()-1)/7 == (first.at.Day()-1)/7
		final = final && c.at.AddDate(0, 0, 7).Month() != c.at.Month()
	}
	if g[len(g)-1].at.Year() != last || !nth && !final {
		return "", false
	}
	n := (first.at.Day()-1)/7 + 1
	if !nth {
		n = -1
	}
	day := strings.ToUpper(first.at.Weekday().String()[:2])
	return fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", first.at.Month(), n, day), true
}

func observance(c change, rule string) ics.Component {
	var b ics.ComponentBase
	b.AddProperty(ics.ComponentPropertyDtStart, c.at.Format(wallLayout))
	b.AddProperty(ics.ComponentProperty(ics.PropertyTzoffsetfrom), offset(c.from))
	b.AddProperty(ics.ComponentProperty(ics.PropertyTzoffsetto), offset(c.to))
	b.AddProperty(ics.ComponentProperty(ics.PropertyTzname), c.name)
	if rule != "" {
		b.AddProperty(ics.ComponentPropertyRrule, rule)
	}
	if c.to > c.from {
		return &ics.Daylight{ComponentBase: b}
	}
	return &ics.Standard{ComponentBase: b}
}

func offset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	s := fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		s += fmt.Sprintf("%02d", seconds%60)
	}
	return s
}
