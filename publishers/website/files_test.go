package website

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/website/websitetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostile is what nobody may get through: markup, templates of every engine, YAML, and letters of all kinds.
const hostile = "Gratuit : {{< figure src=\"x\" >}} {{% n %}} {{ site.title }} {% raw %} {: onclick=\"x\"} {::comment} <b>gras</b> <script>alert(1)</script> &copy; C++ C# a_b_c *x* [y](z) ~~z~~ $$x$$ œuvre 🎉"

// evening is an event with everything that an announcement can have.
func evening() announce.Message {
	at := func(hour int) announce.When {
		t := time.Date(2027, 1, 20, hour, 30, 0, 0, time.UTC)
		return announce.When{Wall: t.Add(-5 * time.Hour).Format("2006-01-02T15:04:05"), Zone: "America/Toronto", Instant: t}
	}
	md := "Bonjour **tout le monde** :\n\n1. un\n   - dedans\n2. `{{< x >}}` et `{{<`\n\n```\n{{% y %}}\n{{ z }}\n{{< \n```\n\n> Une citation\n> de deux lignes\n\n## À noter\n\n[ici](<https://example.org/a?b=1&c={d}>) ou <https://example.org/b>\n\n"
	for line := range strings.Lines("- pas une liste\n+ ni ceci\n1986. Une année\n=== souligné\n--- tiré\n: défini\n# titre\n") {
		md += `\` + line
	}
	md = strings.ReplaceAll(md, `\1986.`, `1986\.`)
	m := announce.Message{
		Key: "01jdelivery00000000000000k", Announcement: "01kevenng00000000000000000", Rev: 2, Kind: announce.KindEvent, Language: "fr",
		Subject: "IO de l’été : « cœur » & " + hostile, Link: "https://example.org/io?a=1&b={2}", Topics: []string{"Go", "C++"},
		Created: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC), Updated: time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC),
		Images: []announce.Picture{{Data: []byte("\x89PNG\r\n\x1a\n0"), Type: "image/png", Width: 2, Height: 1, Alt: "Une salle, « pleine » : " + hostile}},
		Event: &announce.Event{
			Start: at(23), End: at(26), Zone: "America/Toronto",
			Venue:     &announce.Venue{Name: "L’Exode Café", Address: "960, avenue du Pont Sud, Alma", URL: "https://example.org/exode"},
			SignUpURL: "https://www.eventbrite.ca/e/billets-io-12592567709",
			Talks: []announce.Talk{
				{Title: "Étudier : `yes`", Abstract: "Une *première* phrase.\n\nUne [seconde](https://example.org/2).", Speakers: []announce.Speaker{{Name: "Ada Exemple"}, {Name: "Bob", Handles: map[string]string{"website": "bobby", "twitter": "bob"}}}},
				{Title: "no"},
			},
			Partners: []announce.Partner{{Name: "Brioche & <Bit>"}},
		},
	}
	m.Versions = []announce.Version{
		{Language: "fr", Subject: m.Subject, Summary: "Une soirée : " + hostile, Text: md},
		{Language: "en-CA", Subject: "Summer IO", Summary: "An evening.", Text: "Summer IO\n\nHello " + strings.NewReplacer("<", `\<`, "[", `\[`, "*", `\*`, "&", `\&`, "~", `\~`).Replace(hostile)},
	}
	return m
}

// dump is the text files of a branch that the announcement owns, or that came with it.
func dump(p *websitetest.Platform, branch string, base map[string]string) string {
	var out strings.Builder
	files := p.Files(branch)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if files[name] != base[name] {
			out.WriteString("=== " + name + "\n" + files[name])
		}
	}
	return out.String()
}

func TestGoldenFiles(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"hugo":     func(c *Config) { c.Data = "data/io-events" },
		"jekyll":   func(c *Config) { c.Layout = "jekyll" },
		"eleventy": func(c *Config) { c.Layout = "eleventy" },
		"yaml":     func(c *Config) { c.Layout = "yaml" },
		"alone":    func(c *Config) { c.Languages = []announce.Language{"fr-CA"} },
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t, change)
			platform.Commit(map[string]string{
				"data/locations/exode.yml": "id: exode\nname: L’Exode Café\n", "data/authors/ada_e.yml": "id: ada_e\nname: Ada Exemple\n", "data/authors/bobby.yml": "id: bobby\nname: Robert\n",
			})
			base := platform.Files(websitetest.Branch)
			r, err := p.Publish(t.Context(), evening())
			if err != nil {
				t.Fatal(err)
			}
			got := dump(platform, websitetest.Branch, base) + "=== receipt\n" + strings.ReplaceAll(r.ID, " ", "\n") + "\n" + r.URL + "\n=== commit\n" + platform.Log(websitetest.Branch)[0].Message
			golden := filepath.Join("testdata", name+".golden.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}
