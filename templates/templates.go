// Package templates turns an announcement into the message that one channel publishes in one language: it finds the
// templates, fills them, and shortens what the author wrote until the channel takes it.
package templates

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"slices"
	"sync"
	"text/template"

	"github.com/crieur/crieur/internal/announce"
)

//go:embed default email feed googlechat ntfy short slack sms teams webpush website
var builtin embed.FS

// Set is every template, parsed. Safe for concurrent use.
type Set struct {
	builtin, own files
	read         *reader
	zones        *zones

	mu    sync.Mutex
	texts map[use]*template.Template
	htmls map[use]*htmltemplate.Template
}

// New parses the built-in templates and the operator's files in overlay (nil: none), and tries the latter on a sample.
// The error names every bad file with its line.
func New(overlay fs.FS) (*Set, error) {
	s := &Set{own: files{}, read: newReader(), zones: &zones{}, texts: map[use]*template.Template{}, htmls: map[use]*htmltemplate.Template{}}
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
	Account      string              // slack, slack@partners
	Language     announce.Language   // wanted; the announcement decides what there is
	Also         []announce.Language // told below it, in the same text
	Announcement announce.Announcement
	Limits       announce.Limits
	Site         announce.Site
	Hashtags     []string          // words of the account's own, for hashtags before those of the topics
	Handles      map[string]string // account names on this channel, without "@", by the name of a speaker or partner
}

// Render shapes the announcement for one account: one message or, within Limits.Thread, the parts of a thread. Key, To,
// Unsubscribe and Date stay empty. Every text is within the limits, or the error is an announce.Faults that says what to
// shorten. The same request always gives the same messages.
func (s *Set) Render(r Request) ([]announce.Message, error) {
	r.Announcement.Topics = r.Announcement.Words()
	a := r.Announcement
	want := r.Language
	if r.Limits.Multilingual {
		want = a.Default
	}
	language, _ := a.Pick(want)
	m := announce.Message{
		Announcement: a.ID, Of: a.Of, Rev: a.Rev, Kind: a.Kind, Language: language, Link: mainLink(a), Images: pictures(a, language, r.Limits),
		Event: a.Event, Topics: a.Topics, Created: a.Created, Updated: a.Updated,
	}
	if a.Event != nil && a.Event.Entries != nil {
		event, entry := *a.Event, entryFor(a.Event.Entries, language, a.Default)
		m.Event, m.Entry, event.Entries = &event, &entry, nil
	}
	languages := r.languages(language)
	var more prose
	var faults announce.Faults
	var versions []announce.Version
	for i, l := range languages {
		v, rest, err := s.version(r.tagging(i == len(languages)-1), l)
		faults = appendFaults(faults, r, l, err)
		if i == 0 {
			more = rest
		}
		versions = append(versions, v)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	head := versions[0]
	m.Subject, m.Summary, m.Text = head.Subject, head.Summary, head.Text
	if r.Limits.HTML {
		m.HTML = head.HTML
	}
	switch {
	case r.Limits.Multilingual:
		m.Versions = versions
	case len(languages) > 1:
		var err error
		if m.Text, err = s.together(r, languages, versions); err != nil {
			return nil, appendFaults(nil, r, language, err)
		}
		more = prose{}
	}
	m.Tags, m.Mentions = r.written(m.Text)
	return thread(m, more, r.Limits), nil
}

// languages are those of one message, the first one first.
func (r Request) languages(first announce.Language) []announce.Language {
	if r.Limits.Multilingual {
		return allLanguages(r.Announcement)
	}
	out := []announce.Language{first}
	for _, l := range r.Also {
		if got, _ := r.Announcement.Pick(l); got.Base() == l.Base() && !slices.Contains(out, got) {
			out = append(out, got)
		}
	}
	return out
}

// tagging is r with hashtags, or without.
func (r Request) tagging(on bool) Request {
	if !on && !r.Limits.Multilingual {
		r.Hashtags, r.Announcement.Topics = nil, nil
	}
	return r
}

func appendFaults(faults announce.Faults, r Request, l announce.Language, err error) announce.Faults {
	var f announce.Faults
	switch {
	case err == nil:
		return faults
	case errors.As(err, &f):
		return append(faults, f...)
	}
	return append(faults, announce.Fault{Field: "channels", Say: fmt.Sprintf("the template of %s in %s: %v", r.Account, l, err)})
}
