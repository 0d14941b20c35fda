// Package calendar turns an announcement's event into iCalendar (RFC 5545 and 7986), the same for every channel: what
// a mail carries and what the website's calendar shows are one entry, because its UID is one.
package calendar

import (
	"cmp"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"
	"unicode"

	ics "github.com/arran4/golang-ical"

	"github.com/crieur/crieur/internal/announce"
)

const product = "-//Crieur//Crieur//EN"

// Options are what an entry says beyond its announcement.
type Options struct {
	Stamp       time.Time     // DTSTAMP: when this edition of the entry was made; equal input, equal bytes
	Description string        // plain; empty: the summary, the programme and the links
	Organizer   *mail.Address // RFC 5546 wants one in every document with a method
}

// UID names the event of an announcement in every calendar, for ever.
func UID(id announce.ID, site announce.Site) string {
	if u, err := url.Parse(site.URL); err == nil && u.Hostname() != "" {
		return string(id) + "@" + u.Hostname()
	}
	return string(id) + "@crieur"
}

// Event is the calendar entry of m's event; nil when m has none. An event without an end lasts announce.DefaultLength.
func Event(m announce.Message, site announce.Site, o Options) *ics.VEvent {
	e := m.Event
	if e == nil {
		return nil
	}
	title := m.Subject
	if x := m.Entry; x != nil {
		e := *e
		e.Talks = x.Talks
		title, m.Summary, m.Link, m.Event = x.Title, x.Summary, x.Link, &e
	}
	v := ics.NewEvent(UID(cmp.Or(e.Of, m.Announcement), site))
	v.SetDtStampTime(o.Stamp)
	setTime(v, ics.ComponentPropertyDtStart, e.Start.Instant, e.Start.Zone)
	end, zone := e.Over(), e.Start.Zone
	if !e.End.IsZero() {
		zone = e.End.Zone
	}
	setTime(v, ics.ComponentPropertyDtEnd, end, zone)
	v.SetSummary(line(title))
	if d := description(m, o); d != "" {
		v.SetDescription(d)
	}
	if where := location(e); where != "" {
		v.SetLocation(where)
	}
	if link := first(m.Link, e.SignUpURL, e.OnlineURL); link != "" {
		v.SetURL(link)
	}
	if e.OnlineURL != "" {
		v.AddProperty("CONFERENCE", e.OnlineURL, ics.WithValue("URI"))
	}
	if o.Organizer != nil {
		v.SetOrganizer("mailto:"+o.Organizer.Address, names(o.Organizer.Name)...)
	}
	for _, t := range m.Topics {
		v.AddProperty(ics.ComponentPropertyCategories, line(t))
	}
	for _, p := range m.Images {
		if p.URL != "" {
			v.AddProperty("IMAGE", p.URL, ics.WithValue("URI"))
		}
	}
	v.SetStatus(ics.ObjectStatusConfirmed)
	if off(m) {
		v.SetStatus(ics.ObjectStatusCancelled)
	}
	v.SetSequence(e.Sequence)
	if !m.Created.IsZero() {
		v.SetCreatedTime(m.Created)
	}
	if !m.Updated.IsZero() {
		v.SetModifiedAt(m.Updated)
	}
	return v
}

// off reports whether m says that its event does not take place.
func off(m announce.Message) bool { return m.Event.Cancelled || m.Kind == announce.KindCancellation }

// Method is what a mail asks calendar programs to do with m's event, by its iMIP method (RFC 6047): PUBLISH it, or CANCEL
// the entry of that UID whose SEQUENCE is not higher (RFC 5546 section 3.2.5). Of an event that no earlier message made
// known there is none to cancel.
func Method(m announce.Message) string {
	if off(m) && (m.Event.Of != "" || m.Event.Sequence > 0) {
		return "CANCEL"
	}
	return "PUBLISH"
}

// Document is what stands around the entries.
type Document struct {
	Name    string        // what calendars call it; empty: nothing
	Source  string        // where the newest edition is; empty: nowhere
	Refresh time.Duration // how often a subscriber should look; 0: not said
	Updated time.Time     // LAST-MODIFIED; zero: not said
	Method  string        // as Method, in a mail; empty in a published file, where libical demands an organiser otherwise
}

// Calendar is the document with the entries and the time zones that they use: CRLF, folded, escaped, the same bytes
// for the same input. Entries that are nil are left out.
func Calendar(d Document, events ...*ics.VEvent) []byte {
	c := ics.NewCalendar()
	c.SetProductId(product)
	c.SetCalscale("GREGORIAN")
	if d.Method != "" {
		c.SetMethod(ics.Method(d.Method))
	}
	if d.Name != "" {
		c.SetName(line(d.Name))
	}
	if d.Source != "" {
		c.CalendarProperties = append(c.CalendarProperties, ics.CalendarProperty{BaseProperty: ics.BaseProperty{
			IANAToken: "SOURCE", Value: d.Source, ICalParameters: map[string][]string{"VALUE": {"URI"}},
		}})
	}
	if d.Refresh > 0 {
		c.SetRefreshInterval(duration(d.Refresh))
		c.SetXPublishedTTL(duration(d.Refresh))
	}
	if !d.Updated.IsZero() {
		c.SetLastModified(d.Updated)
	}
	for _, z := range timezones(events) {
		c.AddVTimezone(z)
	}
	for _, e := range events {
		if e != nil {
			c.AddVEvent(e)
		}
	}
	return []byte(c.Serialize(ics.WithNewLineWindows))
}

func setTime(v *ics.VEvent, p ics.ComponentProperty, t time.Time, zone string) {
	loc, err := announce.Zone(zone)
	if err != nil || zone == "UTC" || zone == "Etc/UTC" {
		v.SetProperty(p, t.UTC().Format(utcLayout))
		return
	}
	v.SetProperty(p, t.In(loc).Format(wallLayout), ics.WithTZID(zone))
}

func description(m announce.Message, o Options) string {
	if o.Description != "" {
		return text(o.Description)
	}
	var parts []string
	if m.Summary != "" {
		parts = append(parts, m.Summary)
	}
	var programme []string
	for _, t := range m.Event.Talks {
		item := "• " + t.Title
		for i, s := range t.Speakers {
			if i == 0 {
				item += " — " + s.Name
			} else {
				item += ", " + s.Name
			}
		}
		programme = append(programme, item)
	}
	if len(programme) > 0 {
		parts = append(parts, strings.Join(programme, "\n"))
	}
	var links []string
	for _, l := range []string{m.Event.SignUpURL, m.Event.OnlineURL, m.Link} {
		if l != "" && (len(links) == 0 || links[len(links)-1] != l) {
			links = append(links, l)
		}
	}
	if len(links) > 0 {
		parts = append(parts, strings.Join(links, "\n"))
	}
	return text(strings.Join(parts, "\n\n"))
}

func location(e *announce.Event) string {
	switch {
	case e.Venue == nil:
		return e.OnlineURL
	case e.Venue.Address == "":
		return line(e.Venue.Name)
	}
	return line(e.Venue.Name + ", " + e.Venue.Address)
}

// names is the CN parameter. The characters that the library escapes in a way no reader expects are written otherwise.
func names(name string) []ics.PropertyParameter {
	name = strings.NewReplacer(`'`, "’", `"`, "", `\`, " ", ",", " ", ";", " ", ":", " ").Replace(line(name))
	if name = strings.Join(strings.Fields(name), " "); name == "" {
		return nil
	}
	return []ics.PropertyParameter{ics.WithCN(name)}
}

func duration(d time.Duration) string {
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case m == 0:
		return fmt.Sprintf("PT%dH", h)
	case h == 0:
		return fmt.Sprintf("PT%dM", m)
	}
	return fmt.Sprintf("PT%dH%dM", h, m)
}

func first(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

// text keeps line breaks as LF and drops the other controls, which iCalendar has no form for.
func text(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

func line(s string) string { return strings.ReplaceAll(text(s), "\n", " ") }
