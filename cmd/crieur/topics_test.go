package main

import (
	"strings"
	"testing"
)

// Topics are any words until there are some to choose from; then a mistyped one stops the announcement, and says what was meant.
func TestMistypedTopic(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	draft := func(title, topics string) string {
		return "---\nkind: news\ntitle: " + title + "\ntopics: [" + topics + "]\n---\nVoilà.\n"
	}
	if code, _, errs := commandIn(t, dir, draft("Un", "libre"), "announce", "-"); code != exitDone {
		t.Fatal(errs)
	}
	for _, topic := range []string{"python", "conseil"} {
		if code, _, errs := commandIn(t, dir, "", "topics", "add", topic); code != exitDone {
			t.Fatal(errs)
		}
	}
	for _, dry := range [][]string{{"announce", "-"}, {"announce", "-", "--dry-run"}} {
		if code, _, errs := commandIn(t, dir, draft("Deux", "consiel"), dry...); code != exitInput || !strings.Contains(errs, `topics[0]: "consiel" is not a topic here; the nearest is "conseil"`) {
			t.Errorf("%v: exit %d, %s", dry, code, errs)
		}
	}
	if code, _, errs := commandIn(t, dir, draft("Trois", "python, '#libre'"), "announce", "-", "--dry-run"); code != exitDone {
		t.Fatal(errs)
	}
	if code, out, errs := commandIn(t, dir, draft("Quatre", "python, '#libre'"), "announce", "-"); code != exitDone {
		t.Error(out, errs)
	}
	if _, all, _ := commandIn(t, dir, "", "status"); strings.Count(all, "\n") != 3 {
		t.Errorf("announced:\n%s", all)
	}
}
