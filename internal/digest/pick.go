package digest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// gathered is what a digest may tell, in the order in which it tells it: events to come, the next first; news, the oldest
// first; what was called off.
type gathered struct {
	items []item
	told  []store.Told // the same
}

type item struct {
	told store.Told
	says announce.Item
	key  string // of the item in an edition's key
}

// event is what makes two items tell of the same event.
func (i item) event() announce.ID {
	return cmp.Or(i.told.Event.Of, i.told.ID)
}

// gather takes what a digest is about out of all that was announced, without what nobody can go to any more.
func gather(all []store.Told, d store.Digest, now time.Time) gathered {
	var g gathered
	for _, t := range all {
		i := item{told: t, says: announce.Item{Announcement: t.Announcement, Page: t.Page, Off: !t.Cancelled.IsZero()}}
		a := &i.says.Announcement
		past := a.Event != nil && (i.says.Off || !a.Kind.AboutPast()) && !a.Event.Over().After(now)
		expired := !a.Expires.IsZero() && !a.Expires.Instant.After(now)
		if past || expired || !about(d, t) {
			continue
		}
		if a.Event != nil { // a digest says when and where, not the programme
			e := *a.Event
			e.Talks, e.Partners = nil, nil
			a.Event = &e
		}
		i.key = string(a.ID) + "." + strconv.Itoa(a.Rev)
		g.items = append(g.items, i)
	}
	slices.SortStableFunc(g.items, func(a, b item) int {
		if c := cmp.Compare(a.section(), b.section()); c != 0 {
			return c
		}
		return cmp.Or(a.moment().Compare(b.moment()), cmp.Compare(a.told.ID, b.told.ID))
	})
	for _, i := range g.items {
		g.told = append(g.told, i.told)
	}
	return g
}

// about reports whether a digest is about something.
func about(d store.Digest, t store.Told) bool {
	if len(d.Topics) > 0 && !slices.ContainsFunc(d.Topics, func(topic string) bool {
		return topic == string(t.Kind) || slices.Contains(t.Announcement.Topics, topic)
	}) {
		return false
	}
	if len(d.Languages) == 0 {
		return true
	}
	for l := range t.Texts {
		if slices.ContainsFunc(d.Languages, func(want announce.Language) bool { return want.Base() == l.Base() }) {
			return true
		}
	}
	return false
}

func (i item) section() int {
	switch {
	case i.says.Off:
		return 2
	case i.says.Upcoming():
		return 0
	}
	return 1
}

func (i item) moment() time.Time {
	if i.section() != 1 {
		return i.told.Event.Start.Instant
	}
	return i.told.Due
}

// new reports whether an item is told to somebody who was told all up to since: it came due after that, or they know of it
// and it was called off after that. What was called off before it came due was never announced.
func (i item) new(since, until time.Time) bool {
	in := func(t time.Time) bool { return t.After(since) && !t.After(until) }
	if i.says.Off && i.told.Cancelled.After(i.told.Created) && !i.told.Cancelled.After(i.told.Due) {
		return false
	}
	return in(i.told.Due) || i.says.Off && !i.told.Due.After(since) && in(i.told.Cancelled)
}

// pick is what is told of all that is for somebody and new to them. An event is told once, however often it was announced.
func (g gathered) pick(since, until time.Time, is func(store.Told) bool) (picked []item) {
	var events map[announce.ID]int
	for _, i := range g.items {
		if !i.new(since, until) || !is(i.told) {
			continue
		}
		if i.section() != 1 {
			if events == nil {
				events = map[announce.ID]int{}
			}
			if n, twice := events[i.event()]; twice {
				if i.told.ID == i.event() { // what made it known says most
					picked[n] = i
				}
				continue
			}
			events[i.event()] = len(picked)
		}
		picked = append(picked, i)
	}
	return picked
}

// edition names what is told, over an account.
func edition(account string, picked []item) string {
	var b strings.Builder
	b.WriteString(account)
	for _, i := range picked {
		b.WriteByte(' ')
		b.WriteString(i.key)
	}
	return b.String()
}

func items(picked []item) []announce.Item {
	all := make([]announce.Item, len(picked))
	for n, i := range picked {
		all[n] = i.says
	}
	return all
}
