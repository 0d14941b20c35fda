package main

import (
	"context"
	"slices"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/internal/web/client"
	"github.com/crieur/crieur/internal/world"
	"github.com/crieur/crieur/publishers/ntfy/ntfytest"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
)

// unlimited lifts the limits on how often one may post, for tests that post more than a community does.
func unlimited(w *world.World) {
	w.Platform("ntfy").(*ntfytest.Platform).Change(func(s *ntfytest.Server) { s.Burst = 1_000_000 })
	w.Platform("twitter").(*twittertest.Platform).Grant(1_000_000)
}

// public are the accounts with one post for each news: not the website, whose feed is read, nor mail to people, nor a
// calendar of events.
func public(w *world.World) []string {
	return slices.DeleteFunc(w.Accounts(), func(a string) bool { return a == "feed" || a == "email" || a == "discord@calendar" })
}

// live counts the posts about announcement n that readers of an account can see.
func live(w *world.World, account string, n int) int {
	seen := 0
	for _, p := range titled(w.Platform(account).Posts(), n) {
		if !p.Deleted {
			seen++
		}
	}
	return seen
}

// tell answers, as a person who looks at the platform would, every question that announcement n leaves: did it appear?
// It reports whether there was one.
func tell(ctx context.Context, t *testing.T, c *client.Client, w *world.World, st broadcast.Status, n int) (asked bool) {
	t.Helper()
	for _, d := range st.Deliveries {
		if d.State != announce.Unknown || !d.Person || d.Channel == "assisted" {
			continue
		}
		asked = true
		saw := broadcast.Absent
		if live(w, d.Channel, n) > 0 {
			saw = broadcast.Appeared
		}
		if _, err := c.Settle(ctx, st.ID, d.ID, web.Settlement{Saw: saw}); err != nil {
			t.Errorf("%s: %v", d.Channel, err)
		}
	}
	return asked
}
