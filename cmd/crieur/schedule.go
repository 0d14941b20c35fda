package main

import (
	"context"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
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

type rehearseCmd struct {
	ID   announce.ID `arg:"" help:"Announcement that waits for its time."`
	JSON bool        `help:"Print JSON."`
}

func (rehearseCmd) Help() string {
	return "Looked at: credentials and quota, budgets, pictures, texts, links and lists of people.\n" +
		"The same happens by itself before each scheduled announcement (CRIEUR_REHEARSAL).\n" +
		"Exit code: 0 all is well, 1 something deserves attention, 2 publishing would fail.\n\nExample:\n  crieur rehearse 01kx..."
}

func (c rehearseCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		found, err := r.Rehearse(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(s.out, found)
		} else {
			s.rehearsed(found)
		}
		worst := exitDone
		for _, f := range found.Findings {
			if worst = max(worst, exitFailed); f.Severe {
				worst = exitInput
			}
		}
		if err == nil && worst > exitDone {
			err = exitCode(worst)
		}
		return err
	})
}

// rehearsed prints what a rehearsal found.
func (s *session) rehearsed(r broadcast.Rehearsal) {
	p := s.painter()
	if len(r.Findings) == 0 {
		fmt.Fprintf(s.out, "%s Rehearsed %s (revision %d): all is well.\n", p.paint("32", "✓"), moment(r.At), r.Rev)
		return
	}
	fmt.Fprintf(s.out, "%s Rehearsed %s (revision %d):\n", p.paint("33", "!"), moment(r.At), r.Rev)
	for _, f := range r.Findings {
		colour, where := "33", f.Probe
		if f.Severe {
			colour = "31"
		}
		if f.Channel != "" {
			where = f.Channel + ", " + f.Probe
		}
		fmt.Fprintf(s.out, "    %s %s\n    → %s\n", p.paint(colour, where+":"), f.What, f.Do)
	}
}
