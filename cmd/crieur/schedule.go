package main

import (
	"context"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
)

type releaseCmd struct {
	ID announce.ID `arg:"" help:"Announcement that is held."`
}

func (releaseCmd) Help() string {
	return "An announcement whose time came while no server ran, more than an hour before one started, is held (CRIEUR_MISSED, if_missed).\n" +
		"To change it first, amend it; to give it up, retract it.\n\nExample:\n  crieur release 01kx..."
}

func (c releaseCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.Release(ctx, c.ID); err != nil {
			return err
		}
		if r.asleep {
			_, err := fmt.Fprintf(s.out, "%s is released. No server runs: it is published when one starts (crieur serve).\n", c.ID)
			return err
		}
		_, err := fmt.Fprintf(s.out, "%s is published now. See how it goes: crieur status %s\n", c.ID, c.ID)
		return err
	})
}
