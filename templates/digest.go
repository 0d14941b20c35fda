package templates

import "github.com/crieur/crieur/internal/announce"

// digest is what a digest tells.
type digest struct {
	Day       string // lundi 8 mars: when it was due
	Late      bool   // well after that
	Upcoming  []item // events, the next first
	News      []item
	Cancelled []item
	Count     int // of all of them
	More      int // so many more that there is no room for
}

// item is an announcement that a digest tells of, in the reader's language as far as it has one.
type item struct {
	Kind  string
	Title string
	Lead  string // the author's summary, or the first sentences of the body
	Event *event // nil when there is none
	Link  string // the one address to follow
}

func (t told) digest(p pen, d announce.Digest) *digest {
	out := &digest{Late: d.Late, More: d.More, Count: len(d.Items)}
	if at := d.Period.In(); !d.Period.IsZero() {
		out.Day = speech{t.language}.date(at, needsYear(at, t.Announcement.Created), false)
	}
	for _, i := range d.Items {
		told := t.item(p, i)
		switch {
		case i.Off:
			out.Cancelled = append(out.Cancelled, told)
		case i.Upcoming():
			out.Upcoming = append(out.Upcoming, told)
		default:
			out.News = append(out.News, told)
		}
	}
	return out
}

func (t told) item(p pen, i announce.Item) item {
	inner := t
	inner.Announcement = i.Announcement
	inner.Announcement.Created = t.Announcement.Created // years are told as of the day on which the digest is read
	inner.language, inner.text = i.Pick(t.language)
	out := item{Kind: string(kindOf(i.Announcement)), Title: p.words(inner.text.Title), Lead: p.words(oneLine(inner.text.Summary))}
	if out.Lead == "" {
		out.Lead = p.words(t.read.parse(inner.text.Body).lead(summaryLength))
	}
	if i.Event != nil {
		inner.language = t.language // dates are words of the digest's own
		out.Event = inner.event(p, i.Event)
	}
	if out.Link = p.address(mainLink(i.Announcement)); out.Link == "" {
		out.Link = p.address(i.Page)
	}
	return out
}
