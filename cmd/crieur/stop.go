package main

import (
	"context"
	"fmt"
	"io"

	"github.com/crieur/crieur/internal/announce"
)

type stopCmd struct {
	Why string `help:"Why, for those who wonder later."`
}

func (stopCmd) Help() string {
	return "Calls under way end; nothing else begins, on any server, until you say so.\n\n" +
		"Example:\n  crieur stop --why \"the date is wrong\""
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
			rows = append(rows, []string{string(l.Announcement), l.Channel, string(l.State), l.Title, where})
		}
		fmt.Fprintln(s.out, "This left already:")
		return s.table([]string{"ID", "CHANNEL", "STATE", "TITLE", "WHERE"}, rows)
	})
}

type resumeCmd struct {
	Channel      string      `arg:"" optional:"" help:"The channel whose fault was mended, or whose paused domains are to be tried at once; none: end the stop."`
	Announcement announce.ID `help:"Let a mailing that was held go on, instead." placeholder:"ID"`
}

func (resumeCmd) Help() string {
	return "Examples:\n  crieur resume\n  crieur resume slack\n  crieur resume --announcement 01kx..."
}

func (c resumeCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if c.Announcement != "" && c.Channel != "" {
			return announce.Faults{{Field: "announcement", Say: "and a channel cannot be resumed at once: give one of them"}}
		}
		var err error
		if c.Announcement != "" {
			err = r.ResumeAnnouncement(ctx, c.Announcement)
		} else {
			err = r.Resume(ctx, c.Channel)
		}
		if err != nil {
			return err
		}
		_, err = io.WriteString(s.out, "Publishing goes on.\n")
		return err
	})
}
