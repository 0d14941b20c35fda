package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return "Examples:\n  crieur completion bash > /etc/bash_completion.d/crieur\n  crieur completion zsh > \"${fpath[1]}/_crieur\"\n  crieur completion fish > ~/.config/fish/completions/crieur.fish"
}

func (c completionCmd) Run(s *session) error {
	var script string
	switch c.Shell {
	case "fish":
		script = fishCompletion(s.model)
	case "zsh":
		script = "#compdef crieur\nautoload -U +X bashcompinit && bashcompinit\n" + bashCompletion(s.model)
	default:
		script = bashCompletion(s.model)
	}
	_, err := fmt.Fprint(s.out, script)
	return err
}

// shown are the commands of a command that people are told of.
func shown(n *kong.Node) []*kong.Node {
	return slices.DeleteFunc(slices.Clone(n.Children), func(c *kong.Node) bool { return c.Hidden })
}

// words are what may follow a command: its commands and flags.
func words(n *kong.Node) string {
	var w []string
	for _, child := range shown(n) {
		w = append(w, child.Name)
	}
	for _, f := range n.Flags {
		w = append(w, "--"+f.Name)
	}
	return strings.Join(append(w, "--help"), " ")
}

func bashCompletion(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("_crieur() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words\n  case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n")
	for _, c := range shown(app.Node) {
		for _, sub := range shown(c) {
			fmt.Fprintf(&b, "    %q*) [ $COMP_CWORD -gt 2 ] && words=%q ;;\n", c.Name+" "+sub.Name, words(sub))
		}
	}
	b.WriteString("  esac\n  if [ -z \"$words\" ]; then case \"${COMP_WORDS[1]}\" in\n")
	for _, c := range shown(app.Node) {
		fmt.Fprintf(&b, "    %s) [ $COMP_CWORD -gt 1 ] && words=%q ;;\n", c.Name, words(c))
	}
	fmt.Fprintf(&b, "  esac; fi\n  [ $COMP_CWORD -eq 1 ] && words=%q\n", words(app.Node))
	b.WriteString("  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n  [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete -F _crieur crieur\n")
	return b.String()
}

// fishCompletion offers a command's commands until one of them is there, then that one's flags.
func fishCompletion(app *kong.Application) string {
	var b strings.Builder
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" }
	flags := func(when string, n *kong.Node) {
		for _, f := range n.Flags {
			value := ""
			if !f.IsBool() {
				value = " -r"
			}
			fmt.Fprintf(&b, "complete -c crieur -n %s -l %s%s -d %s\n", quote(when), f.Name, value, quote(f.Help))
		}
	}
	for _, c := range shown(app.Node) {
		fmt.Fprintf(&b, "complete -c crieur -f -n __fish_use_subcommand -a %s -d %s\n", c.Name, quote(c.Help))
		within := "__fish_seen_subcommand_from " + c.Name
		var subs []string
		for _, sub := range shown(c) {
			subs = append(subs, sub.Name)
		}
		before := within
		if len(subs) > 0 {
			before += "; and not __fish_seen_subcommand_from " + strings.Join(subs, " ")
		}
		for _, sub := range shown(c) {
			fmt.Fprintf(&b, "complete -c crieur -f -n %s -a %s -d %s\n", quote(before), sub.Name, quote(sub.Help))
			flags(within+"; and __fish_seen_subcommand_from "+sub.Name, sub)
		}
		flags(before, c)
	}
	return b.String()
}
