package discordtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/publishers/sim"
)

// event is an event of the server's calendar.
type event struct {
	ID          string    `json:"id"`
	Guild       string    `json:"guild_id"`
	Creator     string    `json:"creator_id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Start       time.Time `json:"scheduled_start_time"`
	End         time.Time `json:"scheduled_end_time"`
	Privacy     int       `json:"privacy_level"`
	Status      int       `json:"status"`
	Kind        int       `json:"entity_type"`
	Metadata    struct {
		Location string `json:"location"`
	} `json:"entity_metadata"`
	Image string `json:"-"`

	raw     string
	at      time.Time
	edited  int
	deleted bool
}

// over reports whether the event cannot be changed any more.
func (e *event) over() bool { return e.Status == 3 || e.Status == 4 }

func (e *event) post() sim.Post {
	text, html := read(e.Description)
	when := e.Start.UTC().Format("2006-01-02 15:04 MST") + " – " + e.End.UTC().Format("15:04 MST")
	post := sim.Post{
		ID: e.ID, URL: "https://discord.com/events/" + Guild + "/" + e.ID, Author: "Crieur", Subject: e.Name,
		Text: e.Name + "\n" + when + "\n" + e.Metadata.Location + "\n\n" + text, Raw: e.raw, At: e.at, Edited: e.edited, Deleted: e.deleted || e.Status == 4,
	}
	var b strings.Builder
	b.WriteString(`<div class="discord event">`)
	if e.Image != "" {
		post.Images = []sim.Image{{URL: e.Image}}
		fmt.Fprintf(&b, `<img class="cover" src="%s" alt="">`, template.HTMLEscapeString(e.Image))
	}
	fmt.Fprintf(&b, `<p class="when">%s</p><h3>%s</h3><p class="where">%s</p>%s</div>`,
		when, template.HTMLEscapeString(e.Name), template.HTMLEscapeString(e.Metadata.Location), html)
	post.HTML = b.String()
	return post
}

func (p *Platform) allowed(r *http.Request, bit uint64) *refusal {
	switch {
	case r.PathValue("guild") != Guild:
		return no(404, 10004, "Unknown Guild")
	case p.set.Absent:
		return no(403, 50001, "Missing Access")
	case bit != 0 && p.set.Rights&bit == 0:
		return no(403, 50013, "Missing Permissions")
	}
	return nil
}

const makesEvents = 1 << 44

func (p *Platform) listEvents(r *http.Request) (int, any, *refusal) {
	if refused := p.allowed(r, 0); refused != nil {
		return 0, nil, refused
	}
	out := []*event{}
	for _, e := range p.calendar {
		if !e.deleted && !e.over() {
			out = append(out, e)
		}
	}
	return 200, out, nil
}

// change applies the fields of a request to an event.
func change(e *event, r *http.Request) *refusal {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	var x struct {
		Image  *string    `json:"image"`
		Start  *time.Time `json:"scheduled_start_time"`
		Status int        `json:"status"`
	}
	before := *e
	if err != nil || json.Unmarshal(body, &x) != nil || json.Unmarshal(body, e) != nil {
		return no(400, 50109, "The request body contains invalid JSON.")
	}
	e.ID, e.Guild, e.Creator, e.Status = before.ID, Guild, before.Creator, before.Status
	n := utf8.RuneCountInString
	switch {
	case n(e.Name) < 1, n(e.Name) > 100:
		return invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
	case n(e.Description) > 1000:
		return invalid("description", "BASE_TYPE_MAX_LENGTH", "Must be 1000 or fewer in length.")
	case n(e.Metadata.Location) < 1, n(e.Metadata.Location) > 100:
		return invalid("entity_metadata", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
	case e.Kind != 3 || e.Privacy != 2:
		return invalid("entity_type", "BASE_TYPE_CHOICES", "This simulation takes events outside Discord only.")
	case e.Start.IsZero(), e.End.IsZero(), !e.End.After(e.Start):
		return invalid("scheduled_end_time", "GUILD_SCHEDULED_EVENT_SCHEDULE_INVALID", "Cannot schedule event to end before it starts.")
	case x.Start != nil && x.Start.Before(time.Now()):
		return invalid("scheduled_start_time", "GUILD_SCHEDULED_EVENT_SCHEDULE_PAST", "Cannot schedule event in the past.")
	case x.Status == 4 && before.Status != 1, x.Status == 3 && before.Status != 2:
		return invalid("status", "BASE_TYPE_CHOICES", "Invalid status transition.")
	}
	if x.Status != 0 {
		e.Status = x.Status
	}
	if x.Image != nil {
		media, data, ok := strings.Cut(*x.Image, ";base64,")
		if _, err := base64.StdEncoding.DecodeString(data); !ok || err != nil || !slices.Contains([]string{"data:image/png", "data:image/jpeg", "data:image/gif"}, media) {
			return invalid("image", "IMAGE_INVALID", "Invalid image data")
		}
		e.Image = *x.Image
	}
	e.raw = pretty(body, nil)
	if e.Image != "" {
		e.raw = strings.ReplaceAll(e.raw, e.Image, e.Image[:min(len(e.Image), 40)]+"...")
	}
	return nil
}

func (p *Platform) makeEvent(r *http.Request) (int, any, *refusal) {
	if refused := p.allowed(r, makesEvents); refused != nil {
		return 0, nil, refused
	}
	coming := 0
	for _, e := range p.calendar {
		if !e.deleted && !e.over() {
			coming++
		}
	}
	if coming >= 100 {
		return 0, nil, no(400, 30038, "Maximum number of uncompleted guild scheduled events reached (100)")
	}
	e := &event{Creator: Me, Status: 1}
	if refused := change(e, r); refused != nil {
		return 0, nil, refused
	}
	e.ID, e.at = p.number()
	p.calendar = append(p.calendar, e)
	return 200, e, nil
}

func (p *Platform) event(r *http.Request, bit uint64) (*event, *refusal) {
	if refused := p.allowed(r, bit); refused != nil {
		return nil, refused
	}
	i := slices.IndexFunc(p.calendar, func(e *event) bool { return e.ID == r.PathValue("event") && !e.deleted })
	if i < 0 {
		return nil, no(404, 10070, "Unknown Guild Scheduled Event")
	}
	return p.calendar[i], nil
}

func (p *Platform) getEvent(r *http.Request) (int, any, *refusal) {
	e, refused := p.event(r, 0)
	return 200, e, refused
}

func (p *Platform) editEvent(r *http.Request) (int, any, *refusal) {
	e, refused := p.event(r, makesEvents)
	if refused != nil {
		return 0, nil, refused
	}
	if e.over() {
		return 0, nil, no(400, 180000, "Cannot update a finished event")
	}
	next := *e
	if refused := change(&next, r); refused != nil {
		return 0, nil, refused
	}
	next.edited++
	*e = next
	return 200, e, nil
}

func (p *Platform) removeEvent(r *http.Request) (int, any, *refusal) {
	e, refused := p.event(r, makesEvents)
	if refused != nil {
		return 0, nil, refused
	}
	e.deleted = true
	return 204, nil, nil
}

// Begin lets the events of the calendar begin.
func (p *Platform) Begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.calendar {
		if e.Status == 1 {
			e.Status = 2
		}
	}
}
