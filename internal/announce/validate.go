package announce

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ceilings that no channel raises; they keep one announcement from being a burden on the server.
const (
	maxTitle   = 300
	maxSummary = 1000
	maxBody    = 50_000
	maxName    = 300
	maxURL     = 2000
	maxAlt     = 2000
	maxItems   = 50
	maxTongues = 20
	maxImages  = 20
	maxImage   = 5 << 20
)

var (
	languageTag = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$`)
	topicName   = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} _-]*$`)
	handleName  = regexp.MustCompile(`^[\p{L}\p{N}._:-][\p{L}\p{N}._@:-]*$`)
)

// is reports whether s has a form and at most so many characters. The form does not count them itself: one that repeats all
// letters 255 times weighs megabytes.
func is(form *regexp.Regexp, most int, s string) bool {
	return utf8.RuneCountInString(s) <= most && form.MatchString(s)
}

func (f *Faults) texts(a Announcement) {
	if len(a.Texts) == 0 {
		f.add("texts", "is required: give a title in at least one language")
		return
	}
	if _, ok := a.Texts[a.Default]; !ok {
		f.add("default_language", "%q is not one of the languages in texts", a.Default)
	}
	if f.count("texts", len(a.Texts), maxTongues); len(a.Texts) > maxTongues {
		return
	}
	for _, l := range sortedKeys(a.Texts) {
		path := "texts." + string(l)
		if !languageTag.MatchString(string(l)) {
			f.add(path, "is not a language tag: write fr, fr-CA or en")
		}
		f.text(path, a.Texts[l])
	}
}

func (f *Faults) text(path string, t Text) {
	if blank(t.Title) {
		f.add(path+".title", "is required")
	}
	f.line(path+".title", t.Title, maxTitle)
	f.line(path+".summary", t.Summary, maxSummary)
	f.prose(path+".body", t.Body, maxBody)
}

func (f *Faults) rest(a Announcement, r Rules) {
	if !slices.Contains(Kinds(), a.Kind) {
		f.add("kind", "%q is not a kind: write one of %s", a.Kind, list(Kinds()))
	}
	if needsEvent(a.Kind) && a.Event == nil {
		f.add("event", "is required for the kind %s", a.Kind)
	}
	f.address("link", a.Link)
	f.eventFields(a, r)
	f.images(a)
	f.aim("", a.Channels, a.Topics, a.Audience, r)
	f.reminders(a, r)
	for _, c := range sortedKeys(a.Overrides) {
		path := "overrides." + c
		if !slices.ContainsFunc(r.Accounts, func(x string) bool { return x == c || Channel(x) == c }) {
			f.add(path, "%q is not switched on here: choose among %s", clip(c), list(r.Accounts))
		}
		o := a.Overrides[c]
		f.line(path+".title", o.Title, maxTitle)
		f.line(path+".summary", o.Summary, maxSummary)
		f.prose(path+".body", o.Body, maxBody)
	}
	if a.IfMissed != "" && !a.IfMissed.Known() {
		f.add("if_missed", "%q is not a choice: write hold, fire or skip", clip(string(a.IfMissed)))
	}
	if !a.Expires.IsZero() {
		if !a.Expires.Instant.After(r.Now) {
			f.add("expires_at", "is in the past")
		} else if !a.Expires.Instant.After(r.Now.Add(a.Undo)) {
			f.add("expires_at", "is before the time to take it back is over (undo: %s): it would never be published", a.Undo)
		}
		if !a.At.IsZero() && !a.Expires.Instant.After(a.At.Instant) {
			f.add("expires_at", "must be after publish_at")
		}
	}
}

// aim checks where something goes, and to whom.
func (f *Faults) aim(path string, channels, topics []string, languages []Language, r Rules) {
	for i, c := range channels {
		if !slices.Contains(r.Accounts, c) {
			f.add(fmt.Sprintf("%schannels[%d]", path, i), "%q is not switched on here: choose among %s", clip(c), list(r.Accounts))
		}
		if slices.Index(channels, c) < i {
			f.add(fmt.Sprintf("%schannels[%d]", path, i), "%q is named twice", clip(c))
		}
	}
	f.topics(path+"topics", topics, r.Topics)
	f.count(path+"audience_languages", len(languages), maxItems)
	for i, l := range languages {
		if !languageTag.MatchString(string(l)) {
			f.add(fmt.Sprintf("%saudience_languages[%d]", path, i), "%q is not a language tag: write fr or en", clip(string(l)))
		}
	}
}

func needsEvent(k Kind) bool { return k == KindEvent || k == KindReminder || k == KindCancellation }

func (f *Faults) eventFields(a Announcement, r Rules) {
	e := a.Event
	if e == nil {
		return
	}
	if !e.Start.IsZero() {
		if !e.End.IsZero() && !e.End.Instant.After(e.Start.Instant) {
			f.add("event.ends_at", "must be after starts_at")
		} else if !a.Kind.AboutPast() && !e.Over().After(r.Now) && !(r.Known && a.recapped()) {
			f.add("event.starts_at", "the event is over; only recap and news speak of past events")
		}
		if !a.At.IsZero() && !a.Kind.AboutPast() && !a.At.Instant.Before(e.Over()) {
			f.add("publish_at", "is after the event")
		}
	}
	for _, l := range sortedKeys(e.Why) {
		path := "event.why." + string(l)
		if !languageTag.MatchString(string(l)) {
			f.add(path, "is not a language tag: write fr, fr-CA or en")
		}
		f.line(path, e.Why[l], maxSummary)
	}
	if v := e.Venue; v != nil {
		if blank(v.Name) {
			f.add("event.venue.name", "is required")
		}
		f.line("event.venue.name", v.Name, maxName)
		f.line("event.venue.address", v.Address, maxName)
		f.address("event.venue.url", v.URL)
	}
	f.address("event.online_url", e.OnlineURL)
	f.address("event.sign_up_url", e.SignUpURL)
	f.count("event.talks", len(e.Talks), maxItems)
	for i, t := range e.Talks {
		path := fmt.Sprintf("event.talks[%d]", i)
		if blank(t.Title) {
			f.add(path+".title", "is required")
		}
		f.line(path+".title", t.Title, maxTitle)
		f.prose(path+".abstract", t.Abstract, maxBody)
		f.count(path+".speakers", len(t.Speakers), maxItems)
		for j, s := range t.Speakers {
			f.speaker(fmt.Sprintf("%s.speakers[%d]", path, j), s)
		}
	}
	f.count("event.partners", len(e.Partners), maxItems)
	for i, p := range e.Partners {
		f.speaker(fmt.Sprintf("event.partners[%d]", i), Speaker(p))
	}
}

// speaker checks a speaker or a partner.
func (f *Faults) speaker(path string, s Speaker) {
	if blank(s.Name) {
		f.add(path+".name", "is required")
	}
	f.line(path+".name", s.Name, maxName)
	f.address(path+".url", s.URL)
	f.count(path+".handles", len(s.Handles), maxItems)
	for _, c := range sortedKeys(s.Handles)[:min(len(s.Handles), maxItems)] {
		if !is(handleName, 255, s.Handles[c]) {
			f.add(path+".handles."+c, "is not an account name: letters, digits and . _ - only, without spaces or a first @; name@server where accounts have servers")
		}
	}
}

func (f *Faults) images(a Announcement) {
	f.count("images", len(a.Images), maxImages)
	for i, img := range a.Images {
		path := fmt.Sprintf("images[%d]", i)
		switch {
		case img.URL == "" && len(img.Data) == 0:
			f.add(path, "needs a url or data")
		case img.URL != "" && len(img.Data) > 0:
			f.add(path, "has both url and data: give one")
		}
		f.address(path+".url", img.URL)
		if len(img.Data) > maxImage {
			f.add(path+".data", "is %d bytes; the most is %d", len(img.Data), maxImage)
		} else if len(img.Data) > 0 && imageType(img.Data) == "" {
			f.add(path+".data", "is not a PNG, JPEG, GIF or WebP picture (%s...)", base64.StdEncoding.EncodeToString(img.Data[:min(6, len(img.Data))]))
		} else if len(img.Data) > 0 {
			a.Images[i].Type = imageType(img.Data)
		}
		if blank(img.AltFor(a.Default, a.Default)) {
			f.add(fmt.Sprintf("%s.alt.%s", path, a.Default), "is required: say what the picture shows, for people who cannot see it")
		}
		f.count(path+".alt", len(img.Alt), maxTongues)
		for _, l := range sortedKeys(img.Alt)[:min(len(img.Alt), maxTongues)] {
			if !languageTag.MatchString(string(l)) {
				f.add(path+".alt", "%q is not a language tag: write fr, fr-CA or en", clip(string(l)))
			}
			f.prose(fmt.Sprintf("%s.alt.%s", path, l), img.Alt[l], maxAlt)
		}
	}
}

// imageType is the media type by the first bytes, or "" for anything that is not a supported picture.
func imageType(b []byte) string {
	s := string(b[:min(12, len(b))])
	switch {
	case strings.HasPrefix(s, "\x89PNG\r\n\x1a\n"):
		return "image/png"
	case strings.HasPrefix(s, "\xff\xd8\xff"):
		return "image/jpeg"
	case strings.HasPrefix(s, "GIF87a"), strings.HasPrefix(s, "GIF89a"):
		return "image/gif"
	case strings.HasPrefix(s, "RIFF") && strings.HasSuffix(s, "WEBP"):
		return "image/webp"
	}
	return ""
}

func (f *Faults) count(field string, n, most int) {
	if n > most {
		f.add(field, "has %d entries; the most is %d", n, most)
	}
}

// line checks text that stays on one line.
func (f *Faults) line(field, s string, most int) {
	if strings.ContainsAny(s, "\r\n\u2028\u2029") {
		f.add(field, "must be one line")
		return
	}
	f.prose(field, s, most)
}

// prose checks text of any number of lines.
func (f *Faults) prose(field, s string, most int) {
	if !utf8.ValidString(s) {
		f.add(field, "is not valid UTF-8")
		return
	}
	if n := utf8.RuneCountInString(s); n > most {
		f.add(field, "has %d characters; the most is %d", n, most)
	}
	for _, r := range s {
		if r == utf8.RuneError {
			f.add(field, "holds the replacement character U+FFFD: the text was not sent as UTF-8")
			return
		}
		if forbidden(r) {
			f.add(field, "holds the control character U+%04X: remove it", r)
			return
		}
	}
}

// blank reports whether s holds nothing that readers can see: spaces, joiners and other marks without a shape of their own.
func blank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) })
}

// forbidden are controls and the marks that reorder text around them; joiners and variation selectors are part of emoji.
func forbidden(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0xFEFF
}

func (f *Faults) address(field, s string) {
	if s == "" {
		return
	}
	f.line(field, s, maxURL)
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.ContainsAny(s, " <>\"`|\\^{}"):
		f.add(field, "is not a web address: write https://example.org/page")
	case u.User != nil:
		f.add(field, "must not hold a user name or password")
	}
}

// Channel is the channel of an account: "slack" of "slack@partners".
func Channel(account string) string {
	channel, _, _ := strings.Cut(account, "@")
	return channel
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}

func list[S ~string](s []S) string {
	if len(s) == 0 {
		return "(none)"
	}
	out := make([]string, len(s))
	for i, x := range s {
		out[i] = string(x)
	}
	return strings.Join(out, ", ")
}

// clip keeps a stranger's word short enough to be quoted back.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
