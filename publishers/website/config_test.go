package website

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/website/websitetest"
)

func TestConfiguration(t *testing.T) {
	web, err := websitetest.New(), error(nil)
	t.Cleanup(web.Close)
	shell, err := websitetest.NewSSH()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shell.Close)
	folder := t.TempDir()
	for _, c := range []struct {
		want     string // the variable at fault
		platform *websitetest.Platform
		change   func(*Config)
	}{
		{"REPOSITORY", web, func(c *Config) { c.Repository = "my site" }},
		{"REPOSITORY", web, func(c *Config) { c.Repository = "/srv/git/site.git" }},
		{"REPOSITORY", web, func(c *Config) { c.Repository = "git://example.org/site.git" }},
		{"REPOSITORY", web, func(c *Config) { c.Repository = "http://example.org/site.git" }},
		{"REPOSITORY", web, func(c *Config) { c.Repository = "https://user:s3cr3t@example.org/site.git" }},
		{"REPOSITORY", shell, func(c *Config) { c.Repository = "ssh://git:s3cr3t@example.org/site.git" }},
		{"REPOSITORY", shell, func(c *Config) { c.Repository = "ssh://git@example.org" }},
		{"TOKEN", web, func(c *Config) { c.Token = announce.Secret{} }},
		{"TOKEN", shell, func(c *Config) { c.Token = announce.NewSecret("s3cr3t") }},
		{"KEY", web, func(c *Config) { c.KnownHosts = "x" }},
		{"KEY", shell, func(c *Config) { c.Key = announce.Secret{} }},
		{"KEY", shell, func(c *Config) { c.Key = announce.NewSecret("s3cr3t") }},
		{"KNOWN_HOSTS", shell, func(c *Config) { c.KnownHosts = " " }},
		{"KNOWN_HOSTS", shell, func(c *Config) { c.KnownHosts = "example.org ssh-ed25519 notakey" }},
		{"KNOWN_HOSTS", shell, func(c *Config) { c.KnownHosts = strings.Replace(c.KnownHosts, "[127", "[128", 1) }},
		{"USER", web, func(c *Config) { c.User = "a:b" }},
		{"BRANCH", web, func(c *Config) { c.Branch = "a..b" }},
		{"BRANCH", web, func(c *Config) { c.Branch = "refs/heads/main" }},
		{"BRANCH", web, func(c *Config) { c.Branch = "" }},
		{"MODE", web, func(c *Config) { c.Mode = "force" }},
		{"LAYOUT", web, func(c *Config) { c.Layout = "gatsby" }},
		{"FOLDER", web, func(c *Config) { c.Folder = "../up" }},
		{"FOLDER", web, func(c *Config) { c.Folder = ".git/hooks" }},
		{"DATA", web, func(c *Config) { c.Data = "a b" }},
		{"DATA", web, func(c *Config) { c.Layout, c.Data = "yaml", "data" }},
		{"LANGUAGES", web, func(c *Config) { c.Languages = []announce.Language{"french language"} }},
		{"RETRACT", web, func(c *Config) { c.Retract = "hide" }},
		{"RETRACT", web, func(c *Config) { c.Layout, c.Retract = "yaml", "draft" }},
		{"SITE_URL", web, func(c *Config) { c.SiteURL = "example.org" }},
		{"AUTHOR", web, func(c *Config) { c.Author = "bot" }},
		{"TEMPLATES", web, func(c *Config) { c.Templates = filepath.Join(folder, "none") }},
	} {
		_, err := New(config(t, c.platform, c.change), site)
		if err == nil || !strings.HasPrefix(err.Error(), c.want+": ") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("want an error about %s, got %v", c.want, err)
		}
	}
	for _, address := range []string{"git@github.com:you/site.git", "git@[::1]:you/site.git", "github.com:you/site.git", "ssh://github.com/you/site.git", "ssh://git@github.com:2222/you/site.git"} {
		c := config(t, shell, func(c *Config) {
			c.Repository = address
			key := strings.SplitN(c.KnownHosts, " ", 2)[1]
			c.KnownHosts = "github.com " + key + "\n[github.com]:2222 " + key + "\n::1 " + key
		})
		if _, err := New(c, site); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// templates are a folder with files of the operator's.
func templates(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTemplatesOfOnesOwn(t *testing.T) {
	// A leaf bundle of Hugo: a folder for each announcement.
	dir := templates(t, map[string]string{
		"path.txt":  "{{.Folder}}/{{.Name}}/index{{with .Suffix}}.{{.}}{{end}}.md\n/x/{{.Name}}/\n",
		"image.txt": "{{.Folder}}/{{.Name}}/{{.Number}}{{.Extension}}\n/x/{{.Name}}/{{.Number}}{{.Extension}}\n",
		"file.txt":  "---\ntitle: {{yaml .Title}}\n{{template \"event\" .}}tags: [{{range $i, $t := .Topics}}{{if $i}}, {{end}}{{yaml $t}}{{end}}]\n---\n{{.Body}}\n{{template \"data\" .}}",
	})
	p, platform := open(t, func(c *Config) { c.Templates = dir })
	m := evening()
	m.Subject = "Un"
	r := must(t)(p.Publish(t.Context(), m))
	name := "content/posts/2026-11-21-io-de-lete-coeur-gratuit-figure-src-x-n-site-" + string(m.Announcement)
	want := []string{name + "/index.fr.md", name + "/index.en.md", name + "/1.png"}
	if got := strings.Fields(r.ID)[1:]; !slices.Equal(got, want) {
		t.Errorf("the files are %v", got)
	}
	platform.Commit(map[string]string{name + "/photo.jpg": "by hand"})
	m.Versions[0].Subject, m.Versions, m.Images = "Deux", m.Versions[:1], nil
	less := must(t)(p.Amend(t.Context(), r, m))
	files := platform.Files(websitetest.Branch)
	if !strings.Contains(files[want[0]], "title: Deux") || files[want[1]] != "" || files[want[2]] != "" || files[name+"/photo.jpg"] == "" {
		t.Errorf("after the correction: %v", files)
	}
	if err := p.Retract(t.Context(), less); err != nil || platform.Files(websitetest.Branch)[want[0]] != "" || platform.Files(websitetest.Branch)[name+"/photo.jpg"] == "" {
		t.Errorf("after the withdrawal: %v %v", err, platform.Files(websitetest.Branch))
	}
}

func TestBadTemplates(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a field that does not exist": {"file.txt": "{{.Titel}}"},
		"an open brace":               {"file.txt": "{{.Title"},
		"text without yaml":           {"file.txt": "---\ntitle: {{.Title}}\n---\n"},
		"no end of the front matter":  {"file.txt": "---\ntitle: {{yaml .Title}}\n"},
		"a path without the ID":       {"path.txt": "content/{{.Day}}.md"},
		"a path of the title":         {"path.txt": "content/{{.Title}}-{{.ID}}.md"},
		"a path out of the site":      {"path.txt": "../{{.ID}}.md"},
		"one path for two languages":  {"path.txt": "content/{{.ID}}.md"},
		"an address with blanks":      {"path.txt": "content/{{.ID}}{{.Suffix}}.md\n/a b/"},
		"a picture without the ID":    {"image.txt": "static/{{.Number}}.png"},
	} {
		p, err := New(config(t, mustHost(t), func(c *Config) { c.Templates = templates(t, files) }), site)
		if err == nil || !strings.HasPrefix(err.Error(), "TEMPLATES: ") {
			t.Errorf("%s: %v %v", name, p, err)
		}
	}
}

func mustHost(t *testing.T) *websitetest.Platform {
	p := websitetest.New()
	t.Cleanup(p.Close)
	return p
}

func TestAddressesBelowAFolderOfTheSite(t *testing.T) {
	for layout, want := range map[string]string{"hugo": "](</site/posts/", "jekyll": "](</site/assets/posts/", "eleventy": "](</posts/"} {
		p, platform := open(t, func(c *Config) { c.Layout, c.SiteURL = layout, "https://you.example.org/site/" })
		r := must(t)(p.Publish(t.Context(), evening()))
		if text := platform.Files(websitetest.Branch)[strings.Fields(r.ID)[1]]; !strings.Contains(text, want) || !strings.HasPrefix(r.URL, "https://you.example.org/site/posts/2026-11-21-") {
			t.Errorf("%s: %s\n%s", layout, r.URL, text)
		}
	}
}
