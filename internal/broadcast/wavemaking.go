package broadcast

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// makeWaves makes announcements of the waves whose time is near, as long as ctx lasts. Several servers may at once.
func (s *Service) makeWaves(ctx context.Context) {
	for ctx.Err() == nil {
		now := s.Store.Now()
		ids, err := s.Store.WavesIn(ctx, store.WavePlanned, now, 100)
		for _, id := range ids {
			if failed := s.makeWavesOf(ctx, id, now); failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", id, failed))
			}
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("reminders could not be made; it is tried again", "err", err)
		}
		if len(ids) > 0 {
			s.tellWaves(ctx)
		}
		select {
		case <-ctx.Done():
		case <-time.After(sweepEvery):
		}
	}
}

func (s *Service) makeWavesOf(ctx context.Context, id announce.ID, now time.Time) error {
	a, _, err := s.Store.Announcement(ctx, id)
	if err != nil {
		return err
	}
	rows, err := s.Store.Waves(ctx, id)
	if err != nil {
		return err
	}
	all, failed := s.waves(a, a.Updated) // as it was decided when it was accepted
	for _, o := range rows {
		i := slices.IndexFunc(all, func(w wave) bool { return w.At == o.At })
		switch {
		case o.State != store.WavePlanned || o.Make.After(now):
		case failed != nil:
			o.State, o.Why = store.WaveFailed, failed.Error()
			_, unsaid := s.Store.MakeWave(ctx, a.ID, a.Rev, o, nil)
			err = errors.Join(err, unsaid)
		case i >= 0:
			err = errors.Join(err, s.makeWave(ctx, a, all[i], o, now))
		}
	}
	return err
}

// missed is what becomes of a wave that was to be told more than store.LateMost ago, while no server ran; empty: it was not.
// One that was past already when its announcement was amended is told late by the author's will.
func (s *Service) missed(a announce.Announcement, o store.Wave, now time.Time) announce.IfMissed {
	if !o.Due.After(a.Updated) || now.Sub(o.Due) <= store.LateMost {
		return ""
	}
	return cmp.Or(a.IfMissed, s.Missed)
}

// makeWave makes an announcement of one wave, or says why there is none.
func (s *Service) makeWave(ctx context.Context, a announce.Announcement, w wave, o store.Wave, now time.Time) error {
	var sub *store.Submission
	w.when = announce.When{Zone: w.when.Zone, Instant: o.Due}.Later(0)
	c := s.child(a, w)
	c.ID, c.Channels, c.Created, c.Updated = announce.NewID(now), w.accounts, now, now
	how, last := s.missed(a, o, now), c.TooLate()
	if w.Empty() {
		o.State, o.Why = store.WaveAwaited, ""
	} else if how == announce.MissedSkip || !last.IsZero() && !last.After(now) {
		o.State, o.Why = store.WavePast, "its moment passed while no server ran"
	} else if len(w.accounts) == 0 {
		o.State, o.Why = store.WaveDropped, "no account that is switched on takes it"
	} else if r, err := s.compose(ctx, c); err != nil {
		o.State, o.Why = store.WaveFailed, err.Error()
	} else {
		at := due(c, now)
		for i := range r.deliveries {
			r.deliveries[i].First, r.deliveries[i].Next = at, at
		}
		r.counted = s.count(&r, c.ID)
		sub = &store.Submission{Announcement: c, Payloads: r.payloads, Deliveries: r.deliveries, Counted: r.counted, Actor: "crieur", Apart: s.ReminderGap, Hold: how == announce.MissedHold}
		for _, p := range r.personal {
			sub.Plans = append(sub.Plans, store.Plan{Account: p, First: at, Next: at, Keeps: !s.accounts[p].ability.Amend})
		}
		o.State, o.Child = store.WaveMade, c.ID
	}
	made, err := s.Store.MakeWave(ctx, a.ID, a.Rev, o, sub)
	if made {
		s.Log.Info("a reminder is made", "announcement", a.ID, "wave", w.At, "as", c.ID, "due", w.when.Instant)
		s.nudge()
		if sub.Hold {
			s.tellMissed(ctx)
		}
	}
	return err
}

// tellWaves says, once for each, which recaps are awaited and which reminders could not be made.
func (s *Service) tellWaves(ctx context.Context) {
	for _, state := range []store.WaveState{store.WaveAwaited, store.WaveFailed} {
		ids, err := s.Store.WavesIn(ctx, state, s.Store.Now(), 1000)
		if err != nil {
			s.Log.Warn("reminders could not be read", "err", err)
			return
		}
		for _, id := range ids {
			a, _, err := s.Store.Announcement(ctx, id)
			var rows []store.Wave
			if err == nil {
				rows, err = s.Store.Waves(ctx, id)
			}
			if err != nil {
				s.Log.Warn("reminders could not be read", "announcement", id, "err", err)
				continue
			}
			for _, w := range rows {
				if w.State == state {
					s.tellWave(ctx, a, w)
				}
			}
		}
	}
}

func (s *Service) tellWave(ctx context.Context, a announce.Announcement, w store.Wave) {
	_, text := a.Pick(a.Default)
	n := notice{key: fmt.Sprintf("wave:%s:%s:%s:%d", a.ID, w.At, w.State, w.Due.Unix())}
	if w.State == store.WaveAwaited {
		n.texts = map[announce.Language]announce.Text{
			"fr": {Title: clip("On attend le retour sur « "+text.Title+" »", 250), Body: fmt.Sprintf("Rien n’est dit tant que son texte ou son lien (diapositives, enregistrement) manque. Ajoutez-le à `reminders` (%s), puis `crieur amend %s FICHIER`.", w.At, a.ID)},
			"en": {Title: clip("The recap of “"+text.Title+"” is awaited", 250), Body: fmt.Sprintf("Nothing is told until it has a text or a link (slides, a recording). Add it to `reminders` (%s), then run `crieur amend %s FILE`.", w.At, a.ID)},
		}
	} else {
		n.key += fmt.Sprintf(":%d", a.Rev)
		n.texts = map[announce.Language]announce.Text{
			"fr": {Title: clip("Le rappel "+w.At+" de « "+text.Title+" » ne peut pas partir", 250), Body: words(w.Why) + fmt.Sprintf("\n\nCorrigez l’annonce\u00a0: `crieur amend %s FICHIER`.", a.ID)},
			"en": {Title: clip("The reminder "+w.At+" of “"+text.Title+"” cannot leave", 250), Body: words(w.Why) + fmt.Sprintf("\n\nMend the announcement: `crieur amend %s FILE`.", a.ID)},
		}
	}
	s.tell(ctx, n)
}

// retell is c, which told w of an earlier revision of a, as a is now; what was left out of it stays so once its moment has
// passed. changed: it says something else.
func (s *Service) retell(ctx context.Context, a, c announce.Announcement, w wave, actor string, now time.Time) (sub store.Submission, changed bool, err error) {
	n := s.child(a, w)
	n.ID, n.Rev, n.Channels, n.Created, n.Updated = c.ID, c.Rev+1, w.accounts, c.Created, now
	if equal(c, n) {
		return sub, false, nil
	}
	r, err := s.compose(ctx, n)
	if err != nil {
		return sub, false, err
	}
	rows, err := s.Store.Deliveries(ctx, c.ID)
	if err != nil {
		return sub, false, err
	}
	r.counted = s.count(&r, n.ID)
	sub = store.Submission{Announcement: n, Payloads: r.payloads, Counted: r.counted, Actor: actor, Cannot: map[string]string{}}
	at := due(n, now)
	for _, d := range r.deliveries {
		d.First, d.Next = at, at
		if !w.when.Instant.After(now) && leftOut(rows, d) {
			continue
		}
		if t := s.accounts[d.Account]; out(rows, d) {
			d.Next = now
			switch {
			case t.ability.Amend && !t.Manual && !a.Event.Cancelled:
			case t.ability.Retract && !t.Manual:
				continue // what says something else now is taken away; the announcement itself is there
			default:
				d.Manner = announce.Kept
			}
		}
		sub.Deliveries = append(sub.Deliveries, d)
	}
	for _, p := range r.personal {
		sub.Plans = append(sub.Plans, store.Plan{Account: p, First: at, Next: at, Keeps: !s.accounts[p].ability.Amend})
	}
	return sub, true, nil
}

// leftOut reports whether a row for the same place was skipped.
func leftOut(rows []announce.Delivery, d announce.Delivery) bool {
	return slices.ContainsFunc(rows, func(r announce.Delivery) bool {
		return r.Account == d.Account && r.Language == d.Language && r.Part == d.Part && r.State() == announce.SkippedState
	})
}

// equal reports whether two revisions of a wave's announcement say the same at the same time to the same people.
func equal(a, b announce.Announcement) bool {
	a.Rev, a.OfRev, a.Updated, b.Rev, b.OfRev, b.Updated = 0, 0, time.Time{}, 0, 0, time.Time{}
	x, y := *a.Event, *b.Event
	x.Sequence, y.Sequence = 0, 0
	a.Event, b.Event = &x, &y
	one, err := json.Marshal(a)
	other, failed := json.Marshal(b)
	return err == nil && failed == nil && bytes.Equal(one, other)
}
