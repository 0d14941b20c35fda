package main

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/web"
)

type digestCmd struct {
	List    listDigestsCmd   `cmd:"" default:"withargs" help:"List the digests, and when each is due next."`
	Set     setDigestCmd     `cmd:"" help:"Add a digest, or change the one of that name."`
	Remove  removeDigestCmd  `cmd:"" help:"Remove a digest."`
	Run     runDigestCmd     `cmd:"" help:"Start a digest now, from a cron job, say: one for each period, however often it is started."`
	Runs    digestRunsCmd    `cmd:"" help:"List what became of a digest's occurrences."`
	Preview previewDigestCmd `cmd:"" help:"Show what somebody would be told now."`
}

func (digestCmd) Help() string {
	return "Examples:\n  crieur digest list\n  crieur digest set weekly --schedule '0 18 * * 5'"
}

type listDigestsCmd struct {
	JSON bool `help:"Print JSON."`
}

func (listDigestsCmd) Help() string {
	return "Example:\n  crieur digest list"
}

func (c listDigestsCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all, err := r.Digests(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, all)
		}
		var rows [][]string
		for _, d := range all {
			next := "-"
			switch {
			case d.Off:
				next = "off"
			case d.Outside:
				next = "when it is started"
			case d.Next != nil:
				next = nextOf(d)
			}
			rows = append(rows, []string{d.Name, d.Schedule, orDash(d.ReadIn), next, fmt.Sprint(d.People), orDash(strings.Join(d.Channels, ",")), orDash(strings.Join(d.Topics, ","))})
		}
		return s.table([]string{"DIGEST", "SCHEDULE", "ZONE", "NEXT", "PEOPLE", "CHANNELS", "TOPICS"}, rows)
	})
}

// nextOf is when a digest is due next, as the clocks of its zone show it: "Mon 2027-03-15 08:00 EDT".
func nextOf(d web.Digest) string {
	t := *d.Next
	if loc, err := announce.Zone(d.ReadIn); err == nil {
		t = t.In(loc)
	}
	return t.Format("Mon 2006-01-02 15:04 MST")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type setDigestCmd struct {
	Name     string                        `arg:"" help:"daily, weekly, monthly, or a name of your own."`
	Schedule *string                       `help:"A cron line: '0 8 * * 1' is Mondays at 8." placeholder:"LINE"`
	Zone     *string                       `help:"IANA time zone of the schedule; empty: the server's."`
	Label    *map[announce.Language]string `help:"What people read where they choose it, and as its title: --label fr='Le résumé du vendredi'." placeholder:"LANGUAGE=WORDS"`
	Topic    *[]string                     `help:"Only what is about one of these topics or of these kinds; empty: everything."`
	Language *[]announce.Language          `help:"Only what is written in one of these languages; empty: everything."`
	Channel  *[]string                     `help:"Broadcast channels that get a summary too, such as slack; empty: none."`
	Outside  *bool                         `negatable:"" help:"Only started from outside: by crieur digest run, or over the API."`
	Off      *bool                         `negatable:"" help:"Make it no more; --no-off: again."`
	Place    *int                          `help:"Order on pages."`
}

func (setDigestCmd) Help() string {
	return "What is not given stays as it is.\n\nExamples:\n  crieur digest set weekly --schedule '0 18 * * 5' --channel slack\n" +
		"  crieur digest set rust --schedule '0 8 1,15 * *' --topic rust --label fr='Rust, deux fois par mois' --label en='Rust, twice a month'"
}

func (c setDigestCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all, err := r.Digests(ctx)
		if err != nil {
			return err
		}
		d := web.Digest{Name: c.Name, Place: 10}
		known := false
		for _, x := range all {
			if x.Name == c.Name {
				d, known = x, true
			}
		}
		if c.Schedule == nil && !known {
			return badInput("there is no digest %q yet: give its --schedule, such as '0 8 * * 1'", c.Name)
		}
		change(&d.Schedule, c.Schedule)
		change(&d.TimeZone, c.Zone)
		if c.Label != nil {
			d.Labels = relabelled(d.Labels, *c.Label)
		}
		change(&d.Outside, c.Outside)
		change(&d.Off, c.Off)
		change(&d.Place, c.Place)
		d.Topics, d.Channels, d.Languages = filled(d.Topics, c.Topic), filled(d.Channels, c.Channel), filled(d.Languages, c.Language)
		d.Next = nil
		if d, err = r.PutDigest(ctx, d); err != nil {
			return err
		}
		next := "It is made when it is started."
		switch {
		case d.Off:
			next = "It is off."
		case d.Next != nil:
			next = "It is due next on " + nextOf(d) + "."
		}
		_, err = fmt.Fprintf(s.out, "The digest %s is set. %s\n", d.Name, next)
		return err
	})
}

func change[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// relabelled is labels with those of to in their place, without empty words: --label fr= takes the French one away.
func relabelled(labels, to map[announce.Language]string) map[announce.Language]string {
	out := map[announce.Language]string{}
	maps.Copy(out, labels)
	maps.Copy(out, to)
	maps.DeleteFunc(out, func(_ announce.Language, words string) bool { return words == "" })
	return out
}

// filled is a list as it is changed, without empty words: --topic= empties it.
func filled[T ~string](is []T, to *[]T) []T {
	if to == nil {
		return is
	}
	var out []T
	for _, x := range *to {
		if x != "" {
			out = append(out, x)
		}
	}
	return out
}

type removeDigestCmd struct {
	Name     string `arg:"" help:"The digest."`
	PeopleTo string `help:"The digest that whoever chose it gets instead."`
}

func (removeDigestCmd) Help() string {
	return "Example:\n  crieur digest remove rust --people-to weekly"
}

func (c removeDigestCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.RemoveDigest(ctx, c.Name, c.PeopleTo); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "The digest %s is removed.\n", c.Name)
		return err
	})
}

type runDigestCmd struct {
	Name   string `arg:"" help:"The digest: weekly."`
	Period string `help:"The occurrence that is meant, by its wall time: 2027-03-15T08:00. Default: the one at or before now, or at most ten minutes ahead."`
	JSON   bool   `help:"Print JSON."`
}

func (runDigestCmd) Help() string {
	return "Everybody is told what came due up to the occurrence and is new to them. A running server makes the letters; without one, the next start does.\n\n" +
		"Example, in a crontab:\n  0 8 * * 1  crieur digest run weekly"
}

func (c runDigestCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		run, err := r.RunDigest(ctx, c.Name, c.Period)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, run)
		}
		_, err = fmt.Fprintf(s.out, "The digest %s of %s (%s): %s. See: crieur digest runs %s\n", run.Digest, run.Period, run.TimeZone, run.State, run.Digest)
		return err
	})
}

type digestRunsCmd struct {
	Name  string `arg:"" help:"The digest."`
	Limit int    `default:"20" help:"At most so many."`
	JSON  bool   `help:"Print JSON."`
}

func (digestRunsCmd) Help() string {
	return "Example:\n  crieur digest runs weekly --limit 5"
}

func (c digestRunsCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all, err := r.DigestRuns(ctx, c.Name, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, all)
		}
		var rows [][]string
		for _, x := range all {
			late, summary := "-", orDash(string(x.Announcement))
			if x.Late {
				late = "late"
			}
			sent := x.Counts[announce.Published]
			rows = append(rows, []string{x.Period, string(x.State), late, fmt.Sprint(x.People), fmt.Sprint(x.Letters), fmt.Sprint(sent), summary, x.How})
		}
		return s.table([]string{"PERIOD", "STATE", "LATE", "PEOPLE", "LETTERS", "SENT", "SUMMARY", "STARTED BY"}, rows)
	})
}

type previewDigestCmd struct {
	Name string `arg:"" help:"The digest."`
	For  string `required:"" help:"Whose: a mail address, or a subscriber's number."`
	JSON bool   `help:"Print JSON."`
}

func (previewDigestCmd) Help() string {
	return "Nothing is sent.\n\nExample:\n  crieur digest preview weekly --for ada@example.org"
}

func (c previewDigestCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		p, err := r.PreviewDigest(ctx, c.Name, c.For)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, p)
		}
		if len(p.Items) == 0 {
			_, err = fmt.Fprintf(s.out, "Nothing is new to them since %s: nothing would be sent.\n", moment(p.Since))
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s\n\n%s\n", s.painter().paint("1", p.Subject), withoutMarks(p.Text))
		return err
	})
}
