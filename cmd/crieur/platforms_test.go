package main

import (
	"github.com/crieur/crieur/internal/world"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
)

// unlimited lifts the limits per quarter of an hour, for tests that post more than a community does.
func unlimited(w *world.World) {
	w.Platform("twitter").(*twittertest.Platform).Grant(1_000_000)
}
