package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/proof"
)

type proofCmd struct {
	ID     announce.ID `arg:"" optional:"" help:"Announcement to prove."`
	JSON   bool        `help:"Print the signed document, to be kept or handed over."`
	Verify string      `help:"Check this signed document instead." placeholder:"FILE"`
	Key    string      `help:"With --verify: the public key (PEM) of the server that signed. Default: that of the server at hand." placeholder:"FILE"`
}

func (proofCmd) Help() string {
	return "A proof says, signed, on which accounts an announcement appeared, where and when, and who decided it. People are counts.\n" +
		"Its page can be given to a partner: whoever has the address can read it.\n\n" +
		"Examples:\n  crieur proof 01kx...\n  crieur proof 01kx... --json > proof.json\n  crieur proof --verify proof.json --key key.pem"
}

func (c proofCmd) Run(ctx context.Context, s *session) error {
	if c.Verify != "" {
		if c.ID != "" || c.JSON {
			return badInput("--verify checks the file alone, whatever announcement it is of: leave the announcement and --json out")
		}
		return c.verify(ctx, s)
	}
	if c.ID == "" || c.Key != "" {
		return badInput("say which announcement, or which file to check: crieur proof ID, or crieur proof --verify FILE [--key FILE]")
	}
	return s.with(ctx, func(r *reached) error {
		p, err := r.Proof(ctx, c.ID)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(s.out, p)
		}
		if err := s.statement(p.Statement); err != nil || p.Page == "" {
			return err
		}
		_, err = fmt.Fprintf(s.out, "\nThe page, for whoever has its address: %s\n", p.Page)
		return err
	})
}

func (c proofCmd) verify(ctx context.Context, s *session) error {
	document, err := os.ReadFile(c.Verify)
	if err != nil {
		return &inputError{err}
	}
	check := func(key []byte) error {
		st, err := proof.Verify(document, key)
		switch {
		case errors.Is(err, proof.ErrForged):
			return fmt.Errorf("%s: %w", c.Verify, err)
		case errors.Is(err, proof.ErrKey):
			return badInput("%s: %w", cmp.Or(c.Key, "the key of the server at hand"), err)
		case err != nil:
			return badInput("%s: %w", c.Verify, err)
		}
		fmt.Fprintln(s.out, s.painter().paint("32", "The signature is good."), "It says:")
		return s.statement(st)
	}
	if c.Key != "" {
		key, err := os.ReadFile(c.Key)
		if err != nil {
			return &inputError{err}
		}
		return check(key)
	}
	return s.with(ctx, func(r *reached) error {
		key, err := r.ProofKey(ctx)
		if err != nil {
			return err
		}
		return check(key)
	})
}

// statement prints what a proof says. It may be a stranger's: control characters are taken out.
func (s *session) statement(st proof.Statement) error {
	a, p := st.Announcement, s.painter()
	for _, l := range slices.Sorted(maps.Keys(a.Titles)) {
		fmt.Fprintln(s.out, p.paint("1", printable(a.Titles[l])))
	}
	word := "can be seen where it says so"
	if a.Retracted {
		word = "was taken back"
	}
	fmt.Fprintf(s.out, "%s, revision %d, %s\nas of %s, by %s %s\n", printable(string(a.ID)), a.Rev, word, moment(st.MadeAt), printable(st.Community), printable(st.Server))
	var rows [][]string
	for _, x := range st.Places {
		when, rev := "", "-" // nothing can be seen
		if x.At != nil {
			when = moment(*x.At)
		}
		if x.Rev > 0 {
			rev = fmt.Sprint(x.Rev)
		}
		rows = append(rows, []string{printable(x.Account), printable(string(x.Language)), p.state(printable(string(x.State))), rev, when, fmt.Sprint(x.Attempts), printable(x.URL)})
	}
	for _, x := range st.People {
		rows = append(rows, []string{printable(x.Account), "", "", "", "", "", peopleTold(x)})
	}
	if err := s.table([]string{"CHANNEL", "LANGUAGE", "STATE", "REVISION", "WHEN", "CALLS", "WHERE"}, rows); err != nil {
		return err
	}
	for _, d := range st.Decisions {
		fmt.Fprintf(s.out, "%s  %s by %s", moment(d.At), printable(d.What), printable(d.By))
		if d.Rev > 0 {
			fmt.Fprintf(s.out, ", revision %d", d.Rev)
		}
		if d.Event != "" {
			fmt.Fprintf(s.out, ": the event is %s", printable(string(d.Event)))
		}
		if d.Account != "" {
			fmt.Fprintf(s.out, ", %s", printable(d.Account))
		}
		fmt.Fprintln(s.out)
	}
	for _, f := range st.FollowedBy {
		fmt.Fprintf(s.out, "followed by %s (%s)", printable(string(f.ID)), printable(string(f.Kind)))
		if f.Retracted {
			fmt.Fprint(s.out, ", taken back or never out")
		}
		fmt.Fprintln(s.out)
	}
	return nil
}

func peopleTold(x proof.Reached) string {
	parts := []string{fmt.Sprintf("%d people", x.Planned)}
	for _, state := range slices.Sorted(maps.Keys(x.Counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", x.Counts[state], printable(string(state))))
	}
	return strings.Join(parts, ", ")
}

// printable is text of a file from elsewhere as a terminal may show it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}
