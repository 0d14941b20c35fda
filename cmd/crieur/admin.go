package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

type tokenCmd struct {
	Create createTokenCmd `cmd:"" help:"Make a token and print it once."`
	List   listTokensCmd  `cmd:"" help:"List the tokens, without their secrets."`
	Revoke revokeTokenCmd `cmd:"" help:"Make a token worthless for ever."`
}

func (tokenCmd) Help() string {
	return "Example:\n  crieur token create --name web --scope announce"
}

type createTokenCmd struct {
	Name  string   `required:"" help:"What will use it: web, cron."`
	Scope []string `required:"" enum:"read,announce,subscribers,admin" help:"read; announce, which includes it; subscribers, which sees and changes who is told and nothing else; or admin, which includes all."`
}

func (createTokenCmd) Help() string {
	return "Example:\n  crieur token create --name web --scope announce"
}

func (c createTokenCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		t, err := r.CreateToken(ctx, c.Name, c.Scope)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.err, "Token %s (%s) for %s. It is shown this once:\n", t.ID, strings.Join(t.Scopes, ", "), t.Name)
		_, err = fmt.Fprintln(s.out, t.Secret)
		return err
	})
}

type listTokensCmd struct{}

func (listTokensCmd) Help() string {
	return "Example:\n  crieur token list"
}

func (listTokensCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all, err := r.Tokens(ctx)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, t := range all {
			used, state := "never", "good"
			if t.Used != nil {
				used = moment(*t.Used)
			}
			if t.Revoked != nil {
				state = "revoked " + moment(*t.Revoked)
			}
			rows = append(rows, []string{t.ID, t.Name, strings.Join(t.Scopes, ","), moment(t.Created), used, state})
		}
		return s.table([]string{"ID", "NAME", "SCOPES", "CREATED", "LAST USED", "STATE"}, rows)
	})
}

type revokeTokenCmd struct {
	ID string `arg:"" help:"The token's ID, as listed."`
}

func (revokeTokenCmd) Help() string {
	return "Example:\n  crieur token revoke 01kx..."
}

func (c revokeTokenCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.RevokeToken(ctx, c.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "Token %s is revoked.\n", c.ID)
		return err
	})
}

type channelsCmd struct {
	JSON bool `help:"Print JSON."`
}

func (channelsCmd) Help() string {
	return "Example:\n  crieur channels"
}

func (c channelsCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all, err := r.Channels(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, all)
		}
		yes := func(b bool) string {
			if b {
				return "yes"
			}
			return "-"
		}
		var rows [][]string
		for _, x := range all {
			limit, pace := "-", "-"
			if x.Text > 0 {
				limit = fmt.Sprint(x.Text)
			}
			if x.Pace > 0 {
				pace = time.Duration(x.Pace * float64(time.Second)).String()
			}
			left, fault := "-", x.Fault
			if x.DaysLeft != nil {
				left = fmt.Sprint(*x.DaysLeft)
			}
			if len(x.Findings) > 0 && fault == "" {
				fault = x.Findings[0].What
			}
			rows = append(rows, []string{x.Name, s.painter().state(x.State), yes(x.Amend), yes(x.Retract), yes(x.Find), yes(x.Repeat), limit, fmt.Sprint(x.Images), pace, left, fault})
		}
		if err := s.table([]string{"CHANNEL", "STATE", "EDIT", "DELETE", "FIND", "REPEAT", "TEXT", "IMAGES", "PACE", "DAYS LEFT", "FAULT"}, rows); err != nil {
			return err
		}
		for _, x := range all {
			for _, g := range x.Groups {
				fmt.Fprintf(s.out, "%s: %s waits until %s: %s\n", x.Name, g.Group, moment(g.Until), g.Why)
			}
		}
		return nil
	})
}

type doctorCmd struct{}

func (doctorCmd) Help() string {
	return "Exit code: 0 all is well, 1 something deserves attention, 2 publishing would fail.\n\n" +
		"Example:\n  crieur doctor"
}

func (doctorCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		checks, err := r.Check(ctx)
		if err != nil {
			return err
		}
		p, worst := s.painter(), exitDone
		for _, c := range checks {
			mark := p.paint("32", "✓")
			if len(c.Findings) > 0 {
				mark = p.paint("33", "!")
			}
			who := c.Identity
			if !c.Expires.IsZero() {
				who += ", credentials good until " + moment(c.Expires)
			}
			fmt.Fprintf(s.out, "%s %-16s %s\n", mark, c.Channel, who)
			for _, f := range c.Findings {
				if f.Severe {
					worst = exitInput
				}
				worst = max(worst, exitFailed)
				fmt.Fprintf(s.out, "    %s\n    → %s\n", f.What, f.Do)
			}
		}
		if worst > exitDone {
			return exitCode(worst)
		}
		return nil
	})
}
