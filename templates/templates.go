// Package templates turns an announcement into the message that one channel publishes in one language: it finds the
// templates, fills them, and shortens what the author wrote until the channel takes it.
package templates

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"sync"
	"text/template"

	"github.com/crieur/crieur/internal/announce"
)

//go:embed default email feed slack twitter
var builtin embed.FS

// Set is every template, parsed. Safe for concurrent use.
type Set struct {
	builtin, own files
	read         *reader

	mu    sync.Mutex
	texts map[use]*template.Template
	htmls map[use]*htmltemplate.Template
}

// New parses the built-in templates and the operator's files in overlay (nil: none), and tries the latter on a sample.
// The error names every bad file with its line.
func New(overlay fs.FS) (*Set, error) {
	s := &Set{own: files{}, read: newReader(), texts: map[use]*template.Template{}, htmls: map[use]*htmltemplate.Template{}}
	var err error
	if s.builtin, err = read(builtin); err != nil {
		return nil, err
	}
	if overlay == nil {
		return s, nil
	}
	if s.own, err = read(overlay); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if err := s.try(); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return s, nil
}

// Request says what to render, and for whom.
type Request struct {
	Account      string            // slack, slack@partners
	Language     announce.Language // wanted; the announcement decides what there is
	Announcement announce.Announcement
	Limits       announce.Limits
	Site         announce.Site
}

// Render shapes the announcement for one account. Key, To, Unsubscribe and Date stay empty. The text is within the limits, or
// the error is an announce.Faults that says what to shorten. The same request always gives the same message.
func (s *Set) Render(r Request) (announce.Message, error) {
	a := r.Announcement
	want := r.Language
	if r.Limits.Multilingual {
		want = a.Default
	}
	language, _ := a.Pick(want)
	m := announce.Message{
		Announcement: a.ID, Rev: a.Rev, Kind: a.Kind, Language: language, Link: mainLink(a), Images: pictures(a, language, r.Limits),
		Event: a.Event, Topics: a.Topics, Created: a.Created, Updated: a.Updated,
	}
	languages := []announce.Language{language}
	if r.Limits.Multilingual {
		languages = allLanguages(a)
	}
	var faults announce.Faults
	for i, l := range languages {
		v, err := s.version(r, l)
		var f announce.Faults
		if errors.As(err, &f) {
			faults = append(faults, f...)
			continue
		} else if err != nil {
			faults = append(faults, announce.Fault{Field: "channels", Say: fmt.Sprintf("the template of %s in %s: %v", r.Account, l, err)})
			continue
		}
		if i == 0 {
			m.Subject, m.Summary, m.Text = v.Subject, v.Summary, v.Text
			if r.Limits.HTML {
				m.HTML = v.HTML
			}
		}
		if r.Limits.Multilingual {
			m.Versions = append(m.Versions, v)
		}
	}
	if err := faults.Err(); err != nil {
		return announce.Message{}, err
	}
	return m, nil
}
