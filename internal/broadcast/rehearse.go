package broadcast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Rehearsal is what was found when an announcement was rehearsed.
type Rehearsal = store.Rehearsal

const (
	rehearseEvery = 30 * time.Second // between two looks for what is to be rehearsed
	rehearseMost  = 2 * time.Minute  // for one rehearsal
	checkupFresh  = 15 * time.Minute // a look at an account is good for other rehearsals so long
)

// rehearseAll rehearses each scheduled announcement the set time before it is published, at once when that is nearer, and
// again when it was amended, as long as ctx lasts. Organisers hear of what was found.
func (s *Service) rehearseAll(ctx context.Context) {
	for s.Lead > 0 {
		ids, err := s.Store.ToRehearse(ctx, s.Lead)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("what is to be rehearsed could not be read; it is tried again", "err", err)
		}
		var g errgroup.Group
		g.SetLimit(4)
		for _, id := range ids {
			g.Go(func() error { s.rehearseOne(ctx, id); return nil })
		}
		_ = g.Wait() // each tells of itself
		select {
		case <-ctx.Done():
			return
		case <-s.calendar:
		case <-time.After(rehearseEvery):
		}
	}
}

func (s *Service) rehearseOne(ctx context.Context, id announce.ID) {
	if ctx.Err() != nil {
		return
	}
	ours, err := s.Store.TakeRehearsal(ctx, id, s.Lead)
	if err != nil || !ours {
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("a rehearsal could not begin; it is tried again", "announcement", id, "err", err)
		}
		return
	}
	a, found, err := s.rehearse(ctx, id, false)
	var nothing announce.Faults
	if err == nil || errors.As(err, &nothing) {
		err = s.Store.PutRehearsal(ctx, id, recorded(a, s.Store.Now(), found), "crieur")
	}
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("a rehearsal did not end; it is made again", "announcement", id, "err", err)
		}
		return
	}
	s.Log.Info("rehearsed", "announcement", id, "rev", a.Rev, "findings", len(found))
	if len(found) > 0 {
		s.warn(ctx, a, found)
	}
}

// Rehearse looks now whether an announcement that waits will leave well, without publishing anything, and puts what it
// finds on record. The error is a Faults when nothing of it waits.
func (s *Service) Rehearse(ctx context.Context, id announce.ID, actor string) (Rehearsal, error) {
	a, found, err := s.rehearse(ctx, id, true)
	if err != nil {
		return Rehearsal{}, err
	}
	r := recorded(a, s.Store.Now(), found)
	return r, s.Store.PutRehearsal(ctx, id, r, actor)
}

// concern is a Concern, with its words in French where they are our own.
type concern struct {
	announce.Concern
	what, do string
}

func recorded(a announce.Announcement, now time.Time, found []concern) Rehearsal {
	r := Rehearsal{Rev: a.Rev, At: now, Findings: make([]announce.Concern, len(found))}
	for i, c := range found {
		r.Findings[i] = c.Concern
	}
	return r
}

// rehearsal is one under way.
type rehearsal struct {
	*Service
	announce.Announcement
	at    time.Time // when it is published
	fresh bool      // no earlier look at an account will do
	mu    sync.Mutex
	found []concern
}

func (r *rehearsal) add(probe, account string, severe bool, english, do, french, faire string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := announce.Concern{Probe: probe, Channel: account, Finding: announce.Finding{Severe: severe, What: english, Do: do}}
	r.found = append(r.found, concern{c, cmp.Or(french, english), cmp.Or(faire, do)})
}

func (s *Service) rehearse(ctx context.Context, id announce.ID, fresh bool) (announce.Announcement, []concern, error) {
	ctx, cancel := context.WithTimeout(ctx, rehearseMost)
	defer cancel()
	a, retracted, err := s.Store.Announcement(ctx, id)
	if err != nil {
		return a, nil, err
	}
	if retracted {
		return a, nil, store.ErrRetracted
	}
	rows, err := s.Store.Deliveries(ctx, id)
	if err != nil {
		return a, nil, err
	}
	personal, err := s.Store.PersonalAccounts(ctx, id)
	if err != nil {
		return a, nil, err
	}
	waits := slices.ContainsFunc(rows, func(d announce.Delivery) bool { return d.Todo() == announce.Publish })
	for _, name := range personal {
		c, err := s.Store.Counts(ctx, id, name)
		if err != nil {
			return a, nil, err
		}
		waits = waits || !c.Done
	}
	if !waits {
		return a, nil, announce.Faults{{Field: "id", Say: "nothing of it waits to be published: there is nothing to rehearse"}}
	}
	r := &rehearsal{Service: s, Announcement: a, at: due(a, a.Updated), fresh: fresh}
	targets := s.targets(a)
	var g errgroup.Group
	for _, t := range targets {
		g.Go(func() error { return errors.Join(r.account(ctx, t), r.people(ctx, t), r.frozen(ctx, t, rows)) })
	}
	g.Go(func() error { r.links(ctx); return nil })
	g.Go(func() error { return r.text(ctx) })
	if err := g.Wait(); err != nil {
		return a, nil, err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(accountsOf(rows), personal...)))) {
		if _, on := s.accounts[name]; !on {
			r.add("account", name, true, name+" is not switched on any more", "switch it on again (CRIEUR_CHANNELS), or amend the announcement without it",
				name+" n’est plus activé", "réactivez-le (CRIEUR_CHANNELS), ou modifiez l’annonce pour s’en passer")
		}
	}
	slices.SortStableFunc(r.found, func(x, y concern) int {
		return cmp.Or(-cmp.Compare(oneIf(x.Severe), oneIf(y.Severe)), cmp.Compare(s.place(x.Channel), s.place(y.Channel)), cmp.Compare(x.Probe, y.Probe))
	})
	return a, r.found, nil
}

func accountsOf(rows []announce.Delivery) (names []string) {
	for _, d := range rows {
		names = append(names, d.Account)
	}
	return names
}

// warn tells organisers what a rehearsal found, on accounts that work. When there is none, the log does.
func (s *Service) warn(ctx context.Context, a announce.Announcement, found []concern) {
	on := s.speaking(ctx)
	if len(on) == 0 {
		for _, c := range found {
			s.Log.Error("a rehearsal found something, and no account of CRIEUR_NOTICES works to tell it", "announcement", a.ID, "probe", c.Probe, "account", c.Channel, "what", c.What, "do", c.Do)
		}
		return
	}
	var french, english []string
	for _, c := range found {
		where, ou := "", ""
		if c.Channel != "" {
			where, ou = c.Channel+": ", c.Channel+"\u00a0: "
		}
		english = append(english, "- "+words(where+c.What)+"\n  → "+words(c.Do))
		french = append(french, "- "+words(ou+c.what)+"\n  → "+words(c.do))
	}
	day := a.At.In().Format("2006-01-02 15:04")
	again := fmt.Sprintf("`crieur rehearse %s`", a.ID)
	s.tell(ctx, notice{key: fmt.Sprintf("rehearsal:%s:%d", a.ID, a.Rev), on: on, texts: titled(a, "À voir avant la parution du "+day, "To look at before it is published on "+day,
		strings.Join(french, "\n")+"\n\nPour vérifier à nouveau\u00a0: "+again, strings.Join(english, "\n")+"\n\nTo look again: "+again)})
}

// speaking are the accounts for notices that can be believed to work now.
func (s *Service) speaking(ctx context.Context) (names []string) {
	states, err := s.Store.Accounts(ctx)
	if err != nil {
		s.Log.Warn("stopped accounts could not be read", "err", err)
	}
	for _, name := range s.Notices {
		stopped := slices.ContainsFunc(states, func(x store.AccountState) bool { return x.Account == name && x.Stopped })
		if !stopped && !severe(s.checkup(ctx, s.accounts[name].Account, false).Report) {
			names = append(names, name)
		}
	}
	return names
}
