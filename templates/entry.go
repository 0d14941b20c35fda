package templates

import (
	"maps"
	"slices"

	"github.com/crieur/crieur/internal/announce"
)

// Entries are how calendars show the event of an announcement, by language: as the announcement itself says.
func (s *Set) Entries(a announce.Announcement, site announce.Site) map[announce.Language]announce.Entry {
	if a.Event.Entries != nil {
		return a.Event.Entries
	}
	out := map[announce.Language]announce.Entry{}
	for l := range a.Texts {
		t := s.tell(Request{Announcement: a, Site: site}, l)
		e := announce.Entry{Title: t.text.Title, Summary: t.summary, Link: mainLink(a)}
		for _, x := range a.Event.Talks { // what a calendar has no room for stays out
			e.Talks = append(e.Talks, announce.Talk{Title: x.Title, Speakers: x.Speakers})
		}
		out[l] = e
	}
	return out
}

// entryFor is the entry for a reader of l, else the default one, else any.
func entryFor(all map[announce.Language]announce.Entry, l, otherwise announce.Language) announce.Entry {
	for _, want := range []announce.Language{l, l.Base(), otherwise} {
		if e, ok := all[want]; ok {
			return e
		}
	}
	for _, want := range slices.Sorted(maps.Keys(all)) {
		return all[want]
	}
	return announce.Entry{}
}
