package main

import (
	"fmt"
	"io"

	"github.com/crieur/crieur/internal/bounce"
	"github.com/crieur/crieur/publishers"
)

type envCmd struct{}

func (envCmd) Help() string {
	return "Every variable of the program and of every channel, as a file to start from. A second account of a channel, " +
		"slack@partners, reads CRIEUR_SLACK_PARTNERS_... For each NAME, NAME_FILE may give a file to read it from.\n\n" +
		"Example:\n  crieur env > crieur.env"
}

func (envCmd) Run(s *session) error { return writeEnv(s.out) }

// writeEnv prints every variable, commented out unless required, with what it means.
func writeEnv(w io.Writer) error {
	fmt.Fprint(w, "# Every variable that Crieur reads; made by: crieur env\n# For each NAME, NAME_FILE may name a file that holds the value instead.\n")
	section := func(title string, vars []publishers.Variable) {
		fmt.Fprintf(w, "\n# ---- %s ----\n", title)
		for _, v := range vars {
			note := ""
			if v.Required {
				note = " Required."
			}
			if v.Secret {
				note += " Secret."
			}
			fmt.Fprintf(w, "\n# %s%s\n#%s=%s\n", v.Doc, note, v.Name, v.Default)
		}
	}
	section("Crieur", publishers.Describe(Config{}, prefix))
	section("Mail that comes back, and complaints", publishers.Describe(bounce.Config{}, bouncePrefix))
	section("A program that is told of every change of a subscriber", publishers.Describe(followConfig{}, followPrefix))
	section("The command line, talking to a server elsewhere", publishers.Describe(Client{}, prefix))
	section("Every account: CRIEUR_SLACK_LANGUAGE, CRIEUR_SLACK_PARTNERS_LANGUAGE", publishers.Common())
	all := publishers.Variables()
	for _, name := range publishers.Names() {
		section("channel "+name, all[name])
	}
	return nil
}
