package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
)

type tasksCmd struct {
	Delivery string `arg:"" optional:"" help:"Show this task."`
	JSON     bool   `help:"Print JSON."`
}

func (tasksCmd) Help() string {
	return "A task is a delivery that waits for a person: a place without an API, a refusal, an answer that was lost.\n" +
		"When it is done, say so: crieur settle ANNOUNCEMENT DELIVERY --saw done --url https://...\n\nExamples:\n  crieur tasks\n  crieur tasks 01kx..."
}

func (c tasksCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if c.Delivery != "" {
			t, err := r.Task(ctx, c.Delivery)
			switch {
			case err != nil:
				return err
			case c.JSON:
				return printJSON(s.out, t)
			}
			return showTask(s, t)
		}
		all, err := r.Tasks(ctx)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(s.out, all)
		case len(all) == 0:
			_, err := fmt.Fprintln(s.out, "Nothing waits for a person.")
			return err
		}
		var rows [][]string
		for _, t := range all {
			rows = append(rows, []string{t.Delivery.ID, t.Delivery.Channel, string(t.Verb), t.Title, t.Delivery.Fault})
		}
		return s.table([]string{"TASK", "CHANNEL", "TO DO", "ANNOUNCEMENT", "WHY"}, rows)
	})
}

func showTask(s *session, t broadcast.Task) error {
	p := s.painter()
	if t.Verb == announce.Nothing {
		_, err := fmt.Fprintf(s.out, "%s\n%s is %s: nothing waits for a person.\n", p.paint("1", t.Title), t.Delivery.Channel, p.state(string(t.Delivery.State)))
		return err
	}
	fmt.Fprintf(s.out, "%s\n%s: %s\n\n", p.paint("1", t.Title), t.Delivery.Channel, t.Delivery.Fault)
	if r := t.Delivery.Receipt; r != nil && r.URL != "" {
		fmt.Fprintf(s.out, "The post: %s\n\n", r.URL)
	}
	if t.Verb != announce.Retract {
		fmt.Fprintf(s.out, "%s\n\n", t.Text)
	}
	for _, i := range t.Images {
		fmt.Fprintf(s.out, "Image: %s (%s)\n", cmp.Or(i.URL, "on the page of the task"), i.Alt)
	}
	if t.Page != "" {
		fmt.Fprintf(s.out, "Page for whoever does it: %s\n", t.Page)
	}
	_, err := fmt.Fprintf(s.out, "When it is done: crieur settle %s %s --saw done --url https://...\n", t.Announcement, t.Delivery.ID)
	return err
}
