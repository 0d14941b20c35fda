package main

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// A reminder is told on every platform at its moment and not before, once, and once more to nobody after the event was
// cancelled; the command line shows what becomes of each.
func TestReminders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 3)
	c.vars["CRIEUR_REMINDER_GAP"] = "0s"
	cmd, dead := c.start("")
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-dead
	}()
	ctx := context.Background()
	due := time.Now().Add(15 * time.Second).Truncate(time.Second)
	d := numbered(0)
	d.Kind, d.Event = announce.KindEvent, &announce.DraftEvent{StartsAt: due.Add(2 * time.Hour).Format(time.RFC3339), Venue: &announce.Venue{Name: "Café du Clocher"}}
	d.Reminders = []announce.Reminder{{At: "-7d"}, {At: "-2h"}, {At: "-1h"}}
	a, _, err := c.client.Submit(ctx, d, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Reminders) != 3 || a.Reminders[0].State != store.WavePast || a.Reminders[1].State != store.WavePlanned {
		t.Fatalf("%+v", a.Reminders)
	}
	var st broadcast.Status
	wave := func(n int) broadcast.Wave { return st.Reminders[n] }
	look := func() {
		t.Helper()
		if st, err = c.client.Status(ctx, a.ID); err != nil {
			t.Fatal(err)
		}
	}
	c.until("both reminders are made", ample, func() bool { look(); return wave(1).Child != "" && wave(2).Child != "" })
	var told broadcast.Status
	c.until("the reminder is everywhere", ample, func() bool {
		if told, err = c.client.Status(ctx, wave(1).Child); err != nil {
			t.Fatal(err)
		}
		for _, x := range told.Deliveries {
			if x.State != announce.Published && !x.Manual {
				return false
			}
		}
		for _, p := range told.People {
			if p.Planned != p.Counts[announce.Published] || !p.Done {
				return false
			}
		}
		return true
	})
	if told.Of != a.ID || len(told.Deliveries) == 0 {
		t.Errorf("%+v", told)
	}
	for _, x := range told.Deliveries {
		if x.Receipt != nil && x.Receipt.At.Before(due.Add(-time.Second)) { // platforms round to seconds
			t.Errorf("%s has it %s before its time", x.Channel, due.Sub(x.Receipt.At))
		}
	}
	mails := 0
	for _, p := range w.Platform("email").Posts() {
		if strings.HasPrefix(p.Subject, "Rappel") {
			mails++
		}
	}
	if mails != 3 {
		t.Errorf("%d mails remind three people", mails)
	}
	if out := c.run("status", string(a.ID)); !strings.Contains(out, "reminder -2h") || !strings.Contains(out, "its moment is before the announcement itself") {
		t.Error(out)
	}
	waits := wave(2).Child
	d.Event.Venue.Name, d.Reminders = "Pacini", d.Reminders[:2]
	if plan, err := c.client.Plan(ctx, a.ID, 1, d); err != nil || len(plan.Reminders) != 2 || plan.Reminders[1].Child != wave(1).Child {
		t.Errorf("the plan tells of the reminders %+v (%v)", plan.Reminders, err)
	}
	c.run("cancel", string(a.ID))
	if look(); wave(2).State != store.WaveDropped {
		t.Errorf("%+v", wave(2))
	}
	last, err := c.client.Status(ctx, waits)
	if err != nil || last.State != broadcast.Retracted {
		t.Errorf("the last reminder is %s (%v)", last.State, err)
	}
}
