package feed

import (
	"slices"
	"time"

	ics "github.com/arran4/golang-ical"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/calendar"
)

// refresh is how often a calendar should look again.
const refresh = time.Hour

// calendar is every event of the shelf, past ones and those called off too.
func (v *view) calendar(l announce.Language) ([]byte, error) {
	d := calendar.Document{Name: v.title(), Source: v.address(l, "events.ics"), Refresh: refresh, Updated: v.updated}
	var events []*ics.VEvent
	for _, o := range v.occasions {
		events = append(events, v.event(o, l))
	}
	return calendar.Calendar(d, events...), nil
}

// occasion is an entry that stands in the calendar for its event.
type occasion struct {
	entry
	cancelled bool
	struck    int // changes that came from announcements of its cancellation
}

// occasions are the events to attend, each once: a reminder or a change of something that the calendar has is left
// out, and an announced cancellation strikes out the event that begins at the same time.
func occasions(live, gone []entry) []occasion {
	var all []occasion
	entries := slices.Concat(live, gone)
	for _, e := range entries {
		if m := e.Message; m.Event != nil && m.Kind == announce.KindEvent {
			all = append(all, occasion{entry: e, cancelled: m.Event.Cancelled || !e.Removed.IsZero()})
		}
	}
	for _, e := range entries {
		m := e.Message
		if m.Event == nil || m.Kind == announce.KindEvent {
			continue
		}
		cancels, removed := m.Kind == announce.KindCancellation || m.Event.Cancelled, !e.Removed.IsZero()
		i := beginning(all, m.Event.Start.Instant)
		if i < 0 {
			all = append(all, occasion{entry: e, cancelled: cancels || removed})
		} else if cancels {
			all[i].cancelled = all[i].cancelled || !removed
			all[i].struck += e.Sequence + 1
			if e.Updated.After(all[i].Updated) {
				all[i].Updated = e.Updated
			}
		}
	}
	return all
}

// beginning is the index of the occasion that begins at t and was not taken away, or -1.
func beginning(all []occasion, t time.Time) int {
	return slices.IndexFunc(all, func(o occasion) bool { return o.Removed.IsZero() && o.Message.Event.Start.Instant.Equal(t) })
}

// occasion is what stands in the calendar for an entry with an event: itself, or the one that it speaks of.
func (v *view) occasion(e entry) occasion {
	i := slices.IndexFunc(v.occasions, func(o occasion) bool { return o.Key == e.Key })
	if i < 0 && e.Removed.IsZero() {
		i = beginning(v.occasions, e.Message.Event.Start.Instant)
	}
	if i < 0 {
		return occasion{entry: e, cancelled: e.Message.Event.Cancelled || e.Message.Kind == announce.KindCancellation || !e.Removed.IsZero()}
	}
	return v.occasions[i]
}

func (v *view) event(o occasion, l announce.Language) *ics.VEvent {
	x, m := o.in(l), o.Message
	m.Announcement, m.Subject, m.Summary, m.Updated, m.Images = announce.ID(o.Key), x.Subject, x.Summary, o.Updated, nil
	if o.Removed.IsZero() {
		if m.Link == "" {
			m.Link = o.page
		}
		for _, p := range o.pictures {
			m.Images = append(m.Images, announce.Picture{URL: p.URL})
		}
	} else { // what was taken away is not told again: calendars only need to know when it was, and that it is not
		m.Subject, m.Summary, m.Link, m.Topics = wordsFor(l).Gone, "", "", nil
		m.Event = &announce.Event{Start: m.Event.Start, End: m.Event.End, Zone: m.Event.Zone, Sequence: m.Event.Sequence}
	}
	e := calendar.Event(m, v.site, calendar.Options{Stamp: o.Updated})
	if o.cancelled {
		e.SetStatus(ics.ObjectStatusCancelled)
	}
	e.SetSequence(o.sequence())
	return e
}

// sequence is the announcement's own, as in the mail, and one more when the entry was taken away. It never goes back.
func (o occasion) sequence() int {
	n := o.Message.Event.Sequence
	if !o.Removed.IsZero() {
		n++
	}
	return max(n, o.Sequence) + o.struck
}

// single is the calendar entry of one announcement.
func (v *view) single(e entry) []byte {
	o := v.occasion(e)
	return calendar.Calendar(calendar.Document{Updated: o.Updated}, v.event(o, o.versions[0].Language))
}
