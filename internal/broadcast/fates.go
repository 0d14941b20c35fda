package broadcast

import (
	"sync"
	"time"

	"github.com/crieur/crieur/internal/store"
)

// Thresholds of a group of addresses, such as a mail domain. A provider that suddenly refuses everybody is at fault itself:
// on 14 and 15 December 2020 Gmail said of valid addresses for hours that they did not exist.
const (
	fateWindow = time.Hour
	fateLeast  = 50          // refusals of addresses are judged from so many answers within the window on
	fateShare  = 20          // one in so many refused for good: the group is at fault, not its addresses
	fatePause  = time.Hour   // how long such a group waits
	fateSlow   = time.Minute // how long a group waits that asks to send more slowly without saying how long
)

// A group that was at fault is doubted for a day: it is paused again after fewer answers. Longer than that no provider was
// ever wrong, so what it says then is believed.
const (
	fateDoubt = 24 * time.Hour
	fateAgain = 10 // as fateLeast, of a group that is doubted
)

// fateBurst is how much earlier than its pace allows a letter may go that waited for its place: letters never come to the moment.
const fateBurst = time.Second

// fates is how the groups of addresses of one account take what is sent to them. Safe for concurrent use. It forgets with
// the process; pauses are on record beside it.
type fates struct {
	mu sync.Mutex
	by map[string]*fate
}

type fate struct {
	since        time.Time // when the window began
	sent, gone   int       // in it
	before, lost int       // in the window before
	until        time.Time // paused
	why          string
	blamed       bool      // paused because it refused everybody
	doubted      time.Time // when that was found first
	recorded     bool      // the pause is on record
	slot         time.Time // the next place that is free, by the group's pace
	last         time.Time // no call before this, by the calls that were made
}

// turn books the next call to a group. wait is how long the letter must wait for it: behind a pause, or for its place in the
// pace. late: it waited for its place before.
func (f *fates) turn(group string, pace time.Duration, late bool, now time.Time) (wait time.Duration, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.by[group]
	if x == nil && pace <= 0 {
		return 0, ""
	}
	x = f.at(group, now)
	if x.until.After(now) {
		return x.until.Sub(now), x.why
	}
	if pace <= 0 || late && !x.last.After(now.Add(fateBurst)) {
		x.went(pace, now)
		return 0, ""
	}
	at := now
	if x.slot.After(now) {
		at = x.slot
	}
	x.slot = at.Add(pace)
	if at.Equal(now) {
		x.went(pace, now)
	}
	return at.Sub(now), ""
}

func (x *fate) went(pace time.Duration, now time.Time) {
	if x.last.Before(now) {
		x.last = now
	}
	x.last = x.last.Add(pace)
}

// heard counts an answer about one address. tripped: so many addresses of the group were refused for good that it is the
// group's fault; it has just been paused, and what was held against its addresses since then is void.
func (f *fates) heard(group string, gone bool, now time.Time) (since time.Time, tripped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.at(group, now)
	x.sent++
	if gone {
		x.gone++
	}
	least := fateLeast
	switch age := now.Sub(x.doubted); {
	case age >= 2*fateDoubt:
		x.doubted = time.Time{}
	case age >= fateDoubt:
		return time.Time{}, false
	default:
		least = fateAgain
	}
	sent, lost := x.sent+x.before, x.gone+x.lost
	if !gone || sent < least || lost*fateShare < sent || x.until.After(now) {
		return time.Time{}, false
	}
	since = x.since.Add(-fateWindow)
	doubted := x.doubted
	if doubted.IsZero() {
		doubted = now
	}
	*x = fate{since: now, until: now.Add(fatePause), why: refusesAll, blamed: true, doubted: doubted, slot: x.slot, last: x.last}
	return since, true
}

// refusesAll is why a group is paused that says of too many addresses that they do not exist.
const refusesAll = "it says of too many addresses that they do not exist, which is most likely its own fault: nobody is unsubscribed for it"

// blamed tells until when nothing is believed that a group says of its addresses; doubted is since when. Zero: it is believed.
func (f *fates) blamed(group string, now time.Time) (until, doubted time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.by[group]; x != nil && x.blamed && x.until.After(now) {
		return x.until, x.doubted
	}
	return time.Time{}, time.Time{}
}

// paused tells until when a group waits, or the zero time.
func (f *fates) paused(group string, now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.by[group]; x != nil && x.until.After(now) {
		return x.until
	}
	return time.Time{}
}

// undecided is the group that refused the most addresses, of those with too few answers to tell whose fault it is; or "".
func (f *fates) undecided() (group string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	most := 0
	for g, x := range f.by {
		if lost := x.gone + x.lost; lost > most && x.sent+x.before < fateLeast {
			group, most = g, lost
		}
	}
	return group
}

// pause holds a group back.
func (f *fates) pause(group, why string, until, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.at(group, now); until.After(x.until) {
		if !x.until.After(now) {
			x.blamed = false
		}
		x.until, x.why, x.recorded = until, why, false
	}
}

// recorded notes that the pause of a group is on record: it ends when it is not there any more.
func (f *fates) recorded(group string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.by[group]; x != nil {
		x.recorded = true
	}
}

// onRecord makes the pauses those of the record: all that are known there, and none that were and are not any more.
func (f *fates) onRecord(all map[string]store.GroupPause, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for g, x := range f.by {
		if _, there := all[g]; x.recorded && !there {
			x.until, x.why, x.blamed, x.recorded, x.doubted = time.Time{}, "", false, false, time.Time{}
		}
	}
	for g, p := range all {
		x := f.at(g, now)
		if !p.Until.Before(x.until) {
			x.until, x.why, x.blamed, x.recorded = p.Until, p.Why, !p.Since.IsZero(), true
		}
		if !p.Doubted.IsZero() {
			x.doubted = p.Doubted
		}
	}
}

// at is a group's fate with its window moved to now.
func (f *fates) at(group string, now time.Time) *fate {
	x := f.by[group]
	if x == nil {
		if f.by == nil {
			f.by = map[string]*fate{}
		}
		if len(f.by) > mostGroups {
			f.forget(now)
		}
		x = &fate{since: now}
		f.by[group] = x
	}
	switch age := now.Sub(x.since); {
	case age >= 2*fateWindow:
		x.since, x.sent, x.gone, x.before, x.lost = now, 0, 0, 0, 0
	case age >= fateWindow:
		x.since, x.sent, x.gone, x.before, x.lost = x.since.Add(fateWindow), 0, 0, x.sent, x.gone
	}
	return x
}

// mostGroups bounds the memory: beyond it, groups that nothing is held against are forgotten.
const mostGroups = 10_000

func (f *fates) forget(now time.Time) {
	for g, x := range f.by {
		if !x.until.After(now) && !x.slot.After(now) && now.Sub(x.doubted) >= 2*fateDoubt && (x.gone+x.lost == 0 || now.Sub(x.since) >= 2*fateWindow) {
			delete(f.by, g)
		}
	}
}
