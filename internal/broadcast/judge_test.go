package broadcast

import (
	"errors"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

var (
	now  = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	gap  = time.Minute
	able = map[string]ability{
		"opaque":     {},
		"finder":     {Find: true, Retract: true, Amend: true},
		"idempotent": {Limits: announce.Limits{Idempotent: time.Hour}, Amend: true},
		"stable":     {Limits: announce.Limits{Idempotent: announce.Forever}, Amend: true, Retract: true},
		"mail":       {Limits: announce.Limits{Again: 1, Personal: true}},
		"x premium":  {Limits: announce.Limits{FreshAmends: true}, Find: true, Amend: true},
	}
)

func calling(verb announce.Verb) announce.Delivery {
	d := announce.Delivery{Wanted: true, Rev: 1, Calling: verb, CallRev: 1, Began: now, First: now, Attempts: 1}
	if verb != announce.Publish {
		d.Shown, d.Rev, d.CallRev = 1, 2, 2
	}
	return d
}

func fault(o announce.Outcome) *announce.Error { return &announce.Error{Outcome: o, Fault: "refused"} }

func TestJudge(t *testing.T) {
	stop := &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: "dead token"}
	limited := &announce.Error{Outcome: announce.RateLimited, RetryAfter: 7 * time.Second, Fault: "slow down"}
	madeAgain := calling(announce.Publish)
	madeAgain.Repeats, madeAgain.Attempts = 1, 2
	weary := madeAgain
	weary.Attempts, weary.First = triesAtOnce, now.Add(-giveUpMail-time.Hour)
	for _, c := range []struct {
		name, able string
		call       call
		todo       announce.Verb
		state      announce.State
		attempts   int
		pause      time.Duration
		stop       bool
	}{
		{"success", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish}, announce.Nothing, announce.Published, 0, 0, false},
		{"temporary", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: fault(announce.Temporary)}, announce.Publish, announce.Waiting, 1, 0, false},
		{"rate limited counts no attempt", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: limited}, announce.Publish, announce.Waiting, 0, 7 * time.Second, false},
		{"rate limited without a time", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: fault(announce.RateLimited)}, announce.Publish, announce.Waiting, 0, pauseUnsaid, false},
		{"permanent", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: fault(announce.Permanent)}, announce.Nothing, announce.FailedState, 1, 0, false},
		{"dead token waits", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: stop}, announce.Publish, announce.Waiting, 0, 0, true},
		{"lost on an opaque channel asks a person", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: fault(announce.Ambiguous)}, announce.Nothing, announce.Unknown, 1, 0, false},
		{"an unknown error is lost", "opaque", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: errors.New("?")}, announce.Nothing, announce.Unknown, 1, 0, false},
		{"lost on a channel that can look", "finder", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: fault(announce.Ambiguous)}, announce.Settle, announce.Unknown, 1, 0, false},
		{"lost mail", "mail", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Err: fault(announce.Ambiguous)}, announce.Settle, announce.Unknown, 1, 0, false},
		{"lost amend is repeated", "finder", call{Delivery: calling(announce.Amend), Verb: announce.Amend, Err: fault(announce.Ambiguous)}, announce.Settle, announce.Unknown, 1, 0, false},
		{"a repeat refused at the door stays lost", "idempotent", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Repeat: true, Err: fault(announce.Temporary)}, announce.Settle, announce.Unknown, 1, 0, false},
		{"a repeat refused for good asks a person", "idempotent", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Repeat: true, Err: fault(announce.Permanent)}, announce.Nothing, announce.Unknown, 1, 0, false},
		{"a repeat with a dead token stays lost", "idempotent", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Repeat: true, Err: stop}, announce.Settle, announce.Unknown, 0, 0, true},
		{"made again after a lost call, and refused for good, asks a person", "mail", call{Delivery: madeAgain, Verb: announce.Publish, Err: fault(announce.Permanent)}, announce.Nothing, announce.Unknown, 2, 0, false},
		{"made again after it was looked for, and refused for good, asks a person", "finder", call{Delivery: madeAgain, Verb: announce.Publish, Err: fault(announce.Permanent)}, announce.Nothing, announce.Unknown, 2, 0, false},
		{"made again after a lost call, and refused for days, asks a person", "mail", call{Delivery: weary, Verb: announce.Publish, Err: fault(announce.Temporary)}, announce.Nothing, announce.Unknown, triesAtOnce, 0, false},
		{"made again after a lost call, and refused for now, is tried again", "mail", call{Delivery: madeAgain, Verb: announce.Publish, Err: fault(announce.Temporary)}, announce.Publish, announce.Waiting, 2, 0, false},
		{"a repeat succeeds", "idempotent", call{Delivery: calling(announce.Publish), Verb: announce.Publish, Repeat: true}, announce.Nothing, announce.Published, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := able[c.able].judge(c.call, now, gap)
			d := v.Delivery
			if d.Todo() != c.todo || d.State() != c.state || d.Attempts != c.attempts || v.Pause != c.pause || (v.Stop != "") != c.stop {
				t.Errorf("todo %q, state %q, attempts %d, pause %s, stop %q; want %q %q %d %s %v", d.Todo(), d.State(), d.Attempts, v.Pause, v.Stop, c.todo, c.state, c.attempts, c.pause, c.stop)
			}
			if c.call.Err != nil && d.Fault == "" {
				t.Error("nobody is told why")
			}
			if c.todo != announce.Nothing && !c.stop && !d.Next.After(now) {
				t.Errorf("next is %s, not after now", d.Next)
			}
		})
	}
}

func TestSettling(t *testing.T) {
	old := calling(announce.Publish)
	old.Began = now.Add(-2 * time.Hour)
	repeated := calling(announce.Publish)
	repeated.Repeats, repeated.Fault = 1, "no answer"
	crashed := calling(announce.Publish)
	crashed.Cuts = 1
	after := crashed // the answer to what was made again after a death is lost: the one repeat is still to come
	after.Fault = "no answer"
	crashing := calling(announce.Publish)
	crashing.Cuts = crashesMost
	unwanted := calling(announce.Publish)
	unwanted.Wanted = false
	for _, c := range []struct {
		able string
		d    announce.Delivery
		want step
	}{
		{"opaque", calling(announce.Publish), ask},
		{"opaque", calling(announce.Amend), repeat},
		{"finder", calling(announce.Publish), look},
		{"finder", calling(announce.Retract), repeat},
		{"idempotent", calling(announce.Publish), repeat},
		{"idempotent", old, ask},
		{"stable", old, repeat},
		{"mail", calling(announce.Publish), again},
		{"mail", repeated, ask},
		{"mail", crashed, again},
		{"mail", after, again},
		{"mail", crashing, ask},
		{"mail", unwanted, ask},
		{"x premium", calling(announce.Amend), look},
	} {
		if got := able[c.able].settling(c.d, now); got != c.want {
			t.Errorf("%s, %s of %+v: step %d, want %d", c.able, c.d.Calling, c.d, got, c.want)
		}
	}
}

// A lost call is looked for twice, made once more, looked for twice, and then a person is asked: never a third call.
func TestLookedFor(t *testing.T) {
	d := calling(announce.Publish)
	d.Fault = "no answer"
	d = looked(d, announce.Receipt{}, false, now, gap)
	if d.Todo() != announce.Settle || !d.Next.Equal(now.Add(gap)) {
		t.Fatalf("after one look: %+v", d)
	}
	d = looked(d, announce.Receipt{}, false, now, gap)
	if d.Todo() != announce.Publish || d.Repeats != 1 {
		t.Fatalf("after two looks: %+v", d)
	}
	d.Calling, d.CallRev = announce.Publish, 1
	d = looked(looked(d, announce.Receipt{}, false, now, gap), announce.Receipt{}, false, now, gap)
	if d.Rest != announce.Person || d.State() != announce.Unknown {
		t.Fatalf("after two lost calls: %+v", d)
	}
	found := looked(calling(announce.Publish), announce.Receipt{ID: "1"}, true, now, gap)
	if found.State() != announce.Published || found.Receipt.ID != "1" {
		t.Fatalf("found: %+v", found)
	}
	gone := calling(announce.Publish)
	gone.Wanted = false
	gone = looked(looked(gone, announce.Receipt{}, false, now, gap), announce.Receipt{}, false, now, gap)
	if gone.State() != announce.Retracted || gone.Todo() != announce.Nothing {
		t.Fatalf("retracted meanwhile: %+v", gone)
	}
}

func TestBackoffGrowsWithJitter(t *testing.T) {
	for n := 1; n < 40; n++ {
		bound := min(backoffMost, backoffBase<<min(n-1, 20))
		seen := map[time.Duration]bool{}
		for range 20 {
			b := backoff(n)
			if b <= 0 || b > bound+time.Millisecond {
				t.Fatalf("backoff(%d) is %s, bound %s", n, b, bound)
			}
			seen[b] = true
		}
		if len(seen) < 5 {
			t.Fatalf("backoff(%d) has no jitter", n)
		}
	}
}

func TestSettledByPerson(t *testing.T) {
	lost := calling(announce.Publish)
	lost.Rest = announce.Person
	cannot := announce.Delivery{Rev: 1, Shown: 1, Rest: announce.Cannot}
	failed := announce.Delivery{Wanted: true, Rev: 1, Rest: announce.Failed}
	fine := announce.Delivery{Wanted: true, Rev: 1, Shown: 1}
	lostAmend := announce.Delivery{Wanted: true, Rev: 2, Shown: 1, Calling: announce.Amend, CallRev: 2, Rest: announce.Person}
	lostRetract := announce.Delivery{Rev: 1, Shown: 1, Calling: announce.Retract, CallRev: 1, Rest: announce.Person}
	for _, c := range []struct {
		name  string
		d     announce.Delivery
		saw   Saw
		todo  announce.Verb
		state announce.State
		bad   bool
	}{
		{"a lost call that appeared", lost, Appeared, announce.Nothing, announce.Published, false},
		{"a lost call that did not", lost, Absent, announce.Publish, announce.Waiting, false},
		{"deleted by hand", cannot, Finished, announce.Nothing, announce.Retracted, false},
		{"published by hand", failed, Finished, announce.Nothing, announce.Published, false},
		{"try again", failed, Absent, announce.Publish, announce.Waiting, false},
		{"a lost retraction whose post is still there", lostRetract, Appeared, announce.Retract, announce.Waiting, false},
		{"a lost retraction that worked", lostRetract, Finished, announce.Nothing, announce.Retracted, false},
		{"a lost change that was not made", lostAmend, Absent, announce.Amend, announce.Published, false},
		{"a refused change, tried again", announce.Delivery{Wanted: true, Rev: 2, Shown: 1, Rest: announce.Failed}, Absent, announce.Amend, announce.Published, false},
		{"a post that cannot be changed is not absent", announce.Delivery{Wanted: true, Rev: 2, Shown: 1, Rest: announce.Cannot}, Absent, announce.Nothing, announce.Published, true},
		{"changed by hand", announce.Delivery{Wanted: true, Rev: 2, Shown: 1, Rest: announce.Cannot}, Finished, announce.Nothing, announce.Published, false},
		{"nothing to settle", fine, Absent, announce.Nothing, announce.Published, true},
		{"failed did not appear", failed, Appeared, announce.Nothing, announce.FailedState, true},
	} {
		d, err := settled(c.d, c.saw, announce.Receipt{}, now)
		if (err != nil) != c.bad || d.Todo() != c.todo || d.State() != c.state {
			t.Errorf("%s: todo %q, state %q, %v", c.name, d.Todo(), d.State(), err)
		}
	}
}

func TestOneWordForAnAnnouncement(t *testing.T) {
	row := func(d announce.Delivery) announce.Delivery { d.Wanted, d.Rev = true, 1; return d }
	later := now.Add(time.Hour)
	for _, c := range []struct {
		name      string
		rows      []announce.Delivery
		people    []People
		retracted bool
		want      State
	}{
		{"all is out", []announce.Delivery{row(announce.Delivery{Shown: 1})}, nil, false, Published},
		{"nothing is due yet", []announce.Delivery{row(announce.Delivery{Next: later})}, nil, false, Scheduled},
		{"a retry waits", []announce.Delivery{row(announce.Delivery{Next: later, Attempts: 1})}, nil, false, Publishing},
		{"one came too late", []announce.Delivery{row(announce.Delivery{Shown: 1}), row(announce.Delivery{Rest: announce.Skipped})}, nil, false, NeedsAttention},
		{"one was refused", []announce.Delivery{row(announce.Delivery{Rest: announce.Failed})}, nil, false, NeedsAttention},
		{"some addresses are dead", nil, []People{{Planned: 9, Done: true, Counts: map[announce.State]int{announce.Published: 7, announce.FailedState: 2}}}, false, Published},
		{"nobody was reached", nil, []People{{Planned: 9, Done: true, Counts: map[announce.State]int{announce.FailedState: 7, announce.SkippedState: 2}}}, false, NeedsAttention},
		{"the mailing goes on", nil, []People{{Planned: 9, Done: true, Counts: map[announce.State]int{announce.Published: 7, announce.Waiting: 2}}}, false, Publishing},
		{"it was taken back", []announce.Delivery{{Rev: 1}}, nil, true, Retracted},
	} {
		var sum tally
		for _, d := range c.rows {
			sum.row(d, RowOf(d))
		}
		for _, p := range c.people {
			sum.people(p)
		}
		if got := sum.state(c.retracted, now, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
