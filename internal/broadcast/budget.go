package broadcast

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// afford books what a call costs, and before a post is taken away what it costs to publish it anew: that one pays nothing
// more, but for what a later text costs more. cost is what a refusal gives back. When the account's budget of the month is
// used up, the delivery waits for the next one. What no month's budget pays for waits for a person.
func (s *Service) afford(ctx context.Context, a account, c store.Claim) (cost int64, held announce.Delivery, ok bool) {
	priced, ok := a.Publisher.(announce.Coster)
	anew := c.Delivery.Calling == announce.Retract && c.Delivery.Wanted
	if !ok || a.Budget <= 0 || c.Verb == announce.Retract && !anew || c.Verb == announce.Amend && !a.ability.Amend {
		return 0, c.Delivery, true
	}
	if err := s.guard(a.Name, func() error { cost = priced.Cost(c.Message); return nil }); err != nil {
		d := c.Delivery
		d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Failed, asError(err).Error()
		return 0, d, false
	}
	var booked bool
	var next time.Time
	var err error
	refund := cost
	if anew || c.Delivery.Paid > 0 {
		refund = 0 // the record gives it back
		booked, next, err = s.Store.Prepay(ctx, c.Delivery.ID, c.Fence, cost, a.Budget)
	} else {
		booked, next, err = s.Store.Spend(ctx, a.Name, cost, a.Budget)
	}
	if booked {
		return refund, c.Delivery, true
	}
	d := ended(c.Delivery)
	d.Attempts--
	if err != nil {
		d.Next, d.Fault = s.Store.Now().Add(backoff(1)), "the budget could not be read; it is tried again"
		return 0, d, false
	}
	if cost > a.Budget {
		d.Rest, d.Fault = announce.Failed, fmt.Sprintf("this post costs %.3f $, and the budget of a whole month is %.2f $: raise the budget and say that the post did not appear, or amend the announcement", float64(cost)/1e6, float64(a.Budget)/1e6)
		if d.Lost() {
			d = lost(d, c.Delivery)
		}
		return 0, d, false
	}
	d.Next = s.Store.Now().Add(time.Hour) // the budget may be raised before the month ends
	if next.Before(d.Next) {
		d.Next = next
	}
	d.Fault = fmt.Sprintf("this post costs %.3f $ and would pass the budget of %.2f $ a month; it waits until %s, or until the budget is raised", float64(cost)/1e6, float64(a.Budget)/1e6, next.Format(time.DateOnly))
	return 0, d, false
}

// payable leaves those of some ways for which the account's budget of the month is not enough: another message takes the place
// of a post anew, and a person that of a message.
func (s *Service) payable(ctx context.Context, c *change, ways ...Way) (changed bool, err error) {
	for i := range c.ways {
		w := &c.ways[i]
		out := slices.ContainsFunc(c.rows, func(d announce.Delivery) bool {
			return d.Account == w.Name && d.Wanted && (d.Shown > 0 || d.Calling != announce.Nothing)
		})
		if !out || w.Personal || !slices.Contains(ways, w.way) {
			continue
		}
		all := payloadsOf(saidTo(c.said.payloads, 0), w.Name)
		if w.way == WayRepost {
			all = payloadsOf(c.composed.payloads, w.Name)
		}
		cost, left, err := s.quote(ctx, w.account, all)
		if err != nil {
			return changed, err
		}
		if w.way == WayRepost {
			for _, d := range rowsOf(c.rows, w.Name) {
				left += d.Paid // for a post anew that an earlier change asked for
			}
		}
		if cost <= left {
			continue
		}
		changed = true
		w.why = fmt.Sprintf("%s costs %.3f $, and %.3f $ of the month's budget are left", w.way, float64(cost)/1e6, float64(left)/1e6)
		if w.way == WayRepost && w.takes(c.tells()) && !slices.ContainsFunc(rowsOf(c.rows, w.Name), repostPending) {
			w.way = WayFollowUp
		} else {
			w.way = WayTask
		}
	}
	return changed, nil
}

// quote is what messages cost on an account, and what is left of its budget of the month.
func (s *Service) quote(ctx context.Context, a account, all []store.Payload) (cost, left int64, err error) {
	priced, ok := a.Publisher.(announce.Coster)
	if !ok || a.Budget <= 0 {
		return 0, 0, nil
	}
	for _, p := range all {
		if err := s.guard(a.Name, func() error { cost += priced.Cost(p.Message); return nil }); err != nil {
			return 0, 0, nil // the call will tell
		}
	}
	spent, err := s.Store.Spent(ctx, a.Name, s.Store.Now())
	return cost, max(0, a.Budget-spent), err
}
