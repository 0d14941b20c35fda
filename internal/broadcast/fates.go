package broadcast

import (
	"sync"
	"time"
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
	slot         time.Time // no call before this, by the group's pace
}

// turn books the next call to a group. wait is how long the letter must wait for it: behind a pause, or for its place in the pace.
func (f *fates) turn(group string, pace time.Duration, now time.Time) (wait time.Duration, why string) {
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
	if pace <= 0 {
		return 0, ""
	}
	at := now
	if x.slot.After(now) {
		at = x.slot
	}
	x.slot = at.Add(pace)
	return at.Sub(now), ""
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
	sent, lost := x.sent+x.before, x.gone+x.lost
	if !gone || sent < fateLeast || lost*fateShare < sent || x.until.After(now) {
		return time.Time{}, false
	}
	since = x.since.Add(-fateWindow)
	*x = fate{since: now}
	return since, true
}

// pause holds a group back.
func (f *fates) pause(group, why string, until, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.at(group, now); until.After(x.until) {
		x.until, x.why = until, why
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
		if !x.until.After(now) && !x.slot.After(now) && (x.gone+x.lost == 0 || now.Sub(x.since) >= 2*fateWindow) {
			delete(f.by, g)
		}
	}
}
