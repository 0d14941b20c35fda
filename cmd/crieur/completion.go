package main

import (
	"fmt"
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

// words are what may follow a command: its commands and flags.
func words(n *kong.Node) string {
	var w []string
	for _, child := range n.Children {
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
	for _, c := range app.Children {
		for _, sub := range c.Children {
			fmt.Fprintf(&b, "    %q*) [ $COMP_CWORD -gt 2 ] && words=%q ;;\n", c.Name+" "+sub.Name, words(sub))
		}
	}
	b.WriteString("  esac\n  if [ -z \"$words\" ]; then case \"${COMP_WORDS[1]}\" in\n")
	for _, c := range app.Children {
		fmt.Fprintf(&b, "    %s) [ $COMP_CWORD -gt 1 ] && words=%q ;;\n", c.Name, words(c))
	}
	fmt.Fprintf(&b, "  esac; fi\n  [ $COMP_CWORD -eq 1 ] && words=%q\n", words(app.Node))
	b.WriteString("  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n  [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete -F _crieur crieur\n")
	return b.String()
}

func fishCompletion(app *kong.Application) string {
	var b strings.Builder
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }
	for _, c := range app.Children {
		fmt.Fprintf(&b, "complete -c crieur -n __fish_use_subcommand -a %s -d %s\n", c.Name, quote(c.Help))
		for _, sub := range c.Children {
			fmt.Fprintf(&b, "complete -c crieur -f -n '__fish_seen_subcommand_from %s' -a %s -d %s\n", c.Name, sub.Name, quote(sub.Help))
		}
		for _, f := range c.Flags {
			fmt.Fprintf(&b, "complete -c crieur -n '__fish_seen_subcommand_from %s' -l %s -d %s\n", c.Name, f.Name, quote(f.Help))
		}
	}
	return b.String()
}
