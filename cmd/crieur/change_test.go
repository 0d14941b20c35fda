package main

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-ical"
	"github.com/jhillyerd/enmime/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/publishers/sim"
)

const (
	oldPlace = "Café du Clocher"
	newPlace = "Pacini"
)

// moving is a real evening of a community, an hour before it began elsewhere than its announcement said.
func moving(now time.Time) announce.Draft {
	zone, err := announce.Zone("America/Toronto")
	if err != nil {
		panic(err)
	}
	return announce.Draft{
		Kind: announce.KindEvent, Default: "fr", TimeZone: "America/Toronto", Link: "https://example.org/events/974324606075464",
		Texts: map[announce.Language]announce.Text{"fr": {Title: "L'IO Bleu"}, "en": {Title: "The Blue IO"}},
		Event: &announce.DraftEvent{
			StartsAt: now.Add(time.Hour).In(zone).Format("2006-01-02T15:04"),
			Venue:    &announce.Venue{Name: "Café du Clocher (Alma)", Address: "19 Rue St Joseph S, Alma, Québec G8B 3E2"},
			Talks: []announce.Talk{
				{Title: "Server side rendering ou génération de sites statiques avec React et Nextjs", Abstract: "- Différents modèles d'architectures\n- Structure d'un projet"},
				{Title: "Le pouvoir de ESP", Abstract: "Domotique avec des petits boards esp8266, esp12 et du MicroPython, ça vous parle?"},
			},
		},
	}
}

// entry is the event of an announcement in the calendar that a subscriber reads, by a parser that Crieur does not write with.
func (d *demoServer) entry(t *testing.T, id announce.ID) *ical.Component {
	t.Helper()
	_, body := d.raw(t, "GET", "/feeds/fr/events.ics", "")
	return entryIn(t, []byte(body), id)
}

func entryIn(t *testing.T, calendar []byte, id announce.ID) *ical.Component {
	t.Helper()
	c, err := ical.NewDecoder(bytes.NewReader(calendar)).Decode()
	if err != nil {
		t.Fatalf("%v in\n%s", err, calendar)
	}
	for _, e := range c.Children {
		if uid := e.Props.Get(ical.PropUID); uid != nil && strings.HasPrefix(uid.Value, string(id)+"@") {
			return e
		}
	}
	t.Fatalf("%s is not in\n%s", id, calendar)
	return nil
}

func property(e *ical.Component, name string) string {
	if p := e.Props.Get(name); p != nil {
		return p.Value
	}
	return ""
}

func sequence(t *testing.T, e *ical.Component) int {
	t.Helper()
	n, err := strconv.Atoi(property(e, ical.PropSequence))
	if err != nil {
		t.Error(err)
	}
	return n
}

// live are the posts that readers of a platform can see.
func (d *demoServer) live(account string) []sim.Post {
	return slices.DeleteFunc(d.world.Platform(account).Posts(), func(p sim.Post) bool { return p.Deleted })
}

// invitation is the calendar that a mail carries, as a mail program finds it.
func invitation(t *testing.T, p sim.Post) []byte {
	t.Helper()
	e, err := enmime.ReadEnvelope(strings.NewReader(p.Raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range slices.Concat(e.Attachments, e.OtherParts) {
		if strings.HasPrefix(part.ContentType, "text/calendar") {
			return part.Content
		}
	}
	t.Fatalf("no calendar in\n%s", p.Raw)
	return nil
}

func said(p sim.Post) string { return plain(p.Subject + " " + p.Text + " " + p.HTML) }

// An hour before an evening begins its place changes: nothing says the old one any more but what nobody can change, and
// there a correction stands.
func TestThePlaceMovesAnHourBefore(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	unlimited(d.world)
	ctx := context.Background()
	draft := moving(time.Now())
	a, _, err := d.Submit(ctx, draft, "")
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	before := d.entry(t, a.ID)

	draft.Texts = map[announce.Language]announce.Text{"fr": {Title: "L'IO Bleu (déplacé au Pacini)"}, "en": {Title: "The Blue IO (moved to Pacini)"}}
	draft.Event.Venue = &announce.Venue{Name: "Pacini Alma", Address: "1000 Boul Des Cascades, Alma, Québec G8B 3G4"}
	plan, err := d.Plan(ctx, a.ID, 1, draft)
	if err != nil {
		t.Fatal(err)
	}
	step := map[string]broadcast.Way{}
	for _, x := range plan.Steps {
		step[x.Channel] = x.Step
		if !strings.Contains(x.Difference, "- ") || !strings.Contains(plain(x.Difference), newPlace) {
			t.Errorf("%s: the difference is\n%s", x.Channel, x.Difference)
		}
		if x.Channel == "email" && (x.People == nil || *x.People != 3) {
			t.Errorf("%+v", x)
		}
		if x.Channel == "twitter" && x.Cost == 0 {
			t.Error("publishing anew on X costs nothing")
		}
	}
	for account, want := range map[string]broadcast.Way{"slack": broadcast.WayEdit, "feed": broadcast.WayEdit, "twitter": broadcast.WayRepost, "email": broadcast.WayFollowUp,
		"teams": broadcast.WayFollowUp, "bluesky": broadcast.WayReply, "assisted": broadcast.WayTask} {
		if step[account] != want {
			t.Errorf("%s: %s, want %s", account, step[account], want)
		}
	}
	if st, err := d.Status(ctx, a.ID); err != nil || st.Rev != 1 || len(d.live("email")) != 3 {
		t.Errorf("the plan changed something: %+v %v", st, err)
	}
	made, err := d.RunPlan(ctx, a.ID, plan.PlanID)
	if err != nil || made.Rev != 2 || made.FollowUp == "" {
		t.Fatalf("%+v %v", made, err)
	}
	if again, err := d.RunPlan(ctx, a.ID, plan.PlanID); err != nil || !reflect.DeepEqual(again, made) {
		t.Errorf("run again: %+v %v", again, err)
	}
	d.settle(t, a.ID)
	d.settle(t, made.FollowUp)

	for _, account := range d.world.Accounts() {
		if account == "feed" {
			continue
		}
		var olds, corrections, news int
		for _, p := range d.live(account) {
			old, present := strings.Contains(said(p), oldPlace), strings.Contains(said(p), newPlace)
			switch {
			case old && present:
				corrections++
			case old:
				olds++
			case present:
				news++
			}
		}
		kept := step[account] == broadcast.WayFollowUp || step[account] == broadcast.WayReply
		switch {
		case kept && account == "email":
			if olds != 3 || corrections != 3 || news != 0 {
				t.Errorf("email: %d old mails, %d corrections, %d others", olds, corrections, news)
			}
		case kept && (olds != 1 || corrections != 1 || news != 0), !kept && (olds+corrections != 0 || news != 1):
			t.Errorf("%s (%s): %d say the old place, %d correct it, %d say the new one only", account, step[account], olds, corrections, news)
		}
	}
	after := d.entry(t, a.ID)
	if !strings.Contains(property(after, ical.PropLocation), newPlace) || sequence(t, after) <= sequence(t, before) {
		t.Errorf("the calendar says %q with the sequence %d after %d", property(after, ical.PropLocation), sequence(t, after), sequence(t, before))
	}
	french := 0
	for _, p := range d.live("email") { // what people's calendars call it stays the event's own name
		e := entryIn(t, invitation(t, p), a.ID)
		name, about := property(e, ical.PropSummary), property(e, ical.PropDescription)
		if !strings.HasPrefix(name, "L'IO Bleu") && !strings.HasPrefix(name, "The Blue IO") || strings.Contains(about, oldPlace) {
			t.Errorf("%q: a calendar shows %q: %s", p.Subject, name, about)
		}
		if strings.HasPrefix(p.Subject, "Changement") {
			french++
			if name != property(after, ical.PropSummary) || about != property(after, ical.PropDescription) {
				t.Errorf("a mail's calendar says %q: %s\nthe website's says %q: %s", name, about, property(after, ical.PropSummary), property(after, ical.PropDescription))
			}
		}
	}
	if french == 0 {
		t.Error("nobody reads French")
	}

	if _, err := d.RunPlan(ctx, a.ID, announce.NewID(time.Now())); !status(err, http.StatusNotFound) {
		t.Errorf("a plan that nobody made: %v", err)
	}
	draft.Event.Venue.Name = "Ailleurs"
	stale, err := d.Plan(ctx, a.ID, 2, draft)
	if err != nil {
		t.Fatal(err)
	}
	draft.Event.Venue.Name = "Pacini Saguenay"
	if _, err := d.Amend(ctx, a.ID, 2, draft); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RunPlan(ctx, a.ID, stale.PlanID); !status(err, http.StatusConflict) {
		t.Errorf("a plan of what is not current any more: %v", err)
	}
}

// An event that is called off is so everywhere: in posts, in people's mail and calendars, and it comes back with a later sequence.
func TestCalledOffAndBack(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	unlimited(d.world)
	ctx := context.Background()
	draft := moving(time.Now().Add(48 * time.Hour))
	a, _, err := d.Submit(ctx, draft, "")
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	why := map[announce.Language]string{"fr": "La cuisine a pris l’eau.", "en": "The kitchen is flooded."}
	if _, err := d.Cancel(ctx, a.ID, map[announce.Language]string{"french": strings.Repeat("x", 2000)}); !status(err, http.StatusUnprocessableEntity) {
		t.Errorf("a reason without end: %v", err)
	}
	if _, err := d.Cancel(ctx, a.ID, map[announce.Language]string{"de": "Hochwasser."}); !status(err, http.StatusUnprocessableEntity) {
		t.Errorf("a reason in a language that nobody reads: %v", err)
	}
	if r, text := d.raw(t, "POST", "/v1/announcements/"+string(a.ID)+"/postpone", `{"to": ""}`); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("put off to nothing: %d, %s", r.StatusCode, text)
	}
	off, err := d.Postpone(ctx, a.ID, "", why)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.Postpone(ctx, a.ID, "", nil); err != nil || again.Rev != off.Rev {
		t.Errorf("said again without the reason, it is revision %d after %d, %v", again.Rev, off.Rev, err)
	}
	st := d.settle(t, a.ID)
	d.settle(t, off.FollowUp)
	if st.State != broadcast.Cancelled || !st.Announcement.Event.Postponed {
		t.Errorf("%s %+v %+v", st.State, st.Announcement.Event, st.Deliveries)
	}
	if e := d.entry(t, a.ID); property(e, ical.PropStatus) != "CANCELLED" {
		t.Errorf("the calendar says %s", property(e, ical.PropStatus))
	}
	if _, page := d.raw(t, "GET", "/a/"+string(a.ID), ""); !strings.Contains(page, "est reporté") || !strings.Contains(page, "EventPostponed") {
		t.Errorf("its page does not say that it is put off:\n%s", page)
	}
	for _, p := range d.live("slack") {
		if text := said(p); !strings.Contains(text, "reportée") || !strings.Contains(text, "pris l'eau") {
			t.Errorf("slack: %s", text)
		}
	}
	for _, channel := range []string{"twitter", "telegram", "facebook", "linkedin"} { // what cannot be edited to say so is published anew
		if all := d.live(channel); len(all) == 0 || !strings.Contains(strings.ToLower(said(all[len(all)-1])), "report") {
			t.Errorf("%s does not say that it is put off: %v", channel, all)
		}
	}
	if _, err := d.Cancel(ctx, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	st = d.settle(t, a.ID)
	for _, f := range st.Followers {
		d.settle(t, f.ID)
	}
	mails := map[string][]sim.Post{}
	for _, p := range d.live("email") {
		mails[p.To] = append(mails[p.To], p)
	}
	if len(mails) != 3 {
		t.Errorf("%d people", len(mails))
	}
	for to, all := range mails {
		last := -1
		for i, want := range []struct{ method, status, subject string }{{"PUBLISH", "CONFIRMED", "IO"}, {"CANCEL", "CANCELLED", "Report : |Postponed: "}, {"CANCEL", "CANCELLED", "Annulation : |Cancelled: "}} {
			if i >= len(all) {
				t.Fatalf("%s has %d mails", to, len(all))
			}
			calendar := invitation(t, all[i])
			if !bytes.Contains(calendar, []byte("METHOD:"+want.method+"\r\n")) || !strings.Contains(all[i].Raw, "method="+want.method) {
				t.Errorf("%s, mail %d: not %s:\n%s", to, i, want.method, calendar)
			}
			e := entryIn(t, calendar, a.ID)
			if n := sequence(t, e); property(e, ical.PropStatus) != want.status || n <= last {
				t.Errorf("%s, mail %d: %s with the sequence %d after %d", to, i, property(e, ical.PropStatus), n, last)
			} else {
				last = n
			}
			fr, en, _ := strings.Cut(want.subject, "|")
			if subject := plain(all[i].Subject); !strings.Contains(subject, fr) && !(en != "" && strings.Contains(subject, en)) {
				t.Errorf("%s, mail %d: %s", to, i, subject)
			}
		}
		if len(all) != 3 {
			t.Errorf("%s has %d mails", to, len(all))
		}
	}

	back := st.Announcement
	back.Event.Cancelled, back.Event.Postponed, back.Event.Why = false, false, nil
	was := sequence(t, d.entry(t, a.ID))
	again, err := d.Amend(ctx, a.ID, st.Rev, back)
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	d.settle(t, again.FollowUp)
	if e := d.entry(t, a.ID); property(e, ical.PropStatus) != "CONFIRMED" || sequence(t, e) <= was {
		t.Errorf("the calendar says %s with the sequence %d after %d", property(e, ical.PropStatus), sequence(t, e), was)
	}
	if p := d.live("teams"); !strings.Contains(said(p[len(p)-1]), "a bien lieu") {
		t.Errorf("teams: %s", said(p[len(p)-1]))
	}
}

// An event that is put off brings its announcement along, or says why it cannot.
func TestPutOffWhileScheduled(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	now := time.Now()
	draft := moving(now.Add(48 * time.Hour))
	draft.PublishAt, draft.ExpiresAt = now.Add(24*time.Hour).Format(time.RFC3339), now.Add(47*time.Hour).Format(time.RFC3339)
	a, _, err := d.Submit(ctx, draft, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Postpone(ctx, a.ID, now.Add(12*time.Hour).Format(time.RFC3339), nil); !status(err, http.StatusUnprocessableEntity) || !strings.Contains(err.Error(), "publish_at is after the event") {
		t.Errorf("before it is announced: %v", err)
	}
	before, err := d.Status(ctx, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Postpone(ctx, a.ID, now.Add(72*time.Hour).Format(time.RFC3339), nil); err != nil {
		t.Fatal(err)
	}
	st, err := d.Status(ctx, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	by := func(name string) time.Duration { return st.Times[name].Instant.Sub(before.Times[name].Instant) }
	if by("expires_at") != by("event.starts_at") || by("expires_at") <= 0 {
		t.Errorf("the event is put off by %s, its end as an announcement by %s", by("event.starts_at"), by("expires_at"))
	}
}
