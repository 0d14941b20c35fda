package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
)

// TestAnyOrder amends and retracts announcements while they are published on platforms that misbehave at random. In the
// end every platform shows each announcement once, in its last form where it can be edited, or not at all if it was
// retracted. ORDER_SEED repeats a run.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if s := os.Getenv("ORDER_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("ORDER_SEED=%d", seed)
	d := startDemo(t)
	unlimited(d.world)
	ctx := context.Background()
	paths := map[string]string{"slack": "/chat.", "twitter": "/2/tweets", "mastodon": "/statuses", "matrix": "/send/", "mattermost": "/posts", "discord": "/messages", "googlechat": "/messages", "linkedin": "/posts", "webhook": ""}
	faults := []sim.Fault{{Kind: sim.DropAfter}, {Kind: sim.Drop}, {Kind: sim.CutAfter}, {Kind: sim.Answer, Status: 503}, {Kind: sim.AnswerAfter, Status: 500}}
	type told struct {
		id        announce.ID
		rev       int
		retracted bool
	}
	const many = 8
	all := make([]told, many)
	var g sync.WaitGroup
	for n := range many {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		g.Go(func() {
			for channel, path := range paths {
				if r.IntN(2) == 0 {
					f := faults[r.IntN(len(faults))]
					f.OnlyPath, f.OnlyMethod = path, "POST"
					if channel == "matrix" {
						f.OnlyMethod = "PUT"
					}
					d.world.Platform(channel).Script().Push(f)
				}
			}
			a, _, err := d.Submit(ctx, numbered(n), fmt.Sprint("order-", n))
			if err != nil {
				t.Error(err)
				return
			}
			all[n] = told{a.ID, 1, false}
			for range r.IntN(4) {
				<-time.After(time.Duration(r.IntN(400)) * time.Millisecond)
				draft := numbered(n)
				text := draft.Texts["fr"]
				text.Body = fmt.Sprintf("Révision %d.", all[n].rev+1)
				draft.Texts["fr"] = text
				if _, err := d.Amend(ctx, a.ID, all[n].rev, draft); err != nil {
					t.Error(err)
					return
				}
				all[n].rev++
			}
			if r.IntN(3) == 0 {
				<-time.After(time.Duration(r.IntN(600)) * time.Millisecond)
				if err := d.Retract(ctx, a.ID, all[n].rev); err != nil {
					t.Error(err)
					return
				}
				all[n].retracted = true
			}
		})
	}
	g.Wait()
	for n, a := range all {
		st := d.settleWithin(t, a.id, ample)
		for range 3 { // two faults in a row on one announcement leave a question
			if !tell(ctx, t, d.Client, d.world, st, n) {
				break
			}
			st = d.settleWithin(t, a.id, ample)
		}
		for _, row := range st.Deliveries {
			if row.State == announce.Unknown || row.State == announce.FailedState {
				t.Errorf("announcement %d on %s is %s: %s", n, row.Channel, row.State, row.Fault)
			}
		}
		for channel := range paths {
			var live []sim.Post
			for _, p := range titled(d.world.Platform(channel).Posts(), n) {
				if !p.Deleted {
					live = append(live, p)
				}
			}
			want := 1
			if a.retracted {
				want = 0
			}
			if len(live) != want {
				t.Errorf("announcement %d (retracted: %v) is %d times on %s", n, a.retracted, len(live), channel)
				continue
			}
			if want == 1 && channel != "twitter" && a.rev > 1 && !strings.Contains(live[0].Text, fmt.Sprintf("Révision %d.", a.rev)) {
				t.Errorf("announcement %d is not at revision %d on %s:\n%s", n, a.rev, channel, live[0].Text)
			}
		}
	}
}
