package broadcast

import (
	"fmt"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/store"
)

// A provider that refuses everybody is paused; one that refuses its dead addresses is not.
func TestGroupThatRefusesEverybody(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		sent, goneEach int // one of so many is refused
		tripped        bool
	}{
		"everybody":          {60, 1, true},
		"one in ten":         {100, 10, true},
		"one in a hundred":   {1000, 100, false},
		"everybody of a few": {fateLeast - 1, 1, false},
		"nobody":             {1000, 1 << 30, false},
		"one in twenty-one":  {10 * 21, 21, false},
		"one in twenty":      {10 * 20, 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			var f fates
			tripped := false
			for i := range c.sent {
				if _, now := f.heard("example.org", (i+1)%c.goneEach == 0, now.Add(time.Duration(i)*time.Second)); now {
					tripped = true
				}
			}
			if tripped != c.tripped {
				t.Errorf("tripped: %v", tripped)
			}
			if _, other := f.heard("example.net", true, now); other {
				t.Error("another group pays for it")
			}
		})
	}
}

func TestGroupsForgetHours(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	var f fates
	for i := range 40 {
		if _, tripped := f.heard("example.org", true, now.Add(time.Duration(i)*time.Second)); tripped {
			t.Fatal("too few answers")
		}
	}
	later := now.Add(2 * fateWindow)
	for i := range 40 {
		if _, tripped := f.heard("example.org", true, later.Add(time.Duration(i)*time.Second)); tripped {
			t.Fatal("what was two hours ago counts")
		}
	}
}

// A pause that was on record, and is not any more, is over; one that never came there holds.
func TestPausesOnRecord(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	until := now.Add(time.Hour)
	var f fates
	for _, g := range []string{"kept", "ended", "never"} {
		f.pause(g, "busy", until, now)
	}
	f.recorded("kept")
	f.recorded("ended")
	f.onRecord(map[string]store.GroupPause{"kept": {Until: until, Why: "busy"}, "other": {Until: until, Since: now, Doubted: now, Why: "refuses"}}, now)
	for g, want := range map[string]time.Time{"kept": until, "ended": {}, "never": until, "other": until} {
		if got := f.paused(g, now); !got.Equal(want) {
			t.Errorf("%s is paused until %v", g, got)
		}
	}
	if got, _ := f.blamed("other", now); !got.Equal(until) {
		t.Error("what another server found out is not known here")
	}
	for i := range fateAgain { // it is still doubted when the pause is over
		_, tripped := f.heard("other", true, until.Add(time.Second))
		if tripped != (i == fateAgain-1) {
			t.Errorf("answer %d: %v", i+1, tripped)
		}
	}
	for range 2 * fateLeast { // and believed after a day
		if _, tripped := f.heard("other", true, now.Add(fateDoubt+2*fateWindow)); tripped {
			t.Fatal("no provider is wrong for so long")
		}
	}
}

func TestGroupsPauseAndPace(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	var f fates
	if wait, _ := f.turn("example.org", 0, false, now); wait != 0 || len(f.by) != 0 {
		t.Errorf("waits %v without a reason; %d groups are kept", wait, len(f.by))
	}
	for i := range 5 {
		if wait, _ := f.turn("example.org", 100*time.Millisecond, false, now); wait != time.Duration(i)*100*time.Millisecond {
			t.Errorf("the letter %d waits %v", i, wait)
		}
	}
	if wait, _ := f.turn("example.org", 100*time.Millisecond, false, now.Add(time.Minute)); wait != 0 {
		t.Errorf("after a minute of nothing it waits %v", wait)
	}
	f.pause("example.org", "busy", now.Add(time.Hour), now)
	f.pause("example.org", "less", now.Add(time.Minute), now)
	if wait, why := f.turn("example.org", 0, false, now); wait != time.Hour || why != "busy" {
		t.Errorf("waits %v: %s", wait, why)
	}
	for i := range 3 * mostGroups {
		f.turn(fmt.Sprint(i), time.Millisecond, false, now.Add(time.Duration(i)*10*time.Millisecond))
	}
	if len(f.by) > mostGroups+2 {
		t.Errorf("%d groups are kept", len(f.by))
	}
	if wait, _ := f.turn("example.org", 0, false, now); wait == 0 {
		t.Error("the paused group was forgotten")
	}
}

// A pause that was put on record ends with it, however soon.
func TestPauseEndsWithItsRecord(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	var f fates
	f.pause("example.org", "busy", now.Add(time.Hour), now)
	f.onRecord(nil, now)
	if f.paused("example.org", now).IsZero() {
		t.Error("a pause that is not on record yet was forgotten")
	}
	f.recorded("example.org")
	f.onRecord(nil, now)
	if until := f.paused("example.org", now); !until.IsZero() {
		t.Errorf("it was resumed and waits until %s", until)
	}
}
