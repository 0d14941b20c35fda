package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// receiver is a program that follows the subscribers.
type receiver struct {
	got  []string // type and data of what it took
	ids  []string // of all that it was sent
	fail error    // instead of taking
}

func (r *receiver) post(_ context.Context, id string, body []byte) error {
	r.ids = append(r.ids, id)
	if r.fail != nil {
		return r.fail
	}
	var e struct {
		Type string
		Data map[string]any
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	r.got = append(r.got, strings.TrimSpace(fmt.Sprint(e.Type, " ", e.Data["address"], " ", e.Data["count"])))
	return nil
}

// turns tells all that there is to tell now, as a server does that has just started.
func (d *desk) turns(t *testing.T, r *receiver) error {
	t.Helper()
	f := follower{Service: d.Service, post: r.post, key: []byte("key")}
	for {
		if wait, err := f.turn(t.Context()); err != nil || wait > 0 {
			return err
		}
	}
}

// Every change is told in order, and no address of somebody who is not known to have agreed, or was erased.
func TestFollow(t *testing.T) {
	d, r := newDesk(t), &receiver{}
	ctx := t.Context()
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "before@example.org"}}, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	if err := d.turns(t, r); err != nil || len(r.got) > 0 {
		t.Fatalf("%q %v", r.got, err)
	}
	step := func(err error) {
		t.Helper()
		if err == nil {
			err = d.turns(t, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	step(d.Join(ctx, asks("ada@example.org", 1)))
	ada := Bearer{Address: d.of(t, "ada@example.org").ID}
	for range 700 { // of other things in between
		if err := d.db.PutTopic(ctx, store.Topic{Name: "go"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.Confirm(ctx, d.links.Token(Confirm, ada, d.clock()), "page", asks("", 1).Network)
	step(err)
	name := "Ada"
	_, err = d.Change(ctx, ada, Change{Name: &name}, "page", asks("", 1).Network)
	step(err)
	_, err = d.Unsubscribe(ctx, d.links.Token(Unsubscribe, ada, d.clock()), "one-click", asks("", 1).Network)
	step(err)
	step(d.Erase(ctx, ada, "page"))
	_, err = d.Add(ctx, []store.Address{{Channel: "email", Address: "b@example.org"}, {Channel: "email", Address: "c@example.org"}}, store.Deed{Act: store.Added, How: "sheet"}, false)
	step(err)
	want := []string{
		"subscriber.asked <nil> <nil>", "subscriber.confirmed ada@example.org <nil>", "subscriber.changed ada@example.org <nil>",
		"subscriber.unsubscribed ada@example.org <nil>", "subscriber.erased <nil> <nil>", "subscribers.added <nil> 2",
	}
	if !slices.Equal(r.got, want) {
		t.Errorf("told %q", r.got)
	}
	if all := slices.Clone(r.ids); len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(want) {
		t.Errorf("IDs %q", r.ids)
	}
}

// What is refused is told again under the same ID, later and later, and holds back what comes after it. Organisers hear of it.
func TestFollowRefused(t *testing.T) {
	d, r := newDesk(t), &receiver{}
	ctx := t.Context()
	if err := d.turns(t, r); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"ada@example.org", "bob@example.org"} {
		if err := d.Join(ctx, asks(a, 1)); err != nil {
			t.Fatal(err)
		}
	}
	r.fail = &announce.Error{Outcome: announce.Temporary, RetryAfter: 2 * time.Hour, Err: errors.New("busy")}
	if err := d.turns(t, r); !errors.Is(err, r.fail) {
		t.Fatal(err)
	}
	d.forward(2*time.Hour - time.Second)
	if err := d.turns(t, r); err != nil || len(r.ids) != 1 {
		t.Fatalf("it asked to wait and was sent %d: %v", len(r.ids), err)
	}
	r.fail = errors.New("no")
	var waits []time.Duration
	d.forward(time.Second)
	for last := d.clock(); len(r.ids) < 14; {
		if err := d.turns(t, r); err != nil {
			waits, last = append(waits, d.clock().Sub(last)), d.clock()
		}
		d.forward(5 * time.Second)
	}
	if waits[1] != 10*time.Second || waits[len(waits)-1] != time.Hour || !slices.IsSorted(waits) {
		t.Errorf("waits %v", waits)
	}
	if len(d.told) != 1 {
		t.Errorf("organisers were told %q", d.told)
	}
	r.fail = nil
	d.forward(time.Hour)
	if err := d.turns(t, r); err != nil || len(r.got) != 2 {
		t.Fatalf("%q %v", r.got, err)
	}
	if first := slices.Compact(r.ids); len(first) != 2 {
		t.Errorf("IDs %q", r.ids)
	}
	if c, err := d.db.Cursor(ctx, follows); err != nil || c.Tries != 0 {
		t.Errorf("%+v %v", c, err)
	}
}
