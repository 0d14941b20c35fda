package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/internal/web/client"
)

type subscribersCmd struct {
	Add        addSubscribersCmd    `cmd:"" help:"Add people: addresses as arguments, or one a line on standard input."`
	List       listSubscribersCmd   `cmd:"" help:"List people, by address."`
	Search     searchSubscribersCmd `cmd:"" help:"List people whose address begins so, whatever their standing."`
	Show       showSubscriberCmd    `cmd:"" help:"Show one person: what they chose, and how they stand."`
	Change     changeSubscriberCmd  `cmd:"" help:"Change what a person chose, because they asked."`
	Remove     removeSubscriberCmd  `cmd:"" help:"Take a person off the list."`
	Erase      eraseSubscriberCmd   `cmd:"" help:"Forget a person for ever, on all their addresses."`
	Import     importCmd            `cmd:"" help:"Take in a list: CSV, or an export of Mailchimp, listmonk or Crieur."`
	Export     exportCmd            `cmd:"" help:"Write people with what they chose, as CSV or JSON."`
	Suppress   suppressCmd          `cmd:"" help:"Never write to an address again."`
	Suppressed suppressedCmd        `cmd:"" help:"Tell whether an address may be written to."`
	Lift       liftCmd              `cmd:"" help:"Let a suppressed address be written to again."`
	Proof      proofSubscriberCmd   `cmd:"" help:"Prove what a person agreed to: every act, with the words that were shown."`
}

func (subscribersCmd) Help() string {
	return "Examples:\n  crieur subscribers list\n  crieur subscribers import people.csv --dry-run"
}

type addSubscribersCmd struct {
	Address  []string          `arg:"" help:"Addresses; - reads them from standard input, one a line."`
	Channel  string            `default:"email" help:"Personal channel of the addresses."`
	Name     string            `help:"Name, for one address."`
	Language announce.Language `help:"Language of their messages: fr or en. Default: each announcement's."`
	Topic    []string          `help:"Topics to subscribe them to. Without, they get every topic that is not private."`
	Confirm  bool              `help:"Write to each first and ask them to confirm."`
	Basis    string            `enum:"express,implied" default:"express" help:"How they agreed: express or implied."`
	Words    string            `help:"The exact words that they agreed to, kept as proof."`
	How      string            `help:"Where they agreed: sign-up sheet of March 14, members' register."`
}

func (addSubscribersCmd) Help() string {
	return "Only add people who asked for it, and say how with --how and --words: it is your proof. Who unsubscribed stays unsubscribed.\n\n" +
		"Examples:\n  crieur subscribers add ada@example.org --language en --how \"sign-up sheet of March 14\"\n  crieur subscribers add --confirm - < addresses.txt"
}

func (c addSubscribersCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		var sum web.Added
		var lines []int // of standard input, on which those of a.Subscribers stand; 0: they are arguments
		a := web.Addition{Consent: web.Consent{Basis: c.Basis, Words: c.Words, How: c.How, Language: c.Language}, Confirm: c.Confirm}
		flush := func() error {
			if len(a.Subscribers) == 0 {
				return nil
			}
			n, err := r.AddSubscribers(ctx, a)
			err = onLines(err, lines)
			sum.Added, sum.Known, sum.Suppressed = sum.Added+n.Added, sum.Known+n.Known, sum.Suppressed+n.Suppressed
			a.Subscribers, lines = a.Subscribers[:0], lines[:0]
			return err
		}
		add := func(line int, address string) error {
			if address = strings.TrimSpace(address); address == "" || strings.HasPrefix(address, "#") {
				return nil
			}
			lines = append(lines, line)
			a.Subscribers = append(a.Subscribers, web.Subscriber{Channel: c.Channel, Address: address, Name: c.Name, Language: c.Language, Topics: c.Topic})
			if len(a.Subscribers) == 1000 {
				return flush()
			}
			return nil
		}
		if slices.Equal(c.Address, []string{"-"}) {
			in := bufio.NewScanner(s.in)
			for line := 1; in.Scan(); line++ {
				if err := add(line, in.Text()); err != nil {
					return err
				}
			}
			if err := in.Err(); err != nil {
				return err
			}
		} else {
			for _, x := range c.Address {
				if err := add(0, x); err != nil {
					return err
				}
			}
		}
		if err := flush(); err != nil {
			return err
		}
		what := "added"
		if c.Confirm {
			what = "asked to confirm"
		}
		_, err := fmt.Fprintf(s.out, "%d %s, %d were on the list already or have unsubscribed.\n", sum.Added, what, sum.Known)
		if sum.Suppressed > 0 && err == nil {
			_, err = fmt.Fprintf(s.out, "%d must never be written to again (erased, or suppressed); nothing of them was kept.\n", sum.Suppressed)
		}
		return err
	})
}

// onLines names the lines of standard input where an error names places in a request.
func onLines(err error, lines []int) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return err
	}
	for i, e := range p.Errors {
		var n int
		if _, bad := fmt.Sscanf(e.Location, "body.subscribers[%d]", &n); bad == nil && n < len(lines) && lines[n] > 0 {
			_, field, _ := strings.Cut(e.Location, "].")
			p.Errors[i].Location = strings.TrimSpace(fmt.Sprintf("line %d %s", lines[n], field))
		}
	}
	return err
}

type listSubscribersCmd struct {
	JSON     bool           `help:"Print JSON, one person a line."`
	Channel  string         `help:"Only this personal channel."`
	Standing store.Standing `enum:"pending,active,unsubscribed,bounced,complained,removed" default:"active" help:"How they stand: pending, active, unsubscribed, bounced, complained or removed."`
	Topic    string         `help:"Only who chose this topic."`
}

func (listSubscribersCmd) Help() string {
	return "Examples:\n  crieur subscribers list --topic meetup\n  crieur subscribers list --standing bounced"
}

func (c listSubscribersCmd) Run(ctx context.Context, s *session) error {
	return s.list(ctx, []web.SubscriberFilter{{Channel: c.Channel, Standing: c.Standing, Topic: c.Topic}}, c.JSON)
}

// list prints whom filters pick.
func (s *session) list(ctx context.Context, filters []web.SubscriberFilter, asJSON bool) error {
	return s.with(ctx, func(r *reached) error {
		n := 0
		for _, f := range filters {
			for after := ""; ; {
				page, err := r.Subscribers(ctx, f, after, 1000)
				if err != nil {
					return err
				}
				for _, p := range page.Subscribers {
					n++
					if asJSON {
						if err := json.NewEncoder(s.out).Encode(p); err != nil {
							return err
						}
						continue
					}
					line := fmt.Sprintf("%s\t%s\t%s", p.Address, p.Language, p.Name)
					if len(filters) > 1 {
						line = fmt.Sprintf("%d\t%s\t%s\t%s", p.ID, p.Channel, p.Address, p.Standing)
					}
					if _, err := fmt.Fprintln(s.out, line); err != nil {
						return err
					}
				}
				if after = page.Next; after == "" {
					break
				}
			}
		}
		if !asJSON {
			fmt.Fprintf(s.err, "%d people\n", n)
		}
		return nil
	})
}

type searchSubscribersCmd struct {
	Begins string `arg:"" help:"How the address begins."`
	JSON   bool   `help:"Print JSON, one person a line."`
}

func (searchSubscribersCmd) Help() string {
	return "Example:\n  crieur subscribers search ada@"
}

func (c searchSubscribersCmd) Run(ctx context.Context, s *session) error {
	var filters []web.SubscriberFilter
	for _, standing := range store.Standings() {
		if standing != store.Erased {
			filters = append(filters, web.SubscriberFilter{Standing: standing, Search: c.Begins})
		}
	}
	return s.list(ctx, filters, c.JSON)
}

type showSubscriberCmd struct {
	Subscriber string `arg:"" help:"Number, or mail address."`
	Export     bool   `help:"Print everything that is known of the person, to be given to them."`
}

func (showSubscriberCmd) Help() string {
	return "Examples:\n  crieur subscribers show ada@example.org\n  crieur subscribers show ada@example.org --export > ada.json"
}

func (c showSubscriberCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if c.Export {
			all, err := r.ExportSubscriber(ctx, c.Subscriber)
			if err != nil {
				return err
			}
			return printJSON(s.out, all)
		}
		p, err := r.Subscriber(ctx, c.Subscriber)
		if err != nil {
			return err
		}
		return printJSON(s.out, p)
	})
}

type changeSubscriberCmd struct {
	Subscriber string             `arg:"" help:"Number, or mail address."`
	Name       *string            `help:"Name."`
	Language   *announce.Language `help:"Language: fr or en."`
	Zone       *string            `help:"IANA time zone."`
	Frequency  *store.Frequency   `help:"How often: now, or the name of a digest (see crieur digest list)."`
	Quiet      *string            `help:"Hours in which nothing is sent: 22:00-07:00."`
	Everything *bool              `negatable:"" help:"Every topic that is not private."`
	Topic      []string           `xor:"topics" help:"All the topics to be subscribed to."`
	NoTopics   bool               `xor:"topics" help:"No topic at all."`
	Pause      time.Time          `format:"2006-01-02" placeholder:"YYYY-MM-DD" help:"Nothing is sent before this day (UTC); a past one ends a pause."`
}

func (changeSubscriberCmd) Help() string {
	return "What is not given stays as it is.\n\n" +
		"Examples:\n  crieur subscribers change ada@example.org --frequency weekly --quiet 22:00-07:00\n  crieur subscribers change ada@example.org --pause 2027-08-31"
}

func (c changeSubscriberCmd) Run(ctx context.Context, s *session) error {
	change := web.SubscriberChange{
		Name: c.Name, Language: c.Language, Zone: c.Zone, Frequency: c.Frequency, Quiet: c.Quiet, Everything: c.Everything,
	}
	if len(c.Topic) > 0 || c.NoTopics {
		topics := append([]string{}, c.Topic...) // none is [], which is not null
		change.Topics = &topics
	}
	if !c.Pause.IsZero() {
		change.PausedUntil = &c.Pause
	}
	return s.with(ctx, func(r *reached) error {
		p, err := r.ChangeSubscriber(ctx, c.Subscriber, change)
		if err != nil {
			return err
		}
		return printJSON(s.out, p)
	})
}

type removeSubscriberCmd struct {
	Address string `arg:"" help:"Mail address, or number."`
}

func (removeSubscriberCmd) Help() string {
	return "They may join again by themselves.\n\nExample:\n  crieur subscribers remove ada@example.org"
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

type eraseSubscriberCmd struct {
	Subscriber string `arg:"" help:"Number, or mail address."`
}

func (eraseSubscriberCmd) Help() string {
	return "What the person chose and agreed to is deleted, on all their addresses. A keyed hash of each stays, so that they are not written to again even if an old list is imported. Backups are yours to deal with: see docs/privacy.md.\n\n" +
		"Example:\n  crieur subscribers erase ada@example.org"
}

func (c eraseSubscriberCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.EraseSubscriber(ctx, c.Subscriber); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "Nothing is known of them any more.")
		return err
	})
}

type proofSubscriberCmd struct {
	Subscriber string `arg:"" help:"Number, or mail address."`
	JSON       bool   `help:"Print JSON."`
}

func (proofSubscriberCmd) Help() string {
	return "Example:\n  crieur subscribers proof ada@example.org"
}

func (c proofSubscriberCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all, err := r.Consents(ctx, c.Subscriber)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, all)
		}
		for _, l := range all {
			fmt.Fprintf(s.out, "%s  %-12s  %s", l.At.Format(time.RFC3339), l.Act, l.How)
			for _, more := range []string{l.Basis, l.Network, l.Detail} {
				if more != "" {
					fmt.Fprintf(s.out, ", %s", more)
				}
			}
			fmt.Fprintln(s.out)
			if l.Words != "" {
				fmt.Fprintf(s.out, "    %s\n", strings.ReplaceAll(l.Words, "\n", "\n    "))
			}
		}
		return nil
	})
}
