package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/web"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

type subscribersCmd struct {
	Add    addSubscribersCmd   `cmd:"" help:"Add people: addresses as arguments, or one a line on standard input."`
	List   listSubscribersCmd  `cmd:"" help:"List people, by address."`
	Remove removeSubscriberCmd `cmd:"" help:"Take a person off the list."`
}

type addSubscribersCmd struct {
	Address  []string          `arg:"" help:"Addresses; - reads them from standard input, one a line."`
	Name     string            `help:"Name, for one address."`
	Language announce.Language `help:"Language of their mail: fr or en. Default: each announcement's."`
}

func (addSubscribersCmd) Help() string {
	return "Only add people who asked for it. Who unsubscribed stays unsubscribed.\n\nExamples:\n  crieur subscribers add ada@example.org --language en\n  crieur subscribers add - < addresses.txt"
}

func (c addSubscribersCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		added, total := 0, 0
		var page []web.Subscriber
		flush := func() error {
			if len(page) == 0 {
				return nil
			}
			n, err := r.AddSubscribers(ctx, page)
			added, page = added+n, page[:0]
			return err
		}
		add := func(address string) error {
			if address = strings.TrimSpace(address); address == "" || strings.HasPrefix(address, "#") {
				return nil
			}
			total++
			page = append(page, web.Subscriber{Address: address, Name: c.Name, Language: c.Language})
			if len(page) == 1000 {
				return flush()
			}
			return nil
		}
		if slices.Equal(c.Address, []string{"-"}) {
			lines := bufio.NewScanner(s.in)
			for lines.Scan() {
				if err := add(lines.Text()); err != nil {
					return err
				}
			}
			if err := lines.Err(); err != nil {
				return err
			}
		} else {
			for _, a := range c.Address {
				if err := add(a); err != nil {
					return err
				}
			}
		}
		if err := flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%d added, %d were on the list already or have unsubscribed.\n", added, total-added)
		return err
	})
}

type listSubscribersCmd struct {
	JSON bool `help:"Print JSON, one person a line."`
}

func (c listSubscribersCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		after, n := "", 0
		for {
			people, err := r.Subscribers(ctx, after, 1000)
			if err != nil {
				return err
			}
			for _, p := range people {
				n++
				if c.JSON {
					if err := json.NewEncoder(s.out).Encode(p); err != nil {
						return err
					}
				} else if _, err := fmt.Fprintf(s.out, "%s\t%s\t%s\n", p.Address, p.Language, p.Name); err != nil {
					return err
				}
				after = p.Address
			}
			if len(people) < 1000 {
				break
			}
		}
		if !c.JSON {
			fmt.Fprintf(s.err, "%d people\n", n)
		}
		return nil
	})
}

type removeSubscriberCmd struct {
	Address string `arg:"" help:"Address."`
}

func (c removeSubscriberCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.RemoveSubscriber(ctx, c.Address); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%s is off the list.\n", c.Address)
		return err
	})
}

type tokenCmd struct {
	Create createTokenCmd `cmd:"" help:"Make a token and print it once."`
	List   listTokensCmd  `cmd:"" help:"List the tokens, without their secrets."`
	Revoke revokeTokenCmd `cmd:"" help:"Make a token worthless for ever."`
}

type createTokenCmd struct {
	Name  string   `required:"" help:"What will use it: web, cron."`
	Scope []string `required:"" enum:"read,announce,admin" help:"read, announce or admin; each includes the ones before."`
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
		return table(s.out, []string{"ID", "NAME", "SCOPES", "CREATED", "LAST USED", "STATE"}, rows)
	})
}

type revokeTokenCmd struct {
	ID string `arg:"" help:"The token's ID, as listed."`
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
		return table(s.out, []string{"CHANNEL", "STATE", "EDIT", "DELETE", "FIND", "REPEAT", "TEXT", "IMAGES", "PACE", "DAYS LEFT", "FAULT"}, rows)
	})
}

type doctorCmd struct{}

func (doctorCmd) Help() string {
	return "Exit code: 0 all is well, 1 something deserves attention, 2 publishing would fail."
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
