package website

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/website/websitetest"
)

// owned are the paths of the evening's files on a branch.
func owned(p *websitetest.Platform, branch string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Files(branch))) {
		if strings.Contains(name, string(evening().Announcement)) {
			out = append(out, name)
		}
	}
	return out
}

func must(t *testing.T) func(announce.Receipt, error) announce.Receipt {
	return func(r announce.Receipt, err error) announce.Receipt {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func outcome(t *testing.T, err error) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) || e.Fault == "" {
		t.Fatalf("want an *announce.Error with a fault, got %T: %v", err, err)
	}
	return e
}

func TestPathsStay(t *testing.T) {
	p, platform := open(t, func(c *Config) { c.Data = "data/io-events" })
	m := evening()
	neighbours := map[string]string{"content/posts/2027-01-20-by-hand.md": "mine\n", "elsewhere/" + string(m.Announcement) + ".md": "mine too\n"}
	platform.Commit(neighbours)
	r := must(t)(p.Publish(t.Context(), m))
	first := owned(platform, websitetest.Branch)
	if commits := len(platform.Log(websitetest.Branch)); len(must(t)(p.Publish(t.Context(), m)).ID) == 0 || len(platform.Log(websitetest.Branch)) != commits {
		t.Error("publishing it again has made a commit")
	}

	m.Rev, m.Subject, m.Created = 3, "Un tout autre titre", m.Created.AddDate(0, 1, 0)
	m.Versions[0].Subject, m.Event.Start.Instant = m.Subject, m.Event.Start.Instant.AddDate(0, 0, 7)
	again := must(t)(p.Amend(t.Context(), r, m))
	if got := owned(platform, websitetest.Branch); !slices.Equal(got, first) || again.ID != r.ID {
		t.Errorf("the paths have changed: %v, were %v", got, first)
	}
	if !strings.Contains(platform.Files(websitetest.Branch)[strings.Fields(r.ID)[1]], "title: Un tout autre titre\n") {
		t.Error("the text has not changed")
	}

	m.Versions, m.Images = m.Versions[:1], nil
	less := must(t)(p.Amend(t.Context(), again, m))
	if got := owned(platform, websitetest.Branch); len(got) != len(first)-2 {
		t.Errorf("the English page and the picture should be gone: %v", got)
	}

	// Somebody gives the page a better name, then deletes it.
	page, better := strings.Fields(less.ID)[1], "content/posts/bonne-soiree-"+string(m.Announcement)+".fr.md"
	platform.Commit(map[string]string{page: "", better: platform.Files(websitetest.Branch)[page]})
	m.Rev, m.Subject, m.Versions[0].Subject = 4, "Encore", "Encore"
	moved := must(t)(p.Amend(t.Context(), less, m))
	if got := platform.Files(websitetest.Branch); got[page] != "" || !strings.Contains(got[better], "title: Encore") {
		t.Errorf("the page that was renamed is not followed: %v", owned(platform, websitetest.Branch))
	}
	platform.Commit(map[string]string{better: ""})
	must(t)(p.Amend(t.Context(), moved, m))
	if platform.Files(websitetest.Branch)[better] == "" {
		t.Error("the page that was deleted is not under its name again")
	}
	if err := p.Retract(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	commits := len(platform.Log(websitetest.Branch))
	if err := p.Retract(t.Context(), moved); err != nil || len(platform.Log(websitetest.Branch)) != commits {
		t.Errorf("taking it back again: %v, %d commits, were %d", err, len(platform.Log(websitetest.Branch)), commits)
	}
	files := platform.Files(websitetest.Branch)
	for name, text := range neighbours {
		if files[name] != text {
			t.Errorf("%s was touched: %q", name, files[name])
		}
		delete(files, name)
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(s string) bool { return strings.Contains(s, string(m.Announcement)) }) {
		t.Errorf("left behind: %v", owned(platform, websitetest.Branch))
	}
	message := platform.Log(websitetest.Branch)[0].Message
	if !strings.Contains(message, "Announcement-Id: "+string(m.Announcement)) || platform.Log(websitetest.Branch)[0].Author.Email != "crieur@example.org" {
		t.Errorf("the last commit is by %s: %q", platform.Log(websitetest.Branch)[0].Author, message)
	}
}

func TestCalledOff(t *testing.T) {
	for layout, want := range map[string][]string{"hugo": {"event_status: cancelled", "title: 'Annulation : IO'"}, "yaml": {"event_status: cancelled", "title: 'Annulation : IO'"}} {
		p, platform := open(t, func(c *Config) { c.Layout = layout })
		m := evening()
		r := must(t)(p.Publish(t.Context(), m))
		m.Event.Cancelled, m.Rev = true, 3
		m.Versions[0].Subject = "Annulation : IO"
		must(t)(p.Amend(t.Context(), r, m))
		text := platform.Files(websitetest.Branch)[strings.Fields(r.ID)[1]]
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", layout, w, text)
			}
		}
	}
}

func TestDrafts(t *testing.T) {
	for layout, want := range map[string]string{"hugo": "\ndraft: true\n", "jekyll": "\npublished: false\n", "eleventy": "\npermalink: false\n"} {
		p, platform := open(t, func(c *Config) { c.Layout, c.Retract, c.Data = layout, "draft", "data/io-events" })
		m := evening()
		r := must(t)(p.Publish(t.Context(), m))
		before := len(owned(platform, websitetest.Branch))
		for range 2 {
			if err := p.Retract(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		pages := 0
		for _, name := range owned(platform, websitetest.Branch) {
			if text := platform.Files(websitetest.Branch)[name]; strings.HasSuffix(name, ".md") {
				pages++
				if head, _, _ := strings.Cut(text[4:], "\n---\n"); !strings.Contains("\n"+head+"\n", want) || strings.Contains(head, "draft: false") || strings.Contains(head, "published: true") {
					t.Errorf("%s: %s", layout, text)
				}
			}
		}
		if pages != 2 || len(owned(platform, websitetest.Branch)) != before-1 || !platform.Posts()[0].Deleted {
			t.Errorf("%s: %d pages of %v", layout, pages, owned(platform, websitetest.Branch))
		}
		must(t)(p.Amend(t.Context(), r, m))
		if got := len(owned(platform, websitetest.Branch)); got != before || platform.Posts()[0].Deleted {
			t.Errorf("%s: said again, there are %d files, want %d", layout, got, before)
		}
	}
}

func TestABranchForEach(t *testing.T) {
	p, platform := open(t, func(c *Config) { c.Mode = "branch" })
	m := evening()
	mine := "crieur/" + string(m.Announcement)
	r := must(t)(p.Publish(t.Context(), m))
	if len(owned(platform, websitetest.Branch)) != 0 || len(owned(platform, mine)) != 3 {
		t.Fatalf("on the main branch %v, on its own %v", owned(platform, websitetest.Branch), owned(platform, mine))
	}
	m.Rev, m.Versions[0].Subject = 3, "Deuxième"
	must(t)(p.Amend(t.Context(), r, m))
	if log := platform.Log(mine); len(log) != 3 || log[0].NumParents() != 1 {
		t.Errorf("%d commits on its branch", len(log))
	}

	// Merged, and the branch left where it was: the next correction begins at the main branch's state.
	platform.Merge(mine)
	platform.Commit(map[string]string{"other.md": "new\n"})
	m.Rev, m.Versions[0].Subject = 4, "Troisième"
	must(t)(p.Amend(t.Context(), r, m))
	if log := platform.Log(mine); log[0].NumParents() != 2 || platform.Files(mine)["other.md"] == "" {
		t.Errorf("the branch was not brought up to the main one: %d parents", log[0].NumParents())
	}

	// Merged and deleted: what is on the main branch is published; a correction makes the branch anew.
	platform.Merge(mine)
	platform.Delete(mine)
	must(t)(p.Publish(t.Context(), m))
	if len(platform.Files(mine)) != 0 {
		t.Error("a branch was made although nothing is to be changed")
	}
	if _, there, err := p.Find(t.Context(), m, m.Created); err != nil || !there {
		t.Errorf("not found on the main branch: %t %v", there, err)
	}
	if err := p.Retract(t.Context(), r); err != nil || len(owned(platform, mine)) != 0 || len(platform.Files(mine)) == 0 || len(owned(platform, websitetest.Branch)) != 3 {
		t.Errorf("withdrawn on a branch: %v, %v", err, owned(platform, mine))
	}
}

func TestOnlyEventsHaveDataFiles(t *testing.T) {
	p, _ := open(t, func(c *Config) { c.Layout = "yaml" })
	for _, kind := range []announce.Kind{announce.KindNews, announce.KindReminder, announce.KindRecap} {
		m := evening()
		m.Kind = kind
		if _, err := p.Publish(t.Context(), m); outcome(t, err).Outcome != announce.Permanent || outcome(t, err).Stop {
			t.Errorf("%s: %v", kind, err)
		}
	}
	m := evening()
	m.Announcement = ""
	if _, err := p.Publish(t.Context(), m); outcome(t, err).Outcome != announce.Permanent {
		t.Error(err)
	}
	for _, id := range []string{"", "x", string(evening().Announcement), string(evening().Announcement) + " ../../etc/passwd", string(evening().Announcement) + " .git/config-" + string(evening().Announcement)} {
		if err := p.Retract(t.Context(), announce.Receipt{ID: id}); outcome(t, err).Outcome != announce.Permanent {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestNewPlacesAndPeople(t *testing.T) {
	p, platform := open(t, func(c *Config) { c.Layout = "yaml" })
	platform.Commit(map[string]string{"data/locations/uqac.yml": "id: uqac\nname: UQAC\n", "data/authors/ada.yml": "id: ada\nname: ' ada exemple '\n"})
	m := evening()
	r := must(t)(p.Publish(t.Context(), m))
	files := platform.Files(websitetest.Branch)
	if got, want := files["data/locations/lexode_cafe.yml"], "id: lexode_cafe\nname: 'L’Exode Café'\naddress: '960, avenue du Pont Sud, Alma'\nurl: 'https://example.org/exode'\n"; got != want {
		t.Errorf("the new place is %q", got)
	}
	if got, want := files["data/authors/bobby.yml"], "id: bobby\nname: Bob\ntwitter: bob\n"; got != want {
		t.Errorf("the new speaker is %q", got)
	}
	if text := files[strings.Fields(r.ID)[1]]; !strings.Contains(text, "- authors:\n  - ada\n  - bobby\n") || !strings.Contains(text, "\nlocation: lexode_cafe\n") {
		t.Errorf("the event is\n%s", text)
	}
	commits := len(platform.Log(websitetest.Branch))
	platform.Commit(map[string]string{"data/locations/lexode_cafe.yml": "id: lexode_cafe\nname: 'L’Exode Café'\nmap: here\n"})
	must(t)(p.Publish(t.Context(), m))
	if len(platform.Log(websitetest.Branch)) != commits+1 || !strings.Contains(platform.Files(websitetest.Branch)["data/locations/lexode_cafe.yml"], "map: here") {
		t.Error("what somebody wrote about the place is lost")
	}
	if err := p.Retract(t.Context(), r); err != nil || platform.Files(websitetest.Branch)["data/authors/bobby.yml"] == "" {
		t.Errorf("places and speakers stay when an event goes: %v", err)
	}
}
