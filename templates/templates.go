// Package templates turns an announcement into the message that one channel publishes in one language.
package templates

import (
	"io/fs"

	"github.com/crieur/crieur/internal/announce"
)

// Set is every template, parsed. Safe for concurrent use.
type Set struct{ overlay fs.FS }

// New parses the built-in templates and the operator's files in overlay (nil: none). The error names the file and the line.
func New(overlay fs.FS) (*Set, error) { return &Set{overlay: overlay}, nil }

// Request says what to render, and for whom.
type Request struct {
	Account      string            // slack, slack@partners
	Language     announce.Language // wanted; the announcement decides what there is
	Announcement announce.Announcement
	Limits       announce.Limits
	Site         announce.Site
}

// Render shapes the announcement for one account. Key, To, Unsubscribe and Date stay empty. The error is an announce.Faults.
func (s *Set) Render(r Request) (announce.Message, error) {
	a := r.Announcement
	l, t := a.Pick(r.Language)
	return announce.Message{
		Announcement: a.ID, Rev: a.Rev, Kind: a.Kind, Language: l, Subject: t.Title, Summary: t.Summary,
		Text: t.Title + "\n\n" + t.Body, Link: a.Link, Event: a.Event, Topics: a.Topics, Created: a.Created, Updated: a.Updated,
	}, nil
}
