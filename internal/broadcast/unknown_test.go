package broadcast

import (
	"context"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// numb is a board of which no answer comes back to some.
type numb struct {
	*pinboard
	deaf map[string]bool
}

func (n numb) Limits() announce.Limits { return announce.Limits{Personal: true, Links: true} }

func (n numb) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if n.deaf[m.To] {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "no answer"}
	}
	return n.pinboard.Publish(ctx, m)
}

// Messages of which nobody knows whether they arrived are listed with whom they were for, since when and why, and settled one by
// one or all at once.
func TestUnknownLetters(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	deaf := map[string]bool{"ada@example.org": true, "bob@example.org": true}
	s := seasonOf(t, func(b *pinboard) announce.Publisher { return numb{b, deaf} })
	a, _, err := s.Submit(ctx, meetup(), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	list := func() []UnknownLetter {
		t.Helper()
		all, err := s.UnknownLetters(ctx, a.ID, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	s.until("a person is asked about two", func() bool {
		all := list()
		return len(all) == 2 && all[0].Person && all[1].Person
	})
	all := list()
	for _, l := range all {
		if !deaf[l.To] || l.Announcement != a.ID || l.Channel != "email" || l.Title != "Soirée de mai" || l.Why == "" || !l.Since.Equal(s.clock()) || l.Call != announce.Publish {
			t.Errorf("%+v", l)
		}
	}
	if next, err := s.UnknownLetters(ctx, "", all[0].Delivery, 10); err != nil || len(next) != 1 || next[0] != all[1] {
		t.Errorf("%+v %v", next, err)
	}
	if _, err := s.Settle(ctx, a.ID, all[0].Delivery, Appeared, nil, announce.Receipt{}, "test"); err != nil {
		t.Fatal(err)
	}
	if left := list(); len(left) != 1 || left[0].Delivery != all[1].Delivery {
		t.Errorf("%+v", left)
	}
	if _, err := s.SettleUnknown(ctx, a.ID, "place", Appeared, "test"); err == nil {
		t.Error("a place is no channel to people")
	}
	if n, err := s.SettleUnknown(ctx, a.ID, "email", Appeared, "test"); n != 1 || err != nil {
		t.Errorf("%d settled, %v", n, err)
	}
	if left := list(); len(left) > 0 {
		t.Errorf("%+v", left)
	}
	if n, err := s.Store.Counts(ctx, a.ID, "email"); err != nil || n.By[announce.Published] != 3 {
		t.Errorf("%+v %v", n, err)
	}
}
