package announce

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Reminder is a wave: a moment before or after the event at which it is told of again, from what the announcement says by then.
type Reminder struct {
	At       string            `json:"at" maxLength:"5" doc:"-7d, -2h: so long before the event starts; +1d, +2h: after it ends. Days keep the time of day, hours have sixty minutes each."`
	Kind     Kind              `json:"kind,omitempty" enum:"reminder,recap" doc:"reminder (before the event) or recap (after it); follows from at."`
	Texts    map[Language]Text `json:"texts,omitempty" doc:"Default: the announcement's. A recap is told once it has texts or a link of its own."`
	Link     string            `json:"link,omitempty" doc:"Default: the announcement's. Of a recap: slides, a recording, pictures."`
	Channels []string          `json:"channels,omitempty" doc:"Default: the announcement's."`
	Topics   []string          `json:"topics,omitempty" doc:"Default: the announcement's."`
	Audience []Language        `json:"audience_languages,omitempty" doc:"Default: the announcement's."`
}

const maxReminders = 10

var waveOffset = regexp.MustCompile(`^([+-])([1-9][0-9]{0,2})([dh])$`)

// Told is the kind that r is told as.
func (r Reminder) Told() Kind {
	if r.Kind != "" {
		return r.Kind
	}
	if len(r.At) > 0 && r.At[0] == '+' {
		return KindRecap
	}
	return KindReminder
}

// Empty reports whether r is a recap that has nothing to tell yet.
func (r Reminder) Empty() bool {
	return r.Told() == KindRecap && len(r.Texts) == 0 && r.Link == ""
}

// recapped reports whether a recap of the event has something to tell.
func (a Announcement) recapped() bool {
	return slices.ContainsFunc(a.Reminders, func(r Reminder) bool { return r.Told() == KindRecap && !r.Empty() })
}

// Moment is when r is due for an event. Days are counted on the calendar: it is the same wall time, by the rules of
// ParseWhen where clocks change. Hours are counted on a clock that never changes.
func (r Reminder) Moment(e *Event) (When, error) {
	m := waveOffset.FindStringSubmatch(r.At)
	if m == nil {
		return When{}, fmt.Errorf("%q is not such a moment: write -7d, -2h or +1d (at most 999)", clip(r.At))
	}
	n, err := strconv.Atoi(m[1] + m[2])
	if err != nil {
		return When{}, err
	}
	from := e.Start
	if n > 0 {
		if from = e.End; from.IsZero() {
			from = whenAt(e.Over(), e.Start.Zone)
		}
	}
	if m[3] == "h" {
		return whenAt(from.Instant.Add(time.Duration(n)*time.Hour), from.Zone), nil
	}
	wall, err := time.Parse(wallLayout, from.Wall)
	if err != nil {
		return When{}, err
	}
	return ParseWhen(wall.AddDate(0, 0, n).Format(wallLayout), from.Zone)
}

// whenAt is an instant as people in a zone say it.
func whenAt(t time.Time, zone string) When {
	w := When{Zone: zone, Instant: t.UTC()}
	w.Wall = w.In().Format(wallLayout)
	return w
}

// Later is w moved by a duration.
func (w When) Later(d time.Duration) When { return whenAt(w.Instant.Add(d), w.Zone) }

func (f *Faults) reminders(a Announcement, r Rules) {
	if len(a.Reminders) == 0 {
		return
	}
	if a.Event == nil || a.Kind != KindEvent && a.Kind != KindNews && a.Kind != KindCallForTalks {
		f.add("reminders", "are for an announcement of the kind event, news or call-for-talks with an event")
		return
	}
	if f.count("reminders", len(a.Reminders), maxReminders); len(a.Reminders) > maxReminders {
		return
	}
	for i, x := range a.Reminders {
		path := fmt.Sprintf("reminders[%d]", i)
		if !waveOffset.MatchString(x.At) {
			f.add(path+".at", "%q is not such a moment: write -7d, -2h or +1d (at most 999)", clip(x.At))
			continue
		}
		if slices.IndexFunc(a.Reminders, func(y Reminder) bool { return y.At == x.At }) < i {
			f.add(path+".at", "%s is there twice", x.At)
		}
		switch before := x.At[0] == '-'; {
		case x.Told() != KindReminder && x.Told() != KindRecap:
			f.add(path+".kind", "%q is not a kind of reminder: write reminder or recap", clip(string(x.Kind)))
		case before != (x.Told() == KindReminder):
			f.add(path+".kind", "a reminder comes before the event (-1d), a recap after it (+1d)")
		}
		if _, ok := x.Texts[a.Default]; len(x.Texts) > 0 && !ok {
			f.add(path+".texts", "lacks the default language, %s", a.Default)
		}
		f.count(path+".texts", len(x.Texts), maxTongues)
		for _, l := range sortedKeys(x.Texts)[:min(len(x.Texts), maxTongues)] {
			if !languageTag.MatchString(string(l)) {
				f.add(path+".texts."+string(l), "is not a language tag: write fr, fr-CA or en")
			}
			f.text(path+".texts."+string(l), x.Texts[l])
		}
		f.address(path+".link", x.Link)
		f.aim(path+".", x.Channels, x.Topics, x.Audience, r)
	}
}
