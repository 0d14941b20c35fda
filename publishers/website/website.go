// Package website publishes by committing files to the Git repository that a website is built from: on its branch, or on
// a branch for each announcement that waits for a pull request.
package website

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"

	"github.com/crieur/crieur/internal/announce"
)

const name = "website"

// Config is one repository.
type Config struct {
	Repository string              `env:"REPOSITORY,notEmpty" doc:"Git repository of the website: https://github.com/you/site.git, or git@github.com:you/site.git over SSH."`
	Token      announce.Secret     `env:"TOKEN" doc:"Token that may read and write the contents of the repository. Required with https."`
	User       string              `env:"USER" envDefault:"x-access-token" doc:"User name that goes with TOKEN. Most hosts take any."`
	Key        announce.Secret     `env:"KEY" doc:"Private key of a deploy key that may write, without a passphrase: best given as KEY_FILE. Required with SSH."`
	KnownHosts string              `env:"KNOWN_HOSTS" doc:"Host keys of the server, as lines of a known_hosts file: best given as KNOWN_HOSTS_FILE. Required with SSH."`
	Branch     string              `env:"BRANCH" envDefault:"main" doc:"Branch that the site is built from."`
	Mode       string              `env:"MODE" envDefault:"commit" doc:"commit: on that branch. branch: on a branch for each announcement, crieur/<id>, ready for a pull request."`
	Layout     string              `env:"LAYOUT,notEmpty" doc:"What builds the site: hugo, jekyll, eleventy, or yaml for a data file per event."`
	Folder     string              `env:"FOLDER" doc:"Folder of the files. Default: content/posts (hugo), _posts (jekyll), posts (eleventy), data/io-events (yaml)."`
	Data       string              `env:"DATA" doc:"Folder for a data file per event beside its page, as LAYOUT=yaml writes them. Default: none."`
	Locations  string              `env:"LOCATIONS" envDefault:"data/locations" doc:"Folder of a data file per place, which the data files of events refer to. Not used where there is no such folder."`
	Speakers   string              `env:"SPEAKERS" envDefault:"data/authors" doc:"Folder of a data file per speaker, likewise."`
	Languages  []announce.Language `env:"LANGUAGES" doc:"Languages of the site, its default first: fr,en. With one, file names carry no language. Default: CRIEUR_LANGUAGES."`
	Templates  string              `env:"TEMPLATES" doc:"Folder of files that replace those of the layout: path.txt, file.txt, image.txt, data.txt. Default: none."`
	SiteURL    string              `env:"SITE_URL" doc:"Address of the site, such as https://example.org: for links to the pages. Default: none."`
	Retract    string              `env:"RETRACT" envDefault:"delete" doc:"What taking back does: delete the files, or draft, which keeps the pages as drafts."`
	Author     string              `env:"AUTHOR" envDefault:"Crieur <crieur@localhost>" doc:"Author of the commits."`
}

// New returns the publisher of one repository.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	h, err := dial(c)
	if err != nil {
		return nil, err
	}
	l, err := newLayout(c, site)
	if err != nil {
		return nil, err
	}
	r, err := newRepository(c, h)
	if err != nil {
		return nil, err
	}
	return &publisher{repository: r, layout: l, siteURL: strings.TrimRight(c.SiteURL, "/")}, nil
}

type publisher struct {
	repository *repository
	layout     *layout
	siteURL    string
}

var (
	_ announce.Amender   = (*publisher)(nil)
	_ announce.Retracter = (*publisher)(nil)
	_ announce.Finder    = (*publisher)(nil)
	_ announce.Checker   = (*publisher)(nil)
)

func (p *publisher) Name() string { return name }

// Limits say that repeating is always safe: the ID of the announcement decides the path, and a commit that would change
// nothing is not made.
func (p *publisher) Limits() announce.Limits {
	l := announce.Limits{
		Links: true, Markdown: true, Multilingual: true, Idempotent: announce.Forever, Patience: 3 * time.Minute,
		Picture: announce.PictureLimits{Bytes: 4 << 20, Side: 2400, Types: []string{"image/jpeg", "image/png", "image/gif", "image/webp"}},
	}
	if p.layout.pictures {
		l.Images = 4
	}
	return l
}

// Publish makes the announcement's files what the message says, in one commit. It may be repeated: what is there already
// makes no commit.
func (p *publisher) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	return p.put(ctx, m, nil, work{note: "Announce", create: true})
}

// Amend is Publish for files that a receipt stands for. Those that are no longer wanted are deleted.
func (p *publisher) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	id, paths, err := unpack(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Announcement = id
	return p.put(ctx, m, paths, work{note: "Correct"})
}

func (p *publisher) put(ctx context.Context, m announce.Message, before []string, w work) (announce.Receipt, error) {
	if err := p.layout.takes(m); err != nil {
		return announce.Receipt{}, err
	}
	w.note = fmt.Sprintf("%s %s\n\nDelivery-Id: %s\nAnnouncement-Id: %s\nRevision: %d\n", w.note, orID(slug(m.Subject), m), m.Key, m.Announcement, m.Rev)
	var made rendered
	w.plan = func(v view) (change, error) {
		var err error
		made, err = p.layout.render(v, m, before)
		return made.change, err
	}
	if err := p.repository.land(ctx, m.Announcement, w); err != nil {
		return announce.Receipt{}, err
	}
	return p.receipt(m.Announcement, made), nil
}

func orID(s string, m announce.Message) string {
	if s == "" {
		return string(m.Announcement)
	}
	return s
}

// receipt names the announcement and its files, the page in the site's first language before the others.
func (p *publisher) receipt(id announce.ID, made rendered) announce.Receipt {
	r := announce.Receipt{ID: strings.Join(append([]string{string(id)}, made.paths...), " "), At: time.Now().UTC()}
	if p.siteURL != "" && made.address != "" {
		r.URL = p.siteURL + made.address
	}
	return r
}

// unpack undoes receipt.
func unpack(r announce.Receipt) (announce.ID, []string, error) {
	parts := strings.Fields(r.ID)
	if len(parts) < 2 || !announcementID.MatchString(parts[0]) || slices.ContainsFunc(parts[1:], func(s string) bool { return !ownPath(s, announce.ID(parts[0])) }) {
		return "", nil, &announce.Error{Outcome: announce.Permanent, Fault: "The website was not told which files to change: change them in the repository by hand"}
	}
	return announce.ID(parts[0]), parts[1:], nil
}

// Retract deletes the files, or makes drafts of the pages. What is gone already makes no commit.
func (p *publisher) Retract(ctx context.Context, r announce.Receipt) error {
	id, paths, err := unpack(r)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("Withdraw %s\n\nAnnouncement-Id: %s\n", id, id)
	return p.repository.land(ctx, id, work{note: note, plan: func(v view) (change, error) { return p.layout.withdraw(v, id, paths) }})
}

// Find reports whether the branch, or in MODE=branch the announcement's own, holds just what the message says.
func (p *publisher) Find(ctx context.Context, m announce.Message, _ time.Time) (announce.Receipt, bool, error) {
	if err := p.layout.takes(m); err != nil {
		return announce.Receipt{}, false, err
	}
	s, err := p.repository.open(ctx, m.Announcement)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	defer s.close()
	for _, v := range s.views() {
		made, err := p.layout.render(v, m, nil)
		if err != nil {
			return announce.Receipt{}, false, err
		}
		if same, err := v.holds(made.change); err != nil {
			return announce.Receipt{}, false, err
		} else if same {
			return p.receipt(m.Announcement, made), true, nil
		}
	}
	return announce.Receipt{}, false, nil
}

// Check reads the branch and asks for the right to write, which it does not use.
func (p *publisher) Check(ctx context.Context) (announce.Report, error) {
	report := announce.Report{Identity: p.repository.where + ", branch " + p.repository.branch.Short()}
	finding, err := p.look(ctx)
	var e *announce.Error
	switch {
	case errors.As(err, &e) && e.Stop:
		report.Findings = append(report.Findings, announce.Finding{Severe: true, What: e.Fault, Do: "Correct the setting, then: crieur doctor"})
		return report, nil
	case err != nil:
		return announce.Report{}, err
	}
	if finding != nil {
		report.Findings = append(report.Findings, *finding)
	}
	push, err := p.repository.host.open(ctx, receivePack)
	switch {
	case errors.As(err, &e) && e.Stop:
		report.Findings = append(report.Findings, announce.Finding{
			Severe: true, What: "The credentials may read the repository and not write to it. " + e.Fault, Do: "Give the token or the deploy key the right to write contents.",
		})
		return report, nil
	case err != nil:
		return announce.Report{}, err
	}
	push.close()
	return report, nil
}

// look reads the branch, and what is on it from servers that need not send all of it.
func (p *publisher) look(ctx context.Context) (*announce.Finding, error) {
	x, _, err := p.repository.knock(ctx)
	if err != nil {
		return nil, err
	}
	partial := x.refs().Capabilities.Supports(capability.Filter)
	x.close()
	if !partial {
		return nil, nil
	}
	s, err := p.repository.open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer s.close()
	return p.layout.look(s.views()[0])
}
