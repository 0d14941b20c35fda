package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// eachCommand calls do for every command that people can type, with its words: "digest set".
func eachCommand(t *testing.T, do func(words string, n *kong.Node)) {
	t.Helper()
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	var walk func(before string, n *kong.Node)
	walk = func(before string, n *kong.Node) {
		for _, c := range n.Children {
			if words := strings.TrimSpace(before + " " + c.Name); !c.Hidden {
				do(words, c)
				walk(words, c)
			}
		}
	}
	walk("", parser.Model.Node)
}

func completion(t *testing.T, shell string) string {
	t.Helper()
	var out, errs strings.Builder
	if code := run(context.Background(), []string{"completion", shell}, nil, streams{strings.NewReader(""), &out, &errs}); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	return out.String()
}

// A real fish completes every command, every command of a command, and the flags of both.
func TestFishCompletes(t *testing.T) {
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("no fish here")
	}
	file := filepath.Join(t.TempDir(), "crieur.fish")
	if err := os.WriteFile(file, []byte(completion(t, "fish")), 0o600); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("source " + file + "\n")
	want := map[string][]string{}
	ask := func(line, word string) {
		if want[line] == nil {
			script.WriteString("echo '# " + line + "'; complete -C '" + line + "'\n")
		}
		want[line] = append(want[line], word)
	}
	eachCommand(t, func(words string, n *kong.Node) {
		before, last := "", words
		if i := strings.LastIndex(words, " "); i >= 0 {
			before, last = words[:i+1], words[i+1:]
		}
		ask("crieur "+before, last)
		for _, f := range n.Flags {
			ask("crieur "+words+" --", "--"+f.Name)
		}
	})
	cmd := exec.Command(fish, "--no-config", "-c", script.String())
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	offered := map[string]map[string]bool{}
	line := ""
	for l := range strings.Lines(string(out)) {
		if l = strings.TrimSuffix(l, "\n"); strings.HasPrefix(l, "# ") {
			line = l[2:]
			offered[line] = map[string]bool{}
			continue
		}
		word, _, _ := strings.Cut(l, "\t")
		offered[line][word] = true
	}
	for line, all := range want {
		for _, word := range all {
			if !offered[line][word] {
				t.Errorf("%q: %s is not offered", line, word)
			}
		}
	}
	if offered["crieur digest list --"]["--schedule"] || offered["crieur digest "]["announce"] {
		t.Error("fish offers what belongs to another command")
	}
}

// The scripts of every shell know the flags of commands of two words.
func TestCompletionsKnowEveryFlag(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := completion(t, shell)
		if strings.Contains(script, "sink") {
			t.Errorf("%s: a hidden command is offered", shell)
		}
		eachCommand(t, func(words string, n *kong.Node) {
			for _, f := range n.Flags {
				found := false
				for line := range strings.Lines(script) {
					switch first, second, two := strings.Cut(words, " "); {
					case shell != "fish":
						found = found || strings.Contains(line, words) && strings.Contains(line, "--"+f.Name)
					case two:
						found = found || strings.Contains(line, "from "+first+"; and __fish_seen_subcommand_from "+second+"'") && strings.Contains(line, "-l "+f.Name+" ")
					default:
						found = found || strings.Contains(line, "from "+first) && strings.Contains(line, "-l "+f.Name+" ")
					}
				}
				if !found {
					t.Errorf("%s: crieur %s --%s is not known", shell, words, f.Name)
				}
			}
		})
	}
}
