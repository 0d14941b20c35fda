package main

import (
	"context"
	"fmt"
	"io"
)

type stopCmd struct {
	Why string `help:"Why, for those who wonder later."`
}

func (c stopCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		left, err := r.Stop(ctx, c.Why)
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, s.painter().paint("31", "All publishing is stopped.")+" Publish again with: crieur resume")
		if len(left) == 0 {
			_, err := fmt.Fprintln(s.out, "Nothing left within the last day.")
			return err
		}
		var rows [][]string
		for _, l := range left {
			where := l.URL
			if l.People > 0 {
				where = fmt.Sprintf("%d people", l.People)
			}
			rows = append(rows, []string{string(l.Announcement), l.Channel, string(l.State), short(l.Title, 40), where})
		}
		fmt.Fprintln(s.out, "This left already:")
		return table(s.out, []string{"ID", "CHANNEL", "STATE", "TITLE", "WHERE"}, rows)
	})
}

type resumeCmd struct {
	Channel string `arg:"" optional:"" help:"The channel whose fault was mended; none: end the stop."`
}

func (c resumeCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.Resume(ctx, c.Channel); err != nil {
			return err
		}
		_, err := io.WriteString(s.out, "Publishing goes on.\n")
		return err
	})
}
