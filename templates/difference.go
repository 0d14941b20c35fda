package templates

import (
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// Difference tells a reader of l what became of the facts of an announcement: what it is called, when and where it is,
// its addresses and its programme. was are the revisions that readers may have seen, the oldest first. body is Markdown
// and summary plain; both are empty when only the wording changed. In French or English, by the language.
func (s *Set) Difference(l announce.Language, was []announce.Announcement, now announce.Announcement, site announce.Site) (body, summary string) {
	d := differing{set: s, language: l, site: site, words: english}
	if l.Base() == "fr" {
		d.words = french
	}
	for _, a := range was {
		d.was = append(d.was, d.facts(a))
	}
	d.now = d.facts(now)
	d.compare(now)
	var all []string
	for _, line := range d.lines {
		all = append(all, strings.TrimSpace(markdownText(line.text)+line.address))
		if line.address == "" {
			summary += " " + line.text
		}
	}
	if len(all) > 1 {
		return "- " + strings.Join(all, "\n- "), strings.TrimSpace(summary)
	}
	return strings.Join(all, ""), strings.TrimSpace(summary)
}

// facts is what may change of an announcement, as a reader of the language is told it.
type facts struct {
	title, when, day, place  string
	online, signUp, link     string
	talks                    []string
	moments, clock           string // when it begins and ends, and how its author wrote it: rules of time zones change the one and not the other
	event, onLine, cancelled bool
}

// turns are the words for what may change. Each ends where what is new begins; instead is what was.
type turns struct {
	on, title, date, hours, place, online, anywhere, signUp, join, link, added, dropped, open, close, instead, then, end string
}

var (
	french = turns{
		on: "La rencontre a bien lieu.", title: "Nouveau titre" + nbsp + ": ", date: "Nouvelle date" + nbsp + ": ", hours: "Nouvel horaire" + nbsp + ": ",
		place: "Nouveau lieu" + nbsp + ": ", online: "La rencontre se tient en ligne", anywhere: "Le lieu est à confirmer",
		signUp: "Nouvelle adresse pour s’inscrire" + nbsp + ":", join: "Nouvelle adresse pour participer en ligne" + nbsp + ":",
		link: "Nouvelle adresse pour en savoir plus" + nbsp + ":", added: "Ajouté au programme" + nbsp + ": ", dropped: "Retiré du programme" + nbsp + ": ", open: "«" + nbsp, close: nbsp + "»",
		instead: " (au lieu de" + nbsp + ": ", then: ", puis ", end: ").",
	}
	english = turns{
		on: "The meetup takes place after all.", title: "New title: ", date: "New date: ", hours: "New hours: ", place: "New place: ",
		online: "The meetup is held online", anywhere: "The place is to be confirmed", signUp: "New address to sign up:", join: "New address to join online:",
		link: "New address to read more:", added: "Added to the programme: ", dropped: "Taken off the programme: ", open: "“", close: "”", instead: " (instead of ", then: ", then ", end: ").",
	}
)

type differing struct {
	set      *Set
	language announce.Language
	site     announce.Site
	words    turns
	was      []facts
	now      facts
	lines    []difference
}

// difference is a line of plain words, and the address that follows it.
type difference struct{ text, address string }

func (d *differing) facts(a announce.Announcement) facts {
	t := d.set.tell(Request{Announcement: a, Site: d.site}, d.language)
	f := facts{title: t.text.Title, link: a.Link, cancelled: called(a)}
	if a.Event == nil {
		return f
	}
	e := t.event(pen{markup: markup{links: true}, read: t.read}, a.Event)
	f.event, f.when, f.day = true, e.When, e.Day
	f.moments = a.Event.Start.Instant.UTC().String() + a.Event.End.Instant.UTC().String()
	f.clock = a.Event.Start.Wall + a.Event.Start.Zone + a.Event.End.Wall + a.Event.End.Zone
	f.online, f.signUp, f.onLine = a.Event.OnlineURL, a.Event.SignUpURL, a.Event.OnlineURL != ""
	if v := a.Event.Venue; v != nil {
		f.place = strings.TrimSuffix(v.Name+", "+v.Address, ", ")
	}
	for _, x := range a.Event.Talks {
		f.talks = append(f.talks, x.Title)
	}
	return f
}

func (d *differing) compare(now announce.Announcement) {
	last := facts{}
	if len(d.was) > 0 {
		last = d.was[len(d.was)-1]
	}
	w := d.words
	if last.cancelled && !d.now.cancelled {
		d.say(w.on)
	}
	if d.now.event && slices.ContainsFunc(d.was, func(f facts) bool { return f.event && f.moments != d.now.moments && f.clock != d.now.clock }) {
		what := w.date
		if !slices.ContainsFunc(d.was, func(f facts) bool { return f.day != d.now.day }) {
			what = w.hours
		}
		d.say(what + d.now.when + d.instead(d.old(func(f facts) string { return f.when })))
	}
	if old := d.old(func(f facts) string { return f.place }); len(old) > 0 && d.now.event {
		switch {
		case d.now.place != "":
			d.say(w.place + d.now.place + d.instead(old))
		case d.now.onLine:
			d.say(w.online + d.instead(old))
		default:
			d.say(w.anywhere + d.instead(old))
		}
	}
	if old := d.old(func(f facts) string { return f.title }); len(old) > 0 {
		d.say(w.title + d.now.title + d.instead(old))
	}
	for _, x := range []struct {
		of   func(facts) string
		what string
	}{{func(f facts) string { return f.online }, w.join}, {func(f facts) string { return f.signUp }, w.signUp}, {func(f facts) string { return f.link }, w.link}} {
		if address := x.of(d.now); address != "" && len(d.old(x.of)) > 0 {
			if safe, ok := webAddress(address); ok && !slices.ContainsFunc(d.lines, func(l difference) bool { return l.address == " <"+safe+">" }) {
				d.lines = append(d.lines, difference{x.what, " <" + safe + ">"})
			}
		}
	}
	if d.now.event {
		d.programme(last)
	}
}

// programme says which talks came and went since the last revision.
func (d *differing) programme(last facts) {
	missing := func(all, from []string) (out []string) {
		for _, x := range all {
			if !slices.Contains(from, x) {
				out = append(out, d.words.open+x+d.words.close)
			}
		}
		return out
	}
	say := speech{d.language}
	if added := missing(d.now.talks, last.talks); len(added) > 0 {
		d.say(d.words.added + say.list(added) + ".")
	}
	if dropped := missing(last.talks, d.now.talks); len(dropped) > 0 {
		d.say(d.words.dropped + say.list(dropped) + ".")
	}
}

func (d *differing) say(text string) { d.lines = append(d.lines, difference{text: text}) }

// old is what a fact was, each once; none when it never was another than now.
func (d *differing) old(of func(facts) string) (old []string) {
	other := false
	for _, f := range d.was {
		x := of(f)
		other = other || x != of(d.now)
		if x != "" && x != of(d.now) && !slices.Contains(old, x) {
			old = append(old, x)
		}
	}
	if other && len(old) == 0 {
		old = []string{""}
	}
	return old
}

func (d *differing) instead(old []string) string {
	if said := strings.Join(slices.DeleteFunc(slices.Clone(old), func(s string) bool { return s == "" }), d.words.then); said != "" {
		return d.words.instead + said + d.words.end
	}
	return "."
}
