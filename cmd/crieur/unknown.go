package main

import (
	"context"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
)

type unknownCmd struct {
	ID   announce.ID `arg:"" optional:"" help:"Only those of this announcement."`
	JSON bool        `help:"Print JSON."`
}

func (unknownCmd) Help() string {
	return "A message is here when its answer was lost and it was then refused, or lost again. They hold nothing up.\n" +
		"Say what became of one, or of all of an announcement: appeared counts it as arrived, absent sends it anew.\n\n" +
		"Examples:\n  crieur unknown\n  crieur unknown 01kx...\n  crieur settle 01kx... DELIVERY --saw absent\n  crieur settle 01kx... email --saw appeared --all"
}

func (c unknownCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all := []broadcast.UnknownLetter{}
		for after := ""; ; after = all[len(all)-1].Delivery {
			const most = 1000
			page, err := r.UnknownLetters(ctx, c.ID, after, most)
			if err != nil {
				return err
			}
			if all = append(all, page...); len(page) < most {
				break
			}
		}
		switch {
		case c.JSON:
			return printJSON(s.out, all)
		case len(all) == 0:
			_, err := fmt.Fprintln(s.out, "Of every message it is known what became of it.")
			return err
		}
		var rows [][]string
		for _, l := range all {
			do := "nothing: it is settled by itself"
			if l.Person {
				do = "crieur settle " + string(l.Announcement) + " " + l.Delivery + " --saw appeared|absent"
			}
			rows = append(rows, []string{l.To, l.Channel, l.Title, moment(l.Since), l.Why, do})
		}
		return s.table([]string{"TO", "CHANNEL", "ANNOUNCEMENT", "SINCE", "WHY", "TO DO"}, rows)
	})
}
