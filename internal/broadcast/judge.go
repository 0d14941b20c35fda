package broadcast

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// ability is what a channel can do, and so what may be done after a call whose end was not seen.
type ability struct {
	announce.Limits
	Amend, Retract, Find bool
}

func abilityOf(p announce.Publisher) ability {
	_, amend := p.(announce.Amender)
	_, retract := p.(announce.Retracter)
	_, find := p.(announce.Finder)
	return ability{p.Limits(), amend, retract, find}
}

// call is a call that ended, or was given up waiting for.
type call struct {
	Delivery announce.Delivery // as claimed
	Verb     announce.Verb
	Repeat   bool // repeats a lost call, which stays unknown unless this one succeeds
	Receipt  announce.Receipt
	Err      error
}

// verdict is what follows for the delivery and for its account.
type verdict struct {
	Delivery announce.Delivery
	Pause    time.Duration // the account waits this long
	Stop     string        // the account stops, for this reason
	Slow     time.Duration // the address's group waits this long
	Gone     bool          // the address was said not to exist
	Status   string        // what was answered, shortly
}

const (
	giveUpPost  = 24 * time.Hour
	giveUpMail  = 72 * time.Hour // RFC 5321 section 4.5.4.1 asks for days
	triesAtOnce = 12             // a delivery that waited long behind a stopped account is still tried this often
	repeatsMost = 20             // repeats of one lost call before a person is asked, at the earliest
	repeatsSoon = 5              // of these, so many come quickly
	crashesMost = 5              // calls cut by this program's own death that are made again
	backoffBase = 2 * time.Second
	backoffMost = time.Hour
	pauseUnsaid = time.Minute
	pauseMost   = 24 * time.Hour
)

// judge decides what a call's end means. It reads nothing but its arguments.
func (a ability) judge(c call, now time.Time, gap time.Duration) verdict {
	d := c.Delivery
	if c.Err == nil {
		return verdict{Delivery: done(d, c.Verb, c.Receipt)}
	}
	e := asError(c.Err)
	v := verdict{Delivery: d, Gone: e.Gone && e.Outcome == announce.Permanent, Status: e.Status}
	d.Fault = e.Error()
	if !c.Repeat && e.Outcome != announce.Ambiguous {
		d = ended(d)
	}
	switch {
	case e.Ask:
		d.Attempts, d.Rest = 0, announce.Person
	case e.Outcome == announce.RateLimited:
		wait := e.RetryAfter
		if wait <= 0 {
			wait = pauseUnsaid
		}
		wait = min(wait, pauseMost)
		d.Attempts--
		d.Next = now.Add(wait)
		if v.Pause = wait; e.Group {
			v.Pause, v.Slow = 0, wait
		}
	case e.Outcome == announce.Permanent && e.Stop:
		d.Attempts--
		d.Next = now
		v.Stop = e.Error()
	case e.Outcome == announce.Permanent && c.Repeat:
		d.Rest = announce.Person // refused this time; the call before may still have succeeded
	case e.Outcome == announce.Permanent:
		d.Rest = announce.Failed
	case e.Outcome == announce.Temporary && !c.Repeat && a.tiredOf(d, now):
		d.Rest = announce.Failed
		d.Fault = fmt.Sprintf("given up after %d tries; the last: %s", d.Attempts, d.Fault)
	case c.Repeat && d.Attempts >= repeatsMost && (a.Idempotent <= 0 || now.Sub(d.Began) > giveUpPost):
		d.Rest = announce.Person
	case e.Outcome == announce.Temporary:
		d.Next = now.Add(max(backoff(d.Attempts), e.RetryAfter))
	case a.settling(d, now) == ask:
		d.Rest = announce.Person
	case a.settling(d, now) == repeat:
		wait := backoff(d.Attempts)
		if d.Attempts <= repeatsSoon {
			wait = min(gap, wait)
		}
		d.Next = now.Add(max(wait, e.RetryAfter))
	default:
		d.Next = now.Add(gap)
	}
	if d.Rest == announce.Failed && d.Lost() {
		d = lost(d, c.Delivery) // as above
	}
	v.Delivery = d
	return v
}

// step is one step towards knowing how a lost call ended.
type step int

const (
	ask    step = iota // only a person can tell
	repeat             // the same call with the same key: it has one effect however often it is made
	look               // read back
	again              // the call counts as not made, and is made once more
)

// settling picks the next step for a delivery with a lost call.
func (a ability) settling(d announce.Delivery, now time.Time) step {
	creates := d.Calling == announce.Publish || d.Calling == announce.Amend && a.FreshAmends
	switch {
	case !creates:
		return repeat
	case a.Idempotent > 0 && now.Sub(d.Began) < a.Idempotent:
		return repeat
	case a.Find:
		return look
	case a.Again > 0 && d.Wanted && mayRepeat(d, a.Again):
		return again
	}
	return ask
}

// mayRepeat reports whether a lost call may be made once more, where most is how often when its answer was lost. One that this
// program's own death cut (no fault was ever seen) is counted by itself, so that a rough night asks nobody anything.
func mayRepeat(d announce.Delivery, most int) bool {
	if d.Fault == "" {
		return d.Cuts < crashesMost
	}
	return d.Repeats < most
}

// looked is d after a look for its lost call.
func looked(d announce.Delivery, r announce.Receipt, found bool, now time.Time, gap time.Duration) announce.Delivery {
	if found {
		return done(d, d.Calling, r)
	}
	d.Looks++
	switch {
	case d.Looks < 2:
		d.Next = now.Add(gap)
	case !d.Wanted:
		d = ended(d)
		d.Looks, d.Fault = 0, ""
	case mayRepeat(d, 1):
		d = onceMore(d, now)
	default:
		d.Rest, d.Fault = announce.Person, "the answer to the call was lost; it was looked for again and again, and it is not there"
	}
	return d
}

// onceMore lets d be called again although a call of it was lost.
func onceMore(d announce.Delivery, now time.Time) announce.Delivery {
	if d = ended(d); d.Fault == "" {
		d.Cuts++
	} else {
		d.Repeats++
	}
	d.Looks = 0
	d.Next = now
	return d
}

// ended is d with no call under way.
func ended(d announce.Delivery) announce.Delivery {
	d.Calling, d.CallRev, d.Began = announce.Nothing, 0, time.Time{}
	return d
}

// lost is d, of which nothing more is called, with the call on record that was last made of it: one before that was lost, and
// only a person can tell whether it succeeded.
func lost(d, called announce.Delivery) announce.Delivery {
	d.Calling, d.CallRev, d.Began, d.Rest = called.Calling, called.CallRev, called.Began, announce.Person
	return d
}

// done is d after verb had its effect.
func done(d announce.Delivery, verb announce.Verb, r announce.Receipt) announce.Delivery {
	switch verb {
	case announce.Retract:
		d.Shown, d.Receipt, d.Edits = 0, announce.Receipt{}, 0
		if !d.Wanted || d.Manner != announce.Anew {
			d.Posted = time.Time{}
		}
	case announce.Amend:
		d.Shown, d.Receipt, d.Edits = d.CallRev, r, d.Edits+1
	default:
		d.Shown, d.Receipt, d.Posted, d.Edits = d.CallRev, r, r.At, 0
	}
	d = ended(d)
	d.Attempts, d.Looks, d.Repeats, d.Cuts, d.Rest, d.Fault = 0, 0, 0, 0, announce.Moving, ""
	return d
}

// tiredOf reports whether trying again by itself makes no sense any more.
func (a ability) tiredOf(d announce.Delivery, now time.Time) bool {
	patience := giveUpPost
	if a.Personal {
		patience = giveUpMail
	}
	return d.Attempts >= triesAtOnce && now.Sub(d.First) > patience
}

// backoff is a random wait below an exponentially growing bound (full jitter).
func backoff(attempts int) time.Duration {
	bound := backoffMost
	if attempts < 12 {
		bound = min(backoffMost, backoffBase<<max(0, attempts-1))
	}
	return time.Duration(rand.Int64N(int64(bound))) + time.Millisecond
}

// asError is err as a publisher should have returned it. Anything else may have happened.
func asError(err error) *announce.Error {
	var e *announce.Error
	if errors.As(err, &e) {
		return e
	}
	return &announce.Error{Outcome: announce.Ambiguous, Fault: "the channel failed in an unforeseen way", Err: err}
}
