package broadcast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

const (
	signEvery   = time.Minute      // between two signs that a server runs
	clockTime   = 10 * time.Minute // for a clock that starts behind the last sign of life to be set
	retimeEvery = 24 * time.Hour   // between two looks at the rules of time zones
)

// start decides what becomes of what was missed while no server ran, and recomputes what time zones changed, before
// anything is published. It ends when the record answers, or with ctx.
func (s *Service) start(ctx context.Context) {
	for !s.wakeUp(ctx, false) && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	s.retime(ctx)
}

// wakeUp tells the record that this server begins to work; what was missed meanwhile is decided with it. False: the record
// could not be asked.
func (s *Service) wakeUp(ctx context.Context, force bool) bool {
	missed, behind, err := s.Store.Wake(ctx, s.Missed, force)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			s.Log.Warn("what was missed while no server ran is not known yet; nothing is published until then", "err", err)
		}
		return false
	case behind:
		s.Log.Warn("the clock is behind the last sign that a server ran: it is waited for, and what was missed is decided then")
		return true
	}
	s.woken.Store(true)
	for _, m := range missed {
		s.Log.Warn("its time came while no server ran", "announcement", m.Announcement.ID, "due", m.Due, "what", m.What)
	}
	s.tellSkipped(ctx, missed)
	s.tellMissed(ctx)
	return true
}

// awake is asked before work is taken: a clock that started behind may have been set meanwhile.
func (s *Service) awake(ctx context.Context) {
	if !s.woken.Load() {
		s.wakeUp(ctx, false)
	}
}

// live gives signs of life as long as ctx lasts, and looks at the rules of time zones once a day.
func (s *Service) live(ctx context.Context) {
	began, retimed := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(signEvery):
		}
		switch {
		case !s.woken.Load():
			s.wakeUp(ctx, time.Since(began) > clockTime)
		default:
			if err := s.Store.Seen(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("the sign that this server runs could not be put on record", "err", err)
			}
		}
		if time.Since(retimed) > retimeEvery {
			retimed = time.Now()
			s.retime(ctx)
		}
	}
}

// Release lets an announcement that is held because its time was missed be published now, by the rules that its time zones
// have now. The error is a Faults when it is not held.
func (s *Service) Release(ctx context.Context, id announce.ID, actor string) error {
	a, _, err := s.Store.Announcement(ctx, id)
	if err != nil {
		return err
	}
	schedule, err := s.Store.Schedule(ctx, id)
	if err != nil {
		return err
	}
	if schedule.Held.IsZero() {
		return announce.Faults{{Field: "id", Say: "is not held: there is nothing to release"}}
	}
	if a.Wave == "" && len(moved(a)) > 0 {
		if err := s.retimeOne(ctx, id); err != nil { // amended it is not held any more
			return err
		}
	}
	if _, err := s.Store.Release(ctx, id, actor); err != nil {
		return err
	}
	s.Log.Info("released", "announcement", id, "actor", actor)
	s.nudge()
	return nil
}

// retime brings what is not out yet, reminders of what is out included, to the rules that time zones have now: the wall time
// that its author meant stays, or the instant where they gave an offset. What changed is amended and told to organisers.
func (s *Service) retime(ctx context.Context) {
	all, err := s.Store.Unbegun(ctx)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("the rules of time zones could not be looked at; it is tried again tomorrow", "err", err)
	}
	for _, u := range all {
		changed := moved(u.Announcement)
		if len(changed) == 0 || u.Announcement.Wave != "" || !u.Held.IsZero() && !changed["publish_at"].After(s.Store.Now()) {
			continue // a reminder changes with its announcement; what is held stays so, unless its time is still to come
		}
		if err := s.retimeOne(ctx, u.Announcement.ID); err != nil && ctx.Err() == nil {
			s.Log.Error("an announcement could not be brought to the new rules of its time zone: amend it", "announcement", u.Announcement.ID, "err", err)
		}
	}
	reminding, err := s.Store.Reminding(ctx)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("reminders could not be looked at for the rules of time zones; it is tried again tomorrow", "err", err)
	}
	for _, id := range reminding {
		if slices.ContainsFunc(all, func(u store.Unbegun) bool { return u.Announcement.ID == id }) {
			continue
		}
		if err := s.retimeOne(ctx, id); err != nil && ctx.Err() == nil {
			s.Log.Error("reminders could not be brought to the new rules of their time zone: amend their announcement", "announcement", id, "err", err)
		}
	}
}

// moved are the instants, by the name of their field, that the present rules of time zones make other than on record, or
// whose wall time they do.
func moved(a announce.Announcement) map[string]time.Time {
	out := map[string]time.Time{}
	for name, w := range times(a) {
		if again, changed := w.Again(); changed {
			out[name] = again.Instant
		}
	}
	return out
}

func (s *Service) retimeOne(ctx context.Context, id announce.ID) error {
	a, retracted, err := s.Store.Announcement(ctx, id)
	if err != nil || retracted || len(moved(a)) == 0 {
		return err
	}
	var lines [2][]string
	for _, name := range []string{"publish_at", "expires_at", "event.starts_at", "event.ends_at"} {
		was := times(a)[name]
		is, changed := was.Again()
		if !changed {
			continue
		}
		old, now := was.Instant.Format(time.RFC3339), is.Instant.Format(time.RFC3339)
		lines[0] = append(lines[0], fmt.Sprintf("- `%s`\u00a0: %s, %s\u00a0; était %s, est maintenant %s", name, is.Wall, is.Zone, old, now))
		lines[1] = append(lines[1], fmt.Sprintf("- `%s`: %s, %s; was %s, is now %s", name, is.Wall, is.Zone, old, now))
	}
	got, err := s.amend(ctx, id, a.Rev, s.shared(a).Draft(), "crieur", "the rules of its time zone changed: "+strings.TrimPrefix(strings.Join(lines[1], "; "), "- "))
	var stale *store.StaleError
	switch {
	case errors.As(err, &stale):
		return nil // somebody amended it, or another server did this: by the rules of now
	case err != nil:
		s.tell(ctx, notice{key: fmt.Sprintf("retime:%s:%d", id, a.Rev), texts: titled(a, "Fuseau horaire changé, à corriger à la main", "Time zone changed, to be corrected by hand",
			words(err.Error())+"\n\n"+strings.Join(lines[0], "\n")+fmt.Sprintf("\n\n`crieur amend %s FICHIER`", id),
			words(err.Error())+"\n\n"+strings.Join(lines[1], "\n")+fmt.Sprintf("\n\n`crieur amend %s FILE`", id))})
		return err
	}
	s.tell(ctx, notice{key: fmt.Sprintf("retimed:%s:%d", id, got.Rev), texts: titled(a, "Fuseau horaire changé", "Time zone changed",
		"Les règles du fuseau horaire ont changé depuis l’annonce. L’heure écrite reste ce qu’elle est\u00a0; le moment est recalculé\u00a0:\n\n"+strings.Join(lines[0], "\n"),
		"The rules of the time zone have changed since it was announced. What was written stays as it is; the moment is computed anew:\n\n"+strings.Join(lines[1], "\n"))})
	return nil
}

// titled are the texts of a notice about an announcement.
func titled(a announce.Announcement, french, english, frenchBody, englishBody string) map[announce.Language]announce.Text {
	_, fr := a.Pick("fr")
	_, en := a.Pick("en")
	return map[announce.Language]announce.Text{
		"fr": {Title: clip(french+"\u00a0: «\u00a0"+fr.Title+"\u00a0»", 250), Body: frenchBody},
		"en": {Title: clip(english+": “"+en.Title+"”", 250), Body: englishBody},
	}
}

// toldAtOnce is how many announcements a notice names.
const toldAtOnce = 20

// tellMissed says once, for all that one start held, what waits for a person.
func (s *Service) tellMissed(ctx context.Context) {
	if len(s.Notices) == 0 {
		return
	}
	all, err := s.Store.HeldAnnouncements(ctx)
	if err != nil {
		s.Log.Warn("what is held could not be read", "err", err)
		return
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Held.Equal(all[0].Held) {
			n++
		}
		some := make([]announce.Announcement, n)
		for i := range some {
			some[i] = all[i].Announcement
		}
		french, english := listed(some)
		s.tell(ctx, notice{key: fmt.Sprintf("missed:%d", all[0].Held.UnixMicro()), texts: map[announce.Language]announce.Text{
			"fr": {Title: plural(n, "Une annonce attend", "%d annonces attendent") + "\u00a0: son heure est passée pendant un arrêt",
				Body: french + "\n\nRien n’en est publié sans vous. `crieur release ID` la publie maintenant\u00a0; `crieur amend ID FICHIER` la change d’abord\u00a0; `crieur retract ID` la retire."},
			"en": {Title: plural(n, "One announcement waits", "%d announcements wait") + ": the time came while no server ran",
				Body: english + "\n\nNothing of it is published without you. `crieur release ID` publishes it now; `crieur amend ID FILE` changes it first; `crieur retract ID` takes it back."},
		}})
		all = all[n:]
	}
}

// tellSkipped says what is not published any more because its time was missed.
func (s *Service) tellSkipped(ctx context.Context, missed []store.Missed) {
	var some []announce.Announcement
	for _, m := range missed {
		if m.What == announce.MissedSkip {
			some = append(some, m.Announcement)
		}
	}
	if len(some) == 0 {
		return
	}
	french, english := listed(some)
	s.tell(ctx, notice{key: fmt.Sprintf("skipped:%s:%d", some[0].ID, some[0].Rev), texts: map[announce.Language]announce.Text{
		"fr": {Title: plural(len(some), "Une annonce n’est pas parue", "%d annonces ne sont pas parues") + "\u00a0: son heure est passée pendant un arrêt",
			Body: french + "\n\nPour la publier quand même\u00a0: `crieur amend ID FICHIER`."},
		"en": {Title: plural(len(some), "One announcement did not appear", "%d announcements did not appear") + ": the time came while no server ran",
			Body: english + "\n\nTo publish it all the same: `crieur amend ID FILE`."},
	}})
}

// listed names announcements with the time that was meant.
func listed(all []announce.Announcement) (french, english string) {
	var fr, en []string
	for _, a := range all[:min(len(all), toldAtOnce)] {
		_, f := a.Pick("fr")
		_, e := a.Pick("en")
		fr = append(fr, fmt.Sprintf("- «\u00a0%s\u00a0», %s, %s\u00a0: `%s`", words(f.Title), a.At.Wall, a.At.Zone, a.ID))
		en = append(en, fmt.Sprintf("- “%s”, %s, %s: `%s`", words(e.Title), a.At.Wall, a.At.Zone, a.ID))
	}
	if more := len(all) - len(fr); more > 0 {
		fr, en = append(fr, fmt.Sprintf("- et %d autres", more)), append(en, fmt.Sprintf("- and %d more", more))
	}
	return strings.Join(fr, "\n"), strings.Join(en, "\n")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}
