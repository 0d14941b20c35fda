package main

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var (
	exampleLine = regexp.MustCompile("^  (?:.*[ |])?crieur ([^<>|]*)")
	shellWord   = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"'])+`)
)

// The help of every command has an example, and every example is a command line that the program takes.
func TestEveryCommandHasAnExample(t *testing.T) {
	eachCommand(t, func(words string, n *kong.Node) {
		found := false
		for line := range strings.Lines(n.Detail) {
			m := exampleLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			example := m[1]
			if strings.Count(example, `"`)%2 == 1 { // it stands within quotes
				example = strings.TrimRight(example, "\"\n")
			}
			found = found || strings.HasPrefix(example+" ", words+" ")
			var args []string
			for _, w := range shellWord.FindAllString(example, -1) {
				args = append(args, strings.NewReplacer(`"`, "", "'", "").Replace(w))
			}
			parser, err := kong.New(&commands{}, kong.Exit(func(int) {}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(args); err != nil {
				t.Errorf("crieur %s --help: the example %q: %v", words, example, err)
			}
		}
		if !found {
			t.Errorf("crieur %s --help has no example", words)
		}
	})
}

// A help says nothing twice, and a mistake of usage names the help of its own command.
func TestHelpIsNear(t *testing.T) {
	say := func(args ...string) (string, int) {
		var out, errs strings.Builder
		code := run(context.Background(), args, nil, streams{strings.NewReader(""), &out, &errs})
		return out.String() + errs.String(), code
	}
	if out, _ := say("rehearse", "--help"); strings.Count(strings.ToLower(out), "nothing is published") != 1 {
		t.Error(out)
	}
	for line, want := range map[string]string{
		"digest set":               "crieur digest set --help",
		"digest set x --colour":    "crieur digest set --help",
		"digest runs":              "crieur digest runs --help",
		"subscribers":              "crieur subscribers --help",
		"subscribers show":         "crieur subscribers show --help",
		"announce":                 "crieur announce --help",
		"announce a.md --colour=x": "crieur announce --help",
		"anounce":                  "crieur --help",
	} {
		out, code := say(strings.Fields(line)...)
		if code != exitInput || !strings.Contains(out, "See: "+want+"\n") {
			t.Errorf("crieur %s: exit %d, %q", line, code, out)
		}
	}
}
