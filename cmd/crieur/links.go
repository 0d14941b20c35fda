package main

import (
	"context"
	"fmt"
)

type linksCmd struct {
	Rotate rotateLinksCmd `cmd:"" help:"Sign the links that people get with a new key."`
}

func (linksCmd) Help() string {
	return "Example:\n  crieur links rotate"
}

type rotateLinksCmd struct {
	Leaked bool `help:"Somebody else may have the key until now: its links become worthless, but for those that unsubscribe."`
}

func (rotateLinksCmd) Help() string {
	return "Links in mails that were sent stay good for as long as they were to be. With --leaked they are worthless at once, " +
		"and only the links that unsubscribe still work: in mails that people kept, these must never end.\n\nExample, after a backup was stolen:\n  crieur links rotate --leaked"
}

func (c rotateLinksCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.RotateLinks(ctx, c.Leaked); err != nil {
			return err
		}
		what := "Older links stay good."
		if c.Leaked {
			what = "Of older links only those that unsubscribe are good."
		}
		_, err := fmt.Fprintln(s.out, "New links are signed with a new key. "+what)
		return err
	})
}
