package main

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/web"
)

type amendCmd struct {
	ID   announce.ID `arg:"" help:"Announcement to change."`
	File string      `arg:"" help:"The whole announcement as it should be now; - reads standard input."`
	Rev  int         `help:"Revision that your change is based on. Default: the current one."`
	Plan bool        `help:"First show what the change does on every channel, and ask."`
	Yes  bool        `help:"With --plan: do not ask."`
	JSON bool        `help:"With --plan: print the plan as JSON, and change nothing unless --yes."`
}

func (amendCmd) Help() string {
	return `Posts are edited where the channel can. Elsewhere a correction answers them, they are published anew, or another message
tells what changed. People who were told of an earlier version hear only what changed.

Examples:
  crieur amend 01kx... meetup.md --plan
  crieur amend 01kx... meetup.md`
}

func (c amendCmd) Run(ctx context.Context, s *session) error {
	if !c.Plan && (c.Yes || c.JSON) {
		return badInput("--yes and --json belong to --plan: add it to see what the change does first, or leave them out to make the change")
	}
	d, err := s.readDraft(c.File)
	if err != nil {
		return err
	}
	return s.with(ctx, func(r *reached) error {
		rev, err := c.rev(ctx, r)
		if err != nil {
			return err
		}
		if c.Plan {
			return c.plan(ctx, s, r, rev, d)
		}
		a, err := r.Amend(ctx, c.ID, rev, d)
		if err != nil {
			return err
		}
		s.accepted(a, false, r.asleep)
		return nil
	})
}

func (c amendCmd) rev(ctx context.Context, r *reached) (int, error) {
	if c.Rev > 0 {
		return c.Rev, nil
	}
	st, err := r.Status(ctx, c.ID)
	return st.Rev, err
}

// plan shows what the change does, asks, and makes just that.
func (c amendCmd) plan(ctx context.Context, s *session, r *reached, rev int, d announce.Draft) error {
	p, err := r.Plan(ctx, c.ID, rev, d)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.out, p)
	} else {
		err = s.planned(p)
	}
	if err != nil {
		return err
	}
	if !c.Yes {
		if c.JSON {
			return nil
		}
		if c.File == "-" {
			_, err := fmt.Fprintln(s.out, "Nothing was changed. Make the change with --yes.")
			return err
		}
		fmt.Fprint(s.out, "Make this change? [y/N] ")
		answer, _ := bufio.NewReader(s.in).ReadString('\n') // no answer is a no
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
			_, err := fmt.Fprintln(s.out, "Nothing was changed.")
			return err
		}
	}
	a, err := r.RunPlan(ctx, c.ID, p.PlanID)
	if err != nil {
		return err
	}
	if !c.JSON {
		s.accepted(a, false, r.asleep)
	}
	return nil
}

// planned prints the steps of a plan, then what differs.
func (s *session) planned(p web.Amended) error {
	var rows [][]string
	for _, x := range p.Steps {
		people, deadline, cost := "", "", ""
		if x.People != nil {
			people = strconv.Itoa(*x.People)
		}
		if x.Deadline != nil {
			deadline = moment(*x.Deadline)
		}
		if x.Cost > 0 {
			cost = fmt.Sprintf("%.3f $", float64(x.Cost)/1e6)
		}
		rows = append(rows, []string{x.Channel, string(x.Language), string(x.Step), people, deadline, cost, x.Why})
	}
	if err := s.table([]string{"CHANNEL", "LANGUAGE", "STEP", "PEOPLE", "EDIT BEFORE", "COST", "WHY"}, rows); err != nil {
		return err
	}
	paint := s.painter()
	for _, x := range p.Steps {
		if x.Difference == "" && x.Text == "" {
			continue
		}
		fmt.Fprintf(s.out, "\n%s\n", paint.paint("1", strings.TrimSuffix(fmt.Sprintf("── %s · %s · %s", x.Channel, x.Step, x.Language), " · ")))
		for line := range strings.Lines(withoutMarks(x.Difference)) {
			line = strings.TrimSuffix(line, "\n")
			switch {
			case strings.HasPrefix(line, "-"):
				line = paint.paint("31", line)
			case strings.HasPrefix(line, "+"):
				line = paint.paint("32", line)
			}
			fmt.Fprintf(s.out, "   %s\n", line)
		}
		if x.Text != "" {
			fmt.Fprintf(s.out, "   It says:\n\n   %s\n", indented(x.Text))
		}
	}
	_, err := fmt.Fprintln(s.out)
	return err
}

type cancelCmd struct {
	ID     announce.ID       `arg:"" help:"Announcement of the event."`
	Reason map[string]string `mapsep:"none" placeholder:"LANGUAGE=TEXT" help:"Why, in plain words; once for each language."`
}

func (cancelCmd) Help() string {
	return `Nothing that has not left yet begins any more, reminders included. Then posts, people who were told, the feed and the
calendars hear that it is called off.

Example:
  crieur cancel 01kx... --reason fr="Le conférencier est malade." --reason en="The speaker is ill."`
}

func (c cancelCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		a, err := r.Cancel(ctx, c.ID, reasons(c.Reason))
		if err != nil {
			return err
		}
		s.accepted(a, false, r.asleep)
		return nil
	})
}

type postponeCmd struct {
	ID     announce.ID       `arg:"" help:"Announcement of the event."`
	To     string            `help:"The new start, such as 2027-11-23T18:30. Default: not known yet."`
	Reason map[string]string `mapsep:"none" placeholder:"LANGUAGE=TEXT" help:"Why, in plain words; once for each language."`
}

func (postponeCmd) Help() string {
	return `With --to it is a change of the date. Without, nothing that has not left yet begins any more, and everybody who was told
hears that a new date will follow; bring it back with crieur amend.

Examples:
  crieur postpone 01kx... --to 2027-11-23T18:30
  crieur postpone 01kx... --reason fr="La salle est inondée."`
}

func (c postponeCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		a, err := r.Postpone(ctx, c.ID, c.To, reasons(c.Reason))
		if err != nil {
			return err
		}
		s.accepted(a, false, r.asleep)
		return nil
	})
}

func reasons(given map[string]string) map[announce.Language]string {
	why := map[announce.Language]string{}
	for l, text := range given {
		why[announce.Language(l)] = text
	}
	return why
}
