package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers"
)

type initCmd struct {
	File  string `default:"crieur.env" help:"Where to write the configuration."`
	Force bool   `help:"Replace the file if it is there."`
}

func (initCmd) Help() string {
	return "Asks for the community, its address, zone, languages, sender and channels; an empty answer takes the value in brackets.\n\n" +
		"Example:\n  crieur init"
}

func (c initCmd) Run(_ context.Context, s *session) error {
	if _, err := os.Stat(c.File); err == nil && !c.Force {
		return badInput("%s is there already; --force replaces it, --file writes another", c.File)
	}
	q := questions{bufio.NewReader(s.in), s.out, nil}
	values := map[string]string{}
	ask := func(name, question, fallback string, check func(map[string]string) error) {
		values[prefix+name] = q.ask(question, fallback, func(answer string) error {
			if check == nil {
				return nil
			}
			return check(map[string]string{prefix + name: answer})
		})
	}
	valid := func(m map[string]string) error { _, err := load(m); return err }
	ask("NAME", "Name of the community", "Notre communauté", valid)
	ask("PUBLIC_URL", "Public address of this server (https://...)", "http://127.0.0.1:8080", valid)
	ask("ZONE", "Time zone", "America/Toronto", valid)
	ask("LANGUAGES", "Languages, the default first", "fr,en", valid)
	ask("POSTAL_ADDRESS", "Postal address of the sender, one line (mail laws ask for it)", "", valid)
	ask("CHANNELS", "Channels, among "+strings.Join(publishers.Names(), ", "), "feed", func(m map[string]string) error {
		return publishers.Named(accounts(m[prefix+"CHANNELS"]))
	})
	settings := map[string][]publishers.Variable{} // by account
	for _, name := range accounts(values[prefix+"CHANNELS"]) {
		channel := announce.Channel(name)
		for _, v := range publishers.Variables()[channel] {
			v.Name = publishers.Prefix(name) + strings.TrimPrefix(v.Name, publishers.Prefix(channel))
			if v.Required && !v.Secret { // secrets are typed into the file, not into a terminal that remembers
				values[v.Name] = q.ask(v.Name+": "+v.Doc, v.Default, func(a string) error {
					if a == "" {
						return errors.New("it is required")
					}
					return nil
				})
				continue
			}
			settings[name] = append(settings[name], v)
		}
	}
	if q.err != nil {
		return badInput("the questions were not all answered: %w; nothing was written", q.err)
	}
	if err := c.write(values, settings); err != nil {
		return err
	}
	return c.next(s.out, settings)
}

// write puts the configuration into a file that only its owner reads.
func (c initCmd) write(values map[string]string, settings map[string][]publishers.Variable) error {
	var b strings.Builder
	b.WriteString("# Configuration of Crieur. All that can be set: crieur env\n")
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s='%s'\n", name, strings.ReplaceAll(values[name], "'", `'\''`))
	}
	for _, account := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "\n# ---- %s: take the # away from what you set ----\n", account)
		for _, v := range settings[account] {
			note := ""
			if v.Required {
				note = " Required."
			}
			fmt.Fprintf(&b, "# %s%s\n#%s='%s'\n", v.Doc, note, v.Name, v.Default)
		}
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(c.File, flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Chmod(0o600), f.Close())
}

func (c initCmd) next(w io.Writer, settings map[string][]publishers.Variable) error {
	fmt.Fprintf(w, "\n%s is written. Next:\n", c.File)
	n := 1
	step := func(format string, a ...any) {
		fmt.Fprintf(w, "  %d. %s\n", n, fmt.Sprintf(format, a...))
		n++
	}
	for _, account := range slices.Sorted(maps.Keys(settings)) {
		if slices.ContainsFunc(settings[account], func(v publishers.Variable) bool { return v.Secret }) {
			step("fill in %s's part of %s; docs/channels/%s.md says where its credentials come from", account, c.File, announce.Channel(account))
		}
	}
	file := c.File
	if !strings.Contains(file, "/") {
		file = "./" + file
	}
	step("set -a; . %s; set +a", file)
	step("crieur doctor            # look at every account")
	step("crieur serve             # run the server")
	step("crieur announce FILE     # in another terminal, after the same `set -a` line")
	return nil
}

// questions asks on w and reads answers until one fails.
type questions struct {
	in  *bufio.Reader
	out io.Writer
	err error
}

// ask repeats a question until its answer passes check.
func (q *questions) ask(question, fallback string, check func(string) error) string {
	for q.err == nil {
		fmt.Fprintf(q.out, "%s [%s]: ", question, fallback)
		line, err := q.in.ReadString('\n')
		answer := strings.TrimSpace(line)
		if err != nil && answer == "" {
			q.err = err
			return ""
		}
		if answer == "" {
			answer = fallback
		}
		if err := check(answer); err != nil {
			fmt.Fprintf(q.out, "  %v\n", err)
			continue
		}
		return answer
	}
	return ""
}
