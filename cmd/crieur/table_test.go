package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/world"
)

// Every table fits the columns that there are, says everything, and breaks no address.
func TestTablesFit(t *testing.T) {
	const (
		id  = "01kxpa1jmhyckn35vs4rwp98gz"
		at  = "2026-11-29 16:48:00 EST"
		url = "https://www.linkedin.example/feed/update/urn:li:share:7265555555555555555?utm_source=crieur&utm_campaign=novembre"
		why = "LinkedIn asks for a person: post it by hand, then say so with crieur settle; the text is on the task's page"
	)
	title := "Soirée de novembre : deux conférences, un verre et l’assemblée générale de l’association"
	for name, x := range map[string]struct {
		head []string
		row  []string
		want string // a line of it, at 80 columns
	}{
		"tasks":    {[]string{"TASK", "CHANNEL", "TO DO", "ANNOUNCEMENT", "WHY"}, []string{id, "linkedin", "publish", title, why}, ""},
		"status":   {[]string{"ID", "ACCEPTED", "STATE", "KIND", "TITLE"}, []string{id, at, painter(true).state("needs_attention"), "event", title}, ""},
		"one":      {[]string{"CHANNEL", "LANGUAGE", "STATE", "WHEN", "WHERE"}, []string{"linkedin@partners", "fr", "published", at, url}, "    " + url},
		"several":  {[]string{"ID", "NAME", "SCOPES", "CREATED", "LAST USED", "STATE"}, []string{id, "web", "announce,subscribers", at, "never", "revoked " + at}, "    LAST USED: never"},
		"nothing":  {[]string{"CHANNEL", "STATE", "WHY"}, []string{"slack", strings.Repeat("x", 70), ""}, ""},
		"one long": {[]string{"MEASURED", "VALUE"}, []string{"people", "1"}, "people    1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, most := range []int{0, 40, 80, 120} {
				out := laidOut(x.head, [][]string{x.row}, most)
				seen := strings.Join(strings.Fields(out), " ")
				for _, cell := range x.row {
					for _, word := range strings.Fields(cell) {
						if !strings.Contains(seen, word) {
							t.Errorf("%d columns: %q is not said:\n%s", most, word, out)
						}
					}
				}
				lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
				if most == 0 && len(lines) != 2 {
					t.Errorf("without a width a row is a line:\n%s", out)
				}
				for _, line := range lines {
					if alone := len(strings.Fields(line)) == 1; most >= 80 && width(strings.TrimRight(line, " ")) > most && !alone {
						t.Errorf("%d columns: %d: %q", most, width(line), line)
					}
				}
				if most == 80 && x.want != "" && !strings.Contains(out, x.want+"\n") {
					t.Errorf("no line %q:\n%s", x.want, out)
				}
			}
		})
	}
	if out := laidOut([]string{"DIGEST", "TOPICS"}, [][]string{{strings.Repeat("x", 78), "-"}}, 80); strings.Contains(out, "TOPICS") {
		t.Errorf("a head without anything below it:\n%s", out)
	}
	if head := strings.SplitN(laidOut([]string{"ID", "WHERE"}, [][]string{{id, url}}, 80), "\n", 3); head[0] != "ID" || head[1] != "    WHERE" {
		t.Errorf("the head says nothing of what stands beneath: %q", head)
	}
}

// The commands that print tables keep to COLUMNS.
func TestCommandsFit(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	a, _, err := d.Submit(context.Background(), world.Sample(time.Now()), "")
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	for _, command := range []string{"status", "status " + string(a.ID), "channels", "tasks", "digest list", "proof " + string(a.ID), "token list", "topics list"} {
		var out, errs strings.Builder
		vars := []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token, "COLUMNS=80"}
		if code := run(context.Background(), strings.Fields(command), vars, streams{strings.NewReader(""), &out, &errs}); code != exitDone {
			t.Fatalf("%s: exit %d\n%s", command, code, errs.String())
		}
		for i, line := range strings.Split(out.String(), "\n") {
			sentence := strings.Contains(line, ": ") // a terminal breaks it, so that a command in it can be copied
			if width(line) > 80 && len(strings.Fields(line)) > 1 && !sentence {
				t.Errorf("crieur %s: line %d has %d columns: %s", command, i+1, width(line), line)
			}
		}
	}
}
