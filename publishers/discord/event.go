package discord

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// calendar makes events of a server: one announcement, one event.
type calendar struct {
	api
	guild string
	site  announce.Site
}

var (
	_ announce.Amender   = (*calendar)(nil)
	_ announce.Retracter = (*calendar)(nil)
	_ announce.Finder    = (*calendar)(nil)
	_ announce.Checker   = (*calendar)(nil)
)

// What Discord takes for an event.
const (
	maxName        = 100
	maxPlace       = 100
	maxDescription = 1000
	maxEventText   = 800 // ours: the words of the cover stand below the text
	maxEventAlt    = 150
)

func (c *calendar) Name() string { return name }

// Limits are Discord's for an event's description. There is no key: a repeat is a second event, so a lost one is looked for.
func (c *calendar) Limits() announce.Limits {
	return announce.Limits{
		Text: maxEventText, Links: true, Markdown: true, Images: 1, Alt: maxEventAlt, Card: true, Pace: time.Second,
		Measure: func(s string) int { return units(pen{}.write(c.markdown.Read(s))) },
		Kinds:   []announce.Kind{announce.KindEvent},
		Picture: announce.PictureLimits{Bytes: 2_000_000, Side: 1600, Types: []string{"image/jpeg", "image/png"}},
	}
}

// The states of an event.
const (
	scheduled = 1
	active    = 2
	completed = 3
	cancelled = 4
)

// event is an event as Discord gives it.
type event struct {
	ID       string    `json:"id"`
	Creator  string    `json:"creator_id"`
	Name     string    `json:"name"`
	Start    time.Time `json:"scheduled_start_time"`
	Status   int       `json:"status"`
	Metadata struct {
		Location string `json:"location"`
	} `json:"entity_metadata"`
}

func (c *calendar) path(event ...string) string {
	return "/guilds/" + strings.Join(append([]string{c.guild, "scheduled-events"}, event...), "/")
}

// Publish makes the event once.
func (c *calendar) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if m.Event == nil || m.Kind != announce.KindEvent {
		return announce.Receipt{}, notAnEvent()
	}
	if m.Event.Cancelled {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Field: "event.cancelled", Fault: "the event is cancelled, so there is none to put into the Discord calendar"}
	}
	fields := c.fields(m)
	fields["privacy_level"], fields["entity_type"] = 2, 3 // for the server's members; at a place outside Discord
	var made event
	_, err := c.client.Do(ctx, rest.Call{Method: http.MethodPost, Path: c.path(), Body: fields, Into: &made, Create: true, Classify: classify(botSays, false)})
	if err != nil {
		return announce.Receipt{}, err
	}
	if made.ID == "" {
		return announce.Receipt{}, unnamed()
	}
	return c.receipt(made.ID), nil
}

func notAnEvent() error {
	return &announce.Error{Outcome: announce.Permanent, Field: "kind", Fault: "this Discord account keeps a calendar: it takes announcements of the kind event and no others; leave it out of their channels"}
}

func (c *calendar) receipt(id string) announce.Receipt {
	return announce.Receipt{ID: asEvent + ":" + c.guild + ":" + id, URL: "https://discord.com/events/" + c.guild + "/" + id, At: moment(id)}
}

// fields are what an announcement says of its event.
func (c *calendar) fields(m announce.Message) map[string]any {
	blocks := c.markdown.Read(m.Text)
	name := clip(m.Subject, maxName)
	if name == strings.TrimSpace(m.Subject) {
		blocks = markup.Untitled(blocks, name) // the title stands above
	}
	f := map[string]any{
		"name":                 name,
		"scheduled_start_time": m.Event.Start.Instant.UTC().Format(time.RFC3339),
		"scheduled_end_time":   m.Event.Over().UTC().Format(time.RFC3339),
		"entity_metadata":      map[string]any{"location": c.location(m)},
	}
	description := strings.TrimSpace(pen{}.write(blocks))
	if len(m.Images) > 0 {
		described := description
		if alt := strings.TrimSpace(m.Images[0].Alt); alt != "" {
			described += "\n\n" + escape("["+in(m.Language, "Image\u00a0: ", "Picture: ")+alt+"]", true)
		}
		if units(described) <= maxDescription {
			description = described
			f["image"] = "data:" + m.Images[0].Type + ";base64," + base64.StdEncoding.EncodeToString(m.Images[0].Data)
		}
	}
	f["description"] = description
	return f
}

// location is where people go: the venue, or the address of the online room, or where more is said.
func (c *calendar) location(m announce.Message) string {
	e := m.Event
	if v := e.Venue; v != nil && v.Name != "" {
		if whole := v.Name + ", " + v.Address; v.Address != "" && units(whole) <= maxPlace {
			return whole
		}
		return clip(v.Name, maxPlace)
	}
	for _, address := range []string{e.OnlineURL, e.SignUpURL, m.Link} {
		if address != "" && units(address) <= maxPlace {
			return address
		}
	}
	return clip(cmp.Or(c.site.Name, in(m.Language, "En ligne", "Online")), maxPlace)
}

// in picks the words for a reader of l.
func in(l announce.Language, french, english string) string {
	if l.Base() == "fr" {
		return french
	}
	return english
}

// clip keeps at most n units of one line, ending at a word with an ellipsis when something is missing.
func clip(s string, n int) string {
	s = strings.TrimSpace(s)
	if units(s) <= n {
		return s
	}
	kept := ""
	for _, at := range space.FindAllStringIndex(s, -1) {
		if units(s[:at[0]])+1 > n {
			break
		}
		kept = s[:at[0]]
	}
	if kept == "" { // a first word of more than n
		for _, r := range s {
			if units(kept+string(r))+1 > n {
				break
			}
			kept += string(r)
		}
	}
	return strings.TrimRight(kept, ",.;:–—-(«“") + "…"
}

var space = regexp.MustCompile(`[ \t\n]+`)

// Amend edits the event in place, or cancels it when it does not take place.
func (c *calendar) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	id, ok := c.about(r)
	if !ok {
		return announce.Receipt{}, foreign()
	}
	if m.Event == nil {
		return announce.Receipt{}, notAnEvent()
	}
	now := c.receipt(id)
	if m.Event.Cancelled || m.Kind == announce.KindCancellation {
		return now, c.cancel(ctx, id)
	}
	fields := c.fields(m)
	if !m.Event.Start.Instant.After(time.Now()) {
		delete(fields, "scheduled_start_time") // Discord takes no time that has passed, not even the one that it has
	}
	return now, c.change(ctx, id, fields)
}

func (c *calendar) change(ctx context.Context, id string, fields map[string]any) error {
	_, err := c.client.Do(ctx, rest.Call{Method: http.MethodPatch, Path: c.path(id), Body: fields, Classify: classify(botSays, false)})
	return err
}

// cancel ends the event in the way that its state allows. One that is over or gone takes place no more.
func (c *calendar) cancel(ctx context.Context, id string) error {
	var e event
	err := c.get(ctx, c.path(id), &e)
	state := map[int]int{scheduled: cancelled, active: completed}[e.Status]
	if err == nil && state != 0 {
		err = c.change(ctx, id, map[string]any{"status": state})
	}
	if says(err, noEvent, finished) {
		return nil
	}
	return err
}

// Retract deletes the event. One that is gone is success.
func (c *calendar) Retract(ctx context.Context, r announce.Receipt) error {
	id, ok := c.about(r)
	if !ok {
		return foreign()
	}
	_, err := c.client.Do(ctx, rest.Call{Method: http.MethodDelete, Path: c.path(id), Classify: classify(botSays, false)})
	if says(err, noEvent) {
		return nil
	}
	return err
}

var eventAddress = regexp.MustCompile(`^/events/([0-9]+)/([1-9][0-9]{14,19})$`)

// about finds the event that a receipt stands for. Those of another server are somebody else's.
func (c *calendar) about(r announce.Receipt) (string, bool) {
	if p, ok := path(r); ok {
		parts := eventAddress.FindStringSubmatch(p)
		if parts == nil || parts[1] != c.guild {
			return "", false
		}
		return parts[2], true
	}
	parts, ok := read(r, asEvent)
	if !ok || parts[0] != c.guild {
		return "", false
	}
	return parts[1], true
}

// Find looks for an event of the bot's with the same name, time and place.
func (c *calendar) Find(ctx context.Context, m announce.Message, from time.Time) (announce.Receipt, bool, error) {
	if m.Event == nil || m.Kind != announce.KindEvent {
		return announce.Receipt{}, false, nil
	}
	var all *[]event // nil: not the answer that was asked for
	if err := c.get(ctx, c.path(), &all); err != nil {
		return announce.Receipt{}, false, err
	}
	if all == nil {
		return announce.Receipt{}, false, unsure(false, "Discord's answer cannot be understood", "")
	}
	want, me := c.fields(m), ""
	for _, e := range *all {
		if letters(e.Name) != letters(want["name"].(string)) || !e.Start.Equal(m.Event.Start.Instant.Truncate(time.Second)) ||
			letters(e.Metadata.Location) != letters(c.location(m)) || moment(e.ID).Before(from.Add(-skew)) {
			continue
		}
		if me == "" {
			who, err := c.self(ctx)
			if err != nil {
				return announce.Receipt{}, false, err
			}
			me = who.ID
		}
		if e.Creator == me {
			return c.receipt(e.ID), true, nil
		}
	}
	return announce.Receipt{}, false, nil
}

// Check asks Discord who the bot is, and whether it may make events.
func (c *calendar) Check(ctx context.Context) (announce.Report, error) {
	me, err := c.self(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	r := announce.Report{Identity: me.Username}
	g, _, all, err := c.rights(ctx, c.guild, me.ID)
	if refused, status := permanently(err); refused {
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: "Discord does not show the server " + c.guild + " to " + me.Username + " (" + status + ")", Do: "check GUILD, and invite the bot to the server"})
		return r, nil
	} else if err != nil {
		return r, err
	}
	r.Identity += " on " + g.Name
	if !all.has(createEvents) {
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: me.Username + " lacks the permission Create Events on " + g.Name, Do: "give it to the bot's role (server settings, Roles)"})
	}
	return r, nil
}
