package main

import (
	"context"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
)

type statusCmd struct {
	ID    announce.ID `arg:"" optional:"" help:"Announcement; none: list the latest."`
	Limit int         `default:"20" help:"How many to list."`
	JSON  bool        `help:"Print JSON."`
}

func (statusCmd) Help() string {
	return "Examples:\n  crieur status\n  crieur status 01kx..."
}

func (c statusCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if c.ID != "" {
			st, err := r.Status(ctx, c.ID)
			if err != nil {
				return err
			}
			if c.JSON {
				return printJSON(s.out, st)
			}
			return s.status(st)
		}
		all, err := r.List(ctx, "", c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, all)
		}
		if len(all) == 0 {
			_, err := fmt.Fprintln(s.out, "Nothing was announced yet.")
			return err
		}
		var rows [][]string
		for _, a := range all {
			rows = append(rows, []string{string(a.ID), moment(a.CreatedAt), s.painter().state(string(a.State)), string(a.Kind), a.Title})
		}
		return s.table([]string{"ID", "ACCEPTED", "STATE", "KIND", "TITLE"}, rows)
	})
}

// status prints one announcement.
func (s *session) status(st broadcast.Status) error {
	p := s.painter()
	fmt.Fprintf(s.out, "%s\n%s, revision %d, %s\n", p.paint("1", st.Title), st.ID, st.Rev, p.state(string(st.State)))
	if st.Rehearsal != nil && (st.State == broadcast.Scheduled || st.State == broadcast.Held) {
		s.rehearsed(*st.Rehearsal)
	}
	if st.HeldAt != nil {
		fmt.Fprintf(s.out, "%s Publish it now: crieur release %s. Change it first: crieur amend. Give it up: crieur retract\n", p.paint("31", "Its time came while no server ran, and it is held."), st.ID)
	}
	if st.Stopped {
		fmt.Fprintln(s.out, p.paint("31", "All publishing is stopped;")+" publish again with: crieur resume")
	}
	var rows [][]string
	for _, d := range st.Deliveries {
		where, when := "", ""
		if d.Receipt != nil {
			if where = d.Receipt.URL; !d.Receipt.At.IsZero() {
				when = moment(d.Receipt.At)
			}
		} else if d.Next != nil {
			when = "not before " + moment(*d.Next)
		}
		rows = append(rows, []string{d.Channel, string(d.Language), p.state(string(d.State)), when, where})
	}
	for _, x := range st.People {
		state := peopleState(x)
		if st.State == broadcast.Held {
			state = string(announce.Waiting)
		}
		rows = append(rows, []string{x.Channel, "", p.state(state), "", peopleCounts(x)})
	}
	if err := s.table([]string{"CHANNEL", "LANGUAGE", "STATE", "WHEN", "WHERE"}, rows); err != nil {
		return err
	}
	if c := st.Counts; c != nil {
		fmt.Fprintf(s.out, "mails opened: %d, links followed: %d\n", c.Opens, c.Clicks)
		for _, l := range c.Links {
			fmt.Fprintf(s.out, "  %d  %s\n", l.Clicks, l.URL)
		}
	}
	s.reminders(st.Reminders)
	for _, x := range st.People {
		if x.Held != "" {
			fmt.Fprintf(s.out, "%s: %s %s\n", x.Channel, p.paint("31", "The mailing is held."), x.Held)
		}
		if x.Rest != nil {
			fmt.Fprintf(s.out, "%s: tried out on some people first; the others follow from %s on\n", x.Channel, moment(*x.Rest))
		}
		if x.Note != "" {
			fmt.Fprintf(s.out, "%s: %s\n", x.Channel, x.Note)
		}
	}
	if st.Of != "" {
		fmt.Fprintf(s.out, "It %s %s.\n", tellsOf(st.Announcement.Kind), st.Of)
	}
	for _, f := range st.Followers {
		if told := f.Kind != announce.KindReminder && f.Kind != announce.KindRecap; told && !f.Retracted { // those are listed above
			fmt.Fprintf(s.out, "What cannot be changed is told by %s (%s): crieur status %s\n", f.ID, f.Kind, f.ID)
		}
	}
	for _, d := range st.Deliveries {
		if d.Fault != "" {
			fmt.Fprintf(s.out, "%s: %s\n", d.Channel, d.Fault)
		}
		switch {
		case d.State == announce.Unknown && d.Person && d.Manual:
			fmt.Fprintf(s.out, "  The text: crieur tasks %s. When it is done: crieur settle %s %s --saw done --url https://...\n", d.ID, st.ID, d.ID)
		case d.State == announce.Unknown && d.Person:
			fmt.Fprintf(s.out, "  Look there, then say what you saw: crieur settle %s %s --saw appeared|absent\n", st.ID, d.ID)
		}
	}
	return nil
}

// tellsOf is what an announcement of a kind does with the one that it is of.
func tellsOf(k announce.Kind) string {
	switch k {
	case announce.KindReminder:
		return "reminds of"
	case announce.KindRecap:
		return "looks back on"
	case announce.KindCancellation:
		return "tells those who know of it that this is off:"
	}
	return "tells those who know of it what changed of"
}
