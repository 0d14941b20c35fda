package feed

import (
	"encoding/json"
	"html/template"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

type schemaThing struct {
	Type    string `json:"@type"`
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
	URL     string `json:"url,omitempty"`
}

type schemaEvent struct {
	Context     string            `json:"@context"`
	Type        string            `json:"@type"`
	ID          string            `json:"@id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Start       string            `json:"startDate"`
	End         string            `json:"endDate,omitempty"`
	Status      string            `json:"eventStatus"`
	Mode        string            `json:"eventAttendanceMode,omitempty"`
	Location    []schemaThing     `json:"location,omitempty"`
	Image       []string          `json:"image,omitempty"`
	URL         string            `json:"url"`
	Language    announce.Language `json:"inLanguage,omitempty"`
	Organizer   schemaThing       `json:"organizer"`
	Performer   []schemaThing     `json:"performer,omitempty"`
	Sponsor     []schemaThing     `json:"sponsor,omitempty"`
}

// schema describes the entry's event to search engines (schema.org). JSON's own escapes keep it from ending its element.
func (v *view) schema(e entry) (template.JS, error) {
	ev := e.Message.Event
	if ev == nil {
		return "", nil
	}
	x := e.versions[0]
	s := schemaEvent{
		Context: "https://schema.org", Type: "Event", ID: e.tag, Name: x.Subject, Description: x.Summary, Start: ev.Start.In().Format(time.RFC3339),
		Status: "https://schema.org/EventScheduled", URL: e.page, Language: x.Language, Organizer: schemaThing{Type: "Organization", Name: v.title(), URL: v.site.URL},
	}
	if !ev.End.IsZero() {
		s.End = ev.End.In().Format(time.RFC3339)
	}
	if v.cancelled(e) {
		s.Status = "https://schema.org/EventCancelled"
		if ev.Postponed {
			s.Status = "https://schema.org/EventPostponed"
		}
	}
	if ev.Venue != nil {
		s.Mode = "https://schema.org/OfflineEventAttendanceMode"
		s.Location = append(s.Location, schemaThing{"Place", controls(ev.Venue.Name), controls(ev.Venue.Address), ev.Venue.URL})
	}
	if ev.OnlineURL != "" {
		s.Mode = "https://schema.org/OnlineEventAttendanceMode"
		if ev.Venue != nil {
			s.Mode = "https://schema.org/MixedEventAttendanceMode"
		}
		s.Location = append(s.Location, schemaThing{Type: "VirtualLocation", URL: ev.OnlineURL})
	}
	for _, p := range e.pictures {
		s.Image = append(s.Image, p.URL)
	}
	seen := map[string]bool{}
	for _, t := range ev.Talks {
		for _, p := range t.Speakers {
			if !seen[p.Name] {
				s.Performer = append(s.Performer, schemaThing{Type: "Person", Name: controls(p.Name), URL: p.URL})
			}
			seen[p.Name] = true
		}
	}
	for _, p := range ev.Partners {
		s.Sponsor = append(s.Sponsor, schemaThing{Type: "Organization", Name: controls(p.Name), URL: p.URL})
	}
	b, err := json.Marshal(s)
	return template.JS(b), err
}
