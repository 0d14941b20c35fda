package templates

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"

	"github.com/crieur/crieur/internal/announce"
)

// page is what a template sees. In .txt files every string is already written in the channel's markup; in .html files
// html/template escapes it.
type page struct {
	Kind, Language   string
	Account, Channel string
	Subject          string // the title, with what the kind adds to it
	Title            string
	Summary          string  // by the author, or the first sentences of the body
	Lead             string  // the author's summary, else the body without its links when Page says one: for short channels
	Body             any     // string or template.HTML
	Event            *event  // nil when there is none
	Digest           *digest // nil but for a digest
	Link             string  // where to read more; empty when the event's addresses say it already
	Page             string  // the one address to follow: Link, else where to sign up, else where to watch
	Topics           []string
	Hashtags         []string // words for hashtags: the account's own, then the topics; empty on a channel of longer texts without own ones
	Images           []image
	Site             announce.Site
	Unsubscribe      string // on personal channels: stands for the person's own link, as the next two
	Preferences      string // what they get, why, and how often
	Archive          string // this message as a page
	Name             string // on personal channels: stands for a blank and the person's name, or for nothing
	Created, Updated time.Time
}

// event is an event as it is told.
type event struct {
	When       string // mercredi 22 octobre, de 18 h 30 à 21 h
	Brief      string // mer. 22 oct., 18 h 30
	Day        string // mercredi 22 octobre
	Time       string // 18 h 30
	ISO        string // 2026-10-22T18:30:00-04:00
	Start, End time.Time
	Venue      *announce.Venue
	IsOnline   bool   // one can take part from afar
	Online     string // where; empty as SignUp, or when SignUp says it
	SignUp     string // empty when there is nothing to sign up for any more
	Talks      []talk
	Speakers   []speaker // of all talks, each name once
	Partners   []partner
	Cancelled  bool
	Postponed  bool // with Cancelled: a new date is to come
}

// image is a picture of the message: its Number-th, from 1. URL is empty when it was uploaded.
type image struct {
	URL, Alt string
	Number   int
}

type talk struct {
	Title    string
	Abstract any    // as Body
	Lead     string // its first sentences
	Speakers []speaker
}

type speaker struct {
	Name   string
	URL    string
	Handle string // on this channel, with "@"; empty when not known
}

// partner is a speaker who does not speak.
type partner = speaker

const leadLength, summaryLength = 200, 240 // code points

// told is one announcement in one language, before it is put in a markup.
type told struct {
	Request
	language announce.Language
	text     announce.Text
	summary  string // the author's, or the first sentences of the body
	body     source
	read     *reader
	zones    *zones
	pictures []announce.Picture
	field    string // path of the text whose title is used
}

// pen puts what the author wrote in a markup.
type pen struct {
	markup
	html bool
	read *reader
}

func (p pen) words(s string) string {
	if p.markdown {
		return markdownText(s)
	}
	return plainText(s)
}

func (p pen) address(s string) string {
	switch {
	case s == "" || !p.links && !p.html:
		return ""
	case p.markdown:
		if safe, ok := webAddress(s); ok {
			return "<" + safe + ">"
		}
		return ""
	}
	return s
}

func (p pen) prose(s string) any {
	parsed := p.read.parse(s)
	if p.html {
		return p.read.html(parsed)
	}
	text := parsed.write(parsed.root, p.markup).text
	if first := parsed.root.FirstChild(); p.markdown && first != nil && first.Kind() != ast.KindParagraph {
		return "\n" + text // nothing but a paragraph may follow a line break
	}
	return text
}

// page tells the announcement with a pen. Body, Lead and Subject are left to the caller.
func (t told) page(p pen) page {
	a := t.Announcement
	out := page{
		Kind: string(kindOf(a)), Language: string(t.language), Account: t.Account, Channel: announce.Channel(t.Account),
		Title: p.words(t.text.Title), Summary: p.words(t.summary),
		Topics: a.Topics, Hashtags: t.tags(), Created: a.Created, Updated: a.Updated,
		Site: announce.Site{Name: p.words(t.Site.Name), URL: p.address(t.Site.URL), Postal: p.words(t.Site.Postal), Zone: t.Site.Zone, Languages: t.Site.Languages},
	}
	for i, x := range t.pictures {
		out.Images = append(out.Images, image{p.address(x.URL), p.words(x.Alt), i + 1})
	}
	if t.Limits.Personal {
		out.Unsubscribe, out.Preferences, out.Archive, out.Name = announce.UnsubscribeMark, announce.PreferencesMark, announce.ArchiveMark, announce.NameMark
	}
	out.Page = p.address(mainLink(a))
	out.Link = p.address(a.Link)
	if a.Digest != nil {
		out.Digest = t.digest(p, *a.Digest)
	}
	if a.Event != nil {
		out.Event = t.event(p, a.Event)
		if out.Link == out.Event.SignUp || out.Link == out.Event.Online {
			out.Link = ""
		}
	}
	return out
}

func (p pen) handle(name string) string {
	if name == "" {
		return ""
	}
	return p.words("@" + name)
}

// handleOf is somebody's account name on the channel: as the announcement says, else as the account's settings say.
func (r Request) handleOf(name string, handles map[string]string) string {
	if h := handles[announce.Channel(r.Account)]; h != "" {
		return h
	}
	return r.Handles[name]
}

// tags are the words for hashtags.
func (r Request) tags() []string {
	if len(r.Hashtags) == 0 && !r.Limits.Short {
		return nil
	}
	return slices.Concat(r.Hashtags, r.Announcement.Topics)
}

// written are the hashtags and account names in a text that a template put there.
func (r Request) written(text string) (tags, mentions []string) {
	for _, tag := range strings.Fields(hashtags(r.tags(), mostTags)) {
		if standsIn(text, tag) {
			tags = append(tags, strings.TrimPrefix(tag, "#"))
		}
	}
	mention := func(name string, handles map[string]string) {
		if h := r.handleOf(name, handles); h != "" && standsIn(text, "@"+h) && !slices.Contains(mentions, h) {
			mentions = append(mentions, h)
		}
	}
	if e := r.Announcement.Event; e != nil {
		for _, t := range e.Talks {
			for _, s := range t.Speakers {
				mention(s.Name, s.Handles)
			}
		}
		for _, p := range e.Partners {
			mention(p.Name, p.Handles)
		}
	}
	return tags, mentions
}

const mostTags = 20

// standsIn reports whether a word stands in the text, and not only as the beginning of a longer one.
func standsIn(text, word string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		end := from + i + len(word)
		next, _ := utf8.DecodeRuneInString(text[end:])
		if end == len(text) || !unicode.IsLetter(next) && !unicode.IsDigit(next) && next != '_' && next != '@' {
			return true
		}
		from = end
	}
}

// mainLink is the one address that a short message gives.
func mainLink(a announce.Announcement) string {
	switch e := a.Event; {
	case a.Link != "" || e == nil || closed(a):
		return a.Link
	case e.SignUpURL != "":
		return e.SignUpURL
	default:
		return e.OnlineURL
	}
}

// called reports whether the event is called off.
func called(a announce.Announcement) bool {
	return a.Kind == announce.KindCancellation || a.Event != nil && a.Event.Cancelled
}

// kindOf picks the templates: an event called off is told as a cancellation, whatever it was announced as.
func kindOf(a announce.Announcement) announce.Kind {
	switch a.Kind {
	case announce.KindEvent, announce.KindReminder, announce.KindChange:
		if called(a) {
			return announce.KindCancellation
		}
	}
	return a.Kind
}

// closed reports whether there is nothing to sign up for any more.
func closed(a announce.Announcement) bool { return called(a) || a.Kind == announce.KindRecap }

func (t told) event(p pen, e *announce.Event) *event {
	say := speech{t.language}
	start, end := t.zones.in(e.Start), time.Time{}
	if !e.End.IsZero() {
		end = e.End.Instant.In(start.Location())
	}
	year := needsYear(start, t.Announcement.Created)
	zone := t.zone(say, start)
	out := &event{
		When: say.when(start, end, year, zone), Day: say.date(start, year, false), Time: say.clock(start),
		Brief: say.date(start, year, true) + say.comma() + say.clock(start),
		ISO:   start.Format(time.RFC3339), Start: start, End: end, IsOnline: e.OnlineURL != "", Cancelled: called(t.Announcement), Postponed: e.Postponed,
	}
	if zone != "" {
		out.Brief += " (" + zone + ")"
	}
	if !closed(t.Announcement) {
		out.Online, out.SignUp = p.address(e.OnlineURL), p.address(e.SignUpURL)
		if out.Online == out.SignUp {
			out.Online = ""
		}
	}
	if v := e.Venue; v != nil {
		out.Venue = &announce.Venue{Name: p.words(v.Name), Address: p.words(v.Address), URL: p.address(v.URL)}
	}
	for _, x := range e.Partners {
		out.Partners = append(out.Partners, partner{p.words(x.Name), p.address(x.URL), p.handle(t.handleOf(x.Name, x.Handles))})
	}
	for _, x := range e.Talks {
		to := talk{Title: p.words(x.Title), Abstract: p.prose(x.Abstract), Lead: p.words(p.read.parse(x.Abstract).lead(leadLength))}
		for _, who := range x.Speakers {
			s := speaker{p.words(who.Name), p.address(who.URL), p.handle(t.handleOf(who.Name, who.Handles))}
			to.Speakers = append(to.Speakers, s)
			if !slices.ContainsFunc(out.Speakers, func(x speaker) bool { return x.Name == s.Name }) {
				out.Speakers = append(out.Speakers, s)
			}
		}
		out.Talks = append(out.Talks, to)
	}
	return out
}

// zone is empty where every reader would assume the right one: a meeting in person, where the community's clocks are.
func (t told) zone(say speech, start time.Time) string {
	home, err := t.zones.location(t.Site.Zone)
	if err == nil && t.Announcement.Event.OnlineURL == "" {
		_, here := start.In(home).Zone()
		if _, there := start.Zone(); here == there {
			return ""
		}
	}
	if err != nil && t.Announcement.Event.OnlineURL == "" {
		return ""
	}
	return say.zone(start)
}

// pictures are the first images that the channel takes, with words for readers of l.
func pictures(a announce.Announcement, l announce.Language, most announce.Limits) []announce.Picture {
	var out []announce.Picture
	for _, i := range a.Images[:min(len(a.Images), most.Images)] {
		out = append(out, announce.Picture{URL: i.URL, Data: i.Data, Type: i.Type, Width: i.Width, Height: i.Height, Alt: clipWords(i.AltFor(l, a.Default), most.Alt)})
	}
	return out
}
