package main

import (
	"context"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/web"
)

type suppressedCmd struct {
	Address string `arg:"" help:"Mail address, or the address on another channel."`
	Channel string `default:"email" help:"Personal channel of the address."`
	JSON    bool   `help:"Print JSON."`
}

func (suppressedCmd) Help() string {
	return "Example:\n  crieur subscribers suppressed ada@example.org"
}

func (c suppressedCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		found, err := r.Suppression(ctx, c.Channel, c.Address)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, found)
		}
		if found.Suppressed {
			fmt.Fprintf(s.out, "suppressed since %s: %s\n", found.Since.Format(time.DateOnly), found.Reason)
		} else {
			fmt.Fprintln(s.out, "not suppressed")
		}
		if found.Standing != "" {
			fmt.Fprintf(s.out, "on record: %s\n", found.Standing)
		}
		return nil
	})
}

type suppressCmd struct {
	Address string `arg:"" help:"Mail address, or the address on another channel."`
	Channel string `default:"email" help:"Personal channel of the address."`
}

func (suppressCmd) Help() string {
	return "Only a keyed hash of the address is kept. It is unsubscribed, and stays so if it is added, imported or asks to join.\n\n" +
		"Example:\n  crieur subscribers suppress ada@example.org"
}

func (c suppressCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.Suppress(ctx, web.Suppressing{Channel: c.Channel, Address: c.Address}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%s is never written to again.\n", c.Address)
		return err
	})
}

type liftCmd struct {
	Address string `arg:"" help:"Mail address, or the address on another channel."`
	Channel string `default:"email" help:"Personal channel of the address."`
	Reason  string `required:"" help:"Why. It is kept on the log for ever: write no address into it."`
	Asked   bool   `help:"The person asked for it. Required when they were erased or complained."`
}

func (liftCmd) Help() string {
	return "They are not on the list by that: add them, or let them ask to join.\n\nExample:\n  crieur subscribers lift ada@example.org --asked --reason \"wrote to us on March 14\""
}

func (c liftCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		err := r.LiftSuppression(ctx, web.Lifting{Suppressing: web.Suppressing{Channel: c.Channel, Address: c.Address}, Reason: c.Reason, Asked: c.Asked})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s may be added again, or ask to join.\n", c.Address)
		return err
	})
}
