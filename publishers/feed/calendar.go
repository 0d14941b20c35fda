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
	for _, o := range v.occasions() {
		events = append(events, v.event(o, l))
	}
	return calendar.Calendar(d, events...), nil
}

// occasion is an entry that stands in the calendar for its event.
type occasion struct {
	entry
	cancelled bool
}

// occasions are the events to attend, each once: a reminder or a change of something that the calendar has is left
// out, and an announced cancellation strikes out the event that begins at the same time.
func (v *view) occasions() []occasion {
	var all []occasion
	begins := func(e entry) int {
		return slices.IndexFunc(all, func(o occasion) bool {
			return o.Removed.IsZero() && o.Message.Event.Start.Instant.Equal(e.Message.Event.Start.Instant)
		})
	}
	for _, e := range slices.Concat(v.live, v.gone) {
		if m := e.Message; m.Event != nil && m.Kind == announce.KindEvent {
			all = append(all, occasion{e, m.Event.Cancelled || !e.Removed.IsZero()})
		}
	}
	for _, e := range slices.Concat(v.live, v.gone) {
		m := e.Message
		if m.Event == nil || m.Kind == announce.KindEvent {
			continue
		}
		cancels, removed := m.Kind == announce.KindCancellation || m.Event.Cancelled, !e.Removed.IsZero()
		i := begins(e)
		if i < 0 {
			all = append(all, occasion{e, cancels || removed})
		} else if cancels {
			all[i].cancelled = all[i].cancelled || !removed
			all[i].Sequence += e.Sequence + 1
			if e.Updated.After(all[i].Updated) {
				all[i].Updated = e.Updated
			}
		}
	}
	return all
}

func (v *view) event(o occasion, l announce.Language) *ics.VEvent {
	x, m := o.in(l), o.Message
	m.Announcement, m.Subject, m.Summary, m.Updated = announce.ID(o.Key), x.Subject, x.Summary, o.Updated
	if m.Link == "" {
		m.Link = o.page
	}
	m.Images = nil
	for _, p := range o.pictures {
		m.Images = append(m.Images, announce.Picture{URL: p.URL})
	}
	e := calendar.Event(m, v.site, calendar.Options{Stamp: o.Updated})
	if o.cancelled {
		e.SetStatus(ics.ObjectStatusCancelled)
	}
	e.SetSequence(sequence(o.ShelfItem))
	return e
}

// sequence grows with each change: with the announcement's revisions, and when the entry is taken away or comes back.
func sequence(i announce.ShelfItem) int { return i.Message.Event.Sequence + i.Sequence }

// single is the calendar entry of one announcement.
func (v *view) single(e entry) []byte {
	o := occasion{e, e.Message.Event.Cancelled || e.Message.Kind == announce.KindCancellation || !e.Removed.IsZero()}
	for _, x := range v.occasions() {
		if x.Key == e.Key {
			o = x
		}
	}
	return calendar.Calendar(calendar.Document{Updated: o.Updated}, v.event(o, o.versions[0].Language))
}
