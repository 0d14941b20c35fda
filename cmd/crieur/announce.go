package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/web"
)

type announceCmd struct {
	File   string        `arg:"" help:"Markdown with YAML front matter, YAML or JSON; - reads standard input."`
	DryRun bool          `help:"Show how it would look on every channel, and publish nothing."`
	Wait   bool          `help:"Stay until it is everywhere, and show how it goes."`
	Key    string        `help:"Idempotency key: the same key with the same file is the same announcement."`
	Limit  time.Duration `default:"10m" help:"With --wait: stay no longer than this."`
}

func (announceCmd) Help() string {
	return `Examples:
  crieur announce meetup.md --dry-run
  crieur announce meetup.md --wait

A Markdown file:
  ---
  kind: event
  title: Soirée de novembre
  default_language: fr
  event: {starts_at: 2027-11-16T18:30, venue: {name: Café du Clocher}}
  link: https://example.org/novembre
  texts: {en: {title: November meetup}}
  ---
  Deux conférences et un verre.
  <!-- lang: en -->
  Two talks and a drink.`
}

func (c announceCmd) Run(ctx context.Context, s *session) error {
	d, err := s.readDraft(c.File)
	if err != nil {
		return err
	}
	return s.with(ctx, func(r *reached) error {
		if c.DryRun {
			previews, err := r.Preview(ctx, d)
			if err != nil {
				return err
			}
			return s.previews(previews)
		}
		if !c.Wait || r.asleep {
			a, replayed, err := r.Submit(ctx, d, c.Key)
			if err != nil {
				return err
			}
			s.accepted(a, replayed, r.asleep)
			return nil
		}
		return s.follow(ctx, r, c.Limit, func() (announce.ID, error) {
			a, replayed, err := r.Submit(ctx, d, c.Key)
			if err == nil {
				s.accepted(a, replayed, false)
			}
			return a.ID, err
		})
	})
}

func (s *session) accepted(a web.Accepted, replayed, asleep bool) {
	word := "accepted"
	if replayed {
		word = "was accepted before"
	}
	fmt.Fprintf(s.out, "%s %s (revision %d)\n", a.ID, word, a.Rev)
	s.reminders(a.Reminders)
	if asleep {
		fmt.Fprintln(s.out, "No server runs: it is published when one starts (crieur serve).")
		return
	}
	fmt.Fprintf(s.out, "See how it goes: crieur status %s\n", a.ID)
	if a.FollowUp != "" {
		fmt.Fprintf(s.out, "What cannot be changed is told by: crieur status %s\n", a.FollowUp)
	}
}

// previews prints every preview with its counter. It fails when one does not fit.
func (s *session) previews(all []broadcast.Preview) error {
	p, bad := s.painter(), 0
	for _, v := range all {
		counter := fmt.Sprintf("%d characters", v.Units)
		if v.Limit > 0 {
			counter = fmt.Sprintf("%d of %d", v.Units, v.Limit)
		}
		if v.People != nil {
			counter += fmt.Sprintf(", %d people in whatever language", *v.People)
		}
		if v.Shorter {
			counter += ", shortened"
		}
		if v.Images > 0 {
			counter += fmt.Sprintf(", %d image(s)", v.Images)
		}
		if v.Reminder != "" {
			counter += fmt.Sprintf(" · reminder %s, %s", v.Reminder, moment(*v.Due))
		}
		fmt.Fprintf(s.out, "%s\n", p.paint("1", fmt.Sprintf("── %s · %s · %s", v.Channel, v.Language, counter)))
		if len(v.Faults) > 0 {
			bad++
			for _, f := range v.Faults {
				fmt.Fprintf(s.out, "   %s %s: %s\n", p.paint("31", "✗"), f.Field, f.Say)
			}
			continue
		}
		if v.Subject != "" {
			fmt.Fprintf(s.out, "   %s\n\n", p.paint("1", v.Subject))
		}
		fmt.Fprintf(s.out, "   %s\n\n", indented(v.Text))
	}
	if bad > 0 {
		return badInput("it does not fit %d of %d; nothing was published", bad, len(all))
	}
	return nil
}

// indented is a message below a head.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(withoutMarks(text)), "\n", "\n   ")
}

// withoutMarks is a message with words where each person's own part goes.
func withoutMarks(text string) string {
	const own = "[each person’s own link]"
	return strings.NewReplacer(announce.UnsubscribeMark, own, announce.PreferencesMark, own, announce.ArchiveMark, own, announce.NameMark, "").Replace(text)
}

// follow submits, then shows every change until nothing more happens by itself. It fails when a person is needed, as after a stop.
func (s *session) follow(ctx context.Context, r *reached, limit time.Duration, submit func() (announce.ID, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	id, err := submit()
	if err != nil {
		return err
	}
	began := time.Now()
	seen := map[string]string{}
	for {
		st, err := r.Status(ctx, id)
		if err != nil {
			return errors.Join(err, fmt.Errorf("it goes on; look with: crieur status %s", id))
		}
		s.progress(st, seen, time.Since(began))
		done := settled(st)
		if done || st.Stopped {
			fmt.Fprintln(s.out)
			if err := s.status(st); err != nil {
				return err
			}
			if !done || st.State == broadcast.NeedsAttention || st.State == broadcast.Held {
				return exitCode(exitFailed)
			}
			return nil
		}
		wait, stop := context.WithTimeout(ctx, 2*time.Second)
		if err := r.Changes(wait, id, nil, func(web.Change) bool { return false }); err != nil {
			<-wait.Done() // no stream to wait for: look again in a while
		}
		stop()
		if ctx.Err() != nil {
			return fmt.Errorf("it is not everywhere after %s; it goes on: crieur status %s", time.Since(began).Round(time.Second), id)
		}
	}
}

// progress prints the deliveries whose state is new.
func (s *session) progress(st broadcast.Status, seen map[string]string, since time.Duration) {
	p := s.painter()
	line := func(channel, state, more string) {
		if seen[channel] == state+more {
			return
		}
		seen[channel] = state + more
		fmt.Fprintf(s.out, "%7.2fs  %-20s %s %s\n", since.Seconds(), channel, p.state(state), more)
	}
	for _, d := range st.Deliveries {
		more := d.Fault
		if d.Receipt != nil {
			more = d.Receipt.URL
		}
		line(d.Channel, string(d.State), more)
	}
	for _, x := range st.People {
		line(x.Channel, peopleState(x), peopleCounts(x))
	}
}

func peopleState(x broadcast.People) string {
	if !x.Done || x.Counts[announce.Waiting]+x.Counts[announce.CallingNow] > 0 {
		return "publishing"
	}
	if x.Planned > 0 && x.Counts[announce.FailedState] == x.Planned {
		return string(announce.FailedState)
	}
	return string(announce.Published)
}

func peopleCounts(x broadcast.People) string {
	parts := []string{fmt.Sprintf("%d people", x.Planned)}
	for _, state := range []announce.State{announce.Published, announce.Waiting, announce.CallingNow, announce.FailedState, announce.Unknown, announce.SkippedState, announce.Retracted} {
		if n := x.Counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// settled reports whether nothing more happens by itself soon.
func settled(st broadcast.Status) bool {
	if st.State == broadcast.Held {
		return true
	}
	moving := slices.ContainsFunc(st.Deliveries, func(d broadcast.Row) bool { return d.Next != nil && !d.Person })
	return !moving && !slices.ContainsFunc(st.People, func(x broadcast.People) bool { return peopleState(x) == "publishing" })
}

type retractCmd struct {
	ID  announce.ID `arg:"" help:"Announcement to take back."`
	Rev int         `help:"Revision that you have seen. Default: the current one."`
}

func (retractCmd) Help() string {
	return "Posts are deleted where the channel can; mails that left cannot be called back. To call an event off and say so: crieur cancel.\n\n" +
		"Example:\n  crieur retract 01kx..."
}

func (c retractCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		rev, err := amendCmd{ID: c.ID, Rev: c.Rev}.rev(ctx, r)
		if err != nil {
			return err
		}
		if err := r.Retract(ctx, c.ID, rev); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s is taken back. What waited is never published; see what could be removed: crieur status %s\n", c.ID, c.ID)
		return nil
	})
}

type settleCmd struct {
	ID       announce.ID   `arg:"" help:"Announcement."`
	Delivery string        `arg:"" help:"Delivery, or the channel's name."`
	Saw      broadcast.Saw `required:"" enum:"appeared,absent,done" help:"appeared: the post, or its change, is there. absent: it is not, do it again. done: I did by hand what was wanted."`
	URL      string        `name:"url" help:"Where the post can be seen."`
	Receipt  string        `help:"The platform's ID of the post, if you know it."`
	All      bool          `help:"Of a channel that writes to people: say it of every message of which nobody knows whether it arrived."`
}

func (settleCmd) Help() string {
	return "Examples:\n  crieur settle 01kx... slack --saw appeared --url https://example.slack.com/archives/C1/p1\n  crieur settle 01kx... email --saw absent --all"
}

func (c settleCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if c.All {
			n, err := r.SettleUnknown(ctx, c.ID, web.Unsure{Channel: c.Delivery, Saw: c.Saw})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "%d messages are settled.\n", n)
			return err
		}
		st, err := r.Status(ctx, c.ID)
		if err != nil {
			return err
		}
		for _, d := range st.Deliveries {
			if d.Channel == c.Delivery {
				c.Delivery = d.ID
			}
		}
		row, err := r.Settle(ctx, c.ID, c.Delivery, web.Settlement{Saw: c.Saw, ID: c.Receipt, URL: c.URL})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s is %s\n", row.Channel, s.painter().state(string(row.State)))
		return err
	})
}
