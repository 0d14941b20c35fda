package broadcast

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// leaseAtOnce is how many letters a worker takes for itself at once.
const leaseAtOnce = 500

// mailing is one turn of an announcement's letters on a personal account.
type mailing struct {
	*Service
	account account
	id      announce.ID
	calls   context.Context // ends when a lease is lost, and with the grace
	letters chan leased
	horizon horizon
	over    atomic.Bool // no letter begins any more
	mu      sync.Mutex
	batches map[*stack]bool // those that are ours
}

// stack is a batch of which some letters are not done with yet.
type stack struct {
	store.Batch
	left atomic.Int64
}

type leased struct {
	*store.Letter
	of *stack
}

// mail sends the letters that are due for an announcement, until end. ctx ends the taking of work, calls ends the calls.
// Each connection's turn of a letter is one change of the record: how the letter before ended, and that this one begins.
func (s *Service) mail(ctx, calls context.Context, a account, id announce.ID, end time.Time) {
	calls, cancel := context.WithCancel(calls)
	defer cancel()
	m := &mailing{Service: s, account: a, id: id, calls: calls, letters: make(chan leased, leaseAtOnce/2), batches: map[*stack]bool{}}
	released := make(chan struct{})
	go m.renew(cancel, released)
	var g sync.WaitGroup
	for range max(1, a.Concurrent) {
		g.Go(m.loop)
	}
	m.fill(ctx, end)
	g.Wait()
	for b := range m.batches { // what a crash of a channel, or of the record, left
		m.giveBack(b)
	}
	close(released)
}

// fill leases letters until there are none, or the turn is over.
func (m *mailing) fill(ctx context.Context, end time.Time) {
	defer close(m.letters)
	for {
		if ctx.Err() != nil || time.Now().After(end) {
			m.over.Store(true)
		}
		if m.over.Load() {
			return
		}
		b, err := m.Store.Lease(ctx, m.account.Name, m.id, store.LeaseOptions{Owner: m.Store.Owner(), Lease: m.Lease, Most: leaseAtOnce, Pace: m.account.Pace})
		if err != nil {
			if ctx.Err() == nil {
				m.Log.Warn("no letters could be leased; the sweeper tries again", "account", m.account.Name, "announcement", m.id, "err", err)
			}
			return
		}
		if b.Closed {
			m.recount(ctx, m.id)
		}
		if len(b.Letters) == 0 {
			return
		}
		of := &stack{Batch: b}
		if of.Letters, err = m.inTurn(&b); err != nil {
			m.Log.Warn("letters that must wait could not be put off; the sweeper tries again", "account", m.account.Name, "announcement", m.id, "err", err)
			m.giveBack(of)
			return
		}
		of.left.Store(int64(len(of.Letters)))
		m.mu.Lock()
		m.batches[of] = true
		m.mu.Unlock()
		if len(of.Letters) == 0 {
			m.giveBack(of)
			continue
		}
		timeout := time.NewTimer(time.Until(end))
		for _, l := range of.Letters {
			select {
			case m.letters <- leased{l, of}:
				continue
			case <-ctx.Done():
			case <-timeout.C:
			}
			m.over.Store(true)
			m.done(of) // and all that follow, which loops pass over as well
		}
		timeout.Stop()
	}
}

// recount sees to it that the letters of an announcement, or of every plan that is not over, add up.
func (s *Service) recount(ctx context.Context, id announce.ID) {
	n, err := s.Store.Recount(ctx, id)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("letters could not be recounted", "announcement", id, "err", err)
		}
		return
	}
	s.Metrics.conservation.Add(float64(n))
}

// loop sends letters one after another, as long as there are any.
func (m *mailing) loop() {
	var before *store.Ended
	var of *stack
	for {
		l, ok := m.next(before == nil)
		if l.Letter == nil {
			if before != nil {
				m.advance(before, nil)
				m.done(of)
				before = nil
			}
			if !ok {
				return
			}
			continue
		}
		if m.over.Load() || m.putOff(l) {
			m.done(l.of)
			continue
		}
		m.account.slots <- struct{}{}
		began := m.advance(before, l.Letter)
		if before != nil {
			m.done(of)
			before = nil
		}
		for began == store.Paced && !m.over.Load() {
			select {
			case <-m.calls.Done():
				m.over.Store(true)
			case <-time.After(m.account.Pace):
			}
			began = m.advance(nil, l.Letter)
		}
		if began == store.Begun {
			before, of = m.send(l.Letter), l.of
		} else {
			if began == store.Held {
				m.over.Store(true)
			}
			m.done(l.of)
		}
		<-m.account.slots
	}
}

// next is the next letter. Without wait it may be none although there will be more.
func (m *mailing) next(wait bool) (l leased, more bool) {
	if wait {
		l, more = <-m.letters
		return l, more
	}
	select {
	case l, more = <-m.letters:
		return l, more
	default:
		return l, true
	}
}

// done counts a letter as done with; after the last of a batch its lease is given back.
func (m *mailing) done(b *stack) {
	if b.left.Add(-1) == 0 {
		m.giveBack(b)
	}
}

func (m *mailing) giveBack(b *stack) {
	m.mu.Lock()
	delete(m.batches, b)
	m.mu.Unlock()
	if err := m.Store.GiveBack(context.Background(), &b.Batch); err != nil {
		m.Log.Warn("a lease could not be given back; it ends by itself", "account", m.account.Name, "announcement", m.id, "err", err)
	}
}

// renew keeps the leases until released. One that is lost ends the calls: somebody else answers for the letters.
func (m *mailing) renew(cancel func(), released <-chan struct{}) {
	tick := time.NewTicker(m.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-released:
			return
		case <-tick.C:
		}
		m.mu.Lock()
		ours := make([]*stack, 0, len(m.batches))
		for b := range m.batches {
			ours = append(ours, b)
		}
		m.mu.Unlock()
		for _, b := range ours {
			if err := m.Store.RenewLease(context.Background(), &b.Batch, m.Lease); errors.Is(err, store.ErrFenced) && b.left.Load() > 0 {
				m.over.Store(true)
				cancel()
			}
		}
	}
}

// send makes the call of a letter that began and says how it ended.
func (m *mailing) send(l *store.Letter) *store.Ended {
	message, usable, err := m.Store.Message(m.calls, l)
	c := store.Claim{Delivery: l.Delivery, Verb: l.Calling, Message: message}
	if l.Settling() {
		c.Verb = announce.Settle
	}
	var v verdict
	switch {
	case err != nil && c.Verb != announce.Settle:
		d := ended(l.Delivery)
		d.Attempts--
		d.Next, d.Fault = m.Store.Now().Add(backoff(1)), "the message could not be read; it is tried again"
		v = verdict{Delivery: d}
	case err != nil:
		d := l.Delivery
		d.Next = m.Store.Now().Add(m.SettleGap)
		v = verdict{Delivery: d}
	case !usable && c.Verb == announce.Settle:
		d := l.Delivery
		d.Rest, d.Fault = announce.Person, store.Corrupt
		v = verdict{Delivery: d}
	case !usable && c.Verb != announce.Retract:
		d := ended(l.Delivery)
		d.Rest, d.Fault = announce.Failed, store.Corrupt
		v = verdict{Delivery: d}
	default:
		m.address(&c.Message, l)
		v = m.answered(l, m.perform(m.calls, m.account, c, &m.horizon))
	}
	if err := m.restrain(context.Background(), m.account.Name, v); err != nil {
		m.Log.Error("an account that should wait could not be told to", "account", m.account.Name, "err", err)
	}
	if v.Pause > 0 || v.Stop != "" {
		m.over.Store(true)
	}
	return m.heard(l, v)
}

// address puts into a message what is the person's own.
func (m *mailing) address(msg *announce.Message, l *store.Letter) {
	if m.Links == nil {
		return
	}
	b := people.Bearer{Address: l.Address}
	msg.Unsubscribe = m.Links.Make(people.Unsubscribe, b, l.First)
	msg.Preferences = m.Links.Make(people.Preferences, b, l.First)
	if msg.Kind == announce.KindConfirm { // all that its reader may choose yet; and its name may be a stranger's
		msg.Preferences, msg.Name = m.Links.Make(people.Confirm, b, l.First), ""
	}
	b.Letter = l.Plan
	msg.Archive = m.Links.Make(people.Archive, b, l.First)
	if m.Returns != nil {
		msg.ReturnPath = m.Returns(b)
	}
}

// heard is what the record is told of a letter's end: with what was said of the address.
func (m *mailing) heard(l *store.Letter, v verdict) *store.Ended {
	return &store.Ended{Letter: l, Delivery: v.Delivery, Gone: v.Gone, Status: v.Status, Group: m.account.group(l.To)}
}

// advance puts an end and a beginning on record. A result that is known must not be lost: it is tried again by itself.
func (m *mailing) advance(before *store.Ended, next *store.Letter) store.Beginning {
	began, fenced, err := m.Store.Advance(context.Background(), before, next)
	for try := 0; err != nil && try < 5; try++ {
		m.Log.Error("the record did not take a letter", "account", m.account.Name, "announcement", m.id, "try", try+1, "err", err)
		time.Sleep(100 * time.Millisecond << try)
		next = nil
		began, fenced, err = m.Store.Advance(context.Background(), before, nil)
	}
	if err != nil {
		m.over.Store(true)
		return store.Held // the letter stays on record as it was, and is looked at when the lease is over
	}
	if before == nil {
		return began
	}
	d := before.Delivery
	if fenced {
		m.Metrics.fenced.Inc()
		m.Log.Warn("somebody else took over the letter; this result is dropped", "delivery", d.ID, "account", m.account.Name)
		return began
	}
	m.Point(AfterResult)
	if d.Fault != "" {
		m.Log.Warn("letter", "account", m.account.Name, "announcement", d.Announcement, "delivery", d.ID, "state", d.State(), "fault", d.Fault)
	}
	return began
}
