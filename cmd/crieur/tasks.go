package main

import (
	"context"
	"fmt"
	"slices"

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
		all, err := r.Tasks(ctx)
		if err != nil {
			return err
		}
		if c.Delivery != "" {
			i := slices.IndexFunc(all, func(t broadcast.Task) bool { return t.Delivery.ID == c.Delivery })
			if i < 0 {
				return &inputError{fmt.Errorf("no task has the ID %s; list them with: crieur tasks", c.Delivery)}
			}
			all = all[i : i+1]
		}
		switch {
		case c.JSON:
			return printJSON(s.out, all)
		case c.Delivery != "":
			return showTask(s, all[0])
		case len(all) == 0:
			_, err := fmt.Fprintln(s.out, "Nothing waits for a person.")
			return err
		}
		var rows [][]string
		for _, t := range all {
			rows = append(rows, []string{t.Delivery.ID, t.Delivery.Channel, string(t.Verb), t.Title, t.Delivery.Fault})
		}
		return table(s.out, []string{"TASK", "CHANNEL", "TO DO", "ANNOUNCEMENT", "WHY"}, rows)
	})
}

func showTask(s *session, t broadcast.Task) error {
	p := s.painter()
	fmt.Fprintf(s.out, "%s\n%s: %s\n\n", p.paint("1", t.Title), t.Delivery.Channel, t.Delivery.Fault)
	if r := t.Delivery.Receipt; r != nil && r.URL != "" {
		fmt.Fprintf(s.out, "The post: %s\n\n", r.URL)
	}
	if t.Verb != announce.Retract {
		fmt.Fprintf(s.out, "%s\n\n", t.Text)
	}
	for _, i := range t.Images {
		fmt.Fprintf(s.out, "Image: %s (%s)\n", i.URL, i.Alt)
	}
	if t.Page != "" {
		fmt.Fprintf(s.out, "Page for whoever does it: %s\n", t.Page)
	}
	_, err := fmt.Fprintf(s.out, "When it is done: crieur settle %s %s --saw done --url https://...\n", t.Announcement, t.Delivery.ID)
	return err
}
