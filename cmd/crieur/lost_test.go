package main

import (
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// A mail whose answer was lost is made again, and its address is refused: whether the first arrived is unknown. The mailing is
// over all the same, and whoever looks there can say what they saw.
func TestARefusalAfterALostAnswer(t *testing.T) {
	t.Parallel()
	to := []string{"ada@example.org", "bob@example.org"}
	m := newMailings(t, to, map[string]string{"CRIEUR_SETTLE_GAP": "10ms"})
	m.mail.Fail(
		emailtest.Fault{Phase: emailtest.Accepted, Act: emailtest.Drop, To: to[0]},
		emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 no such user", To: to[0], Skip: 1},
	)
	id := m.announce()
	p := m.until("nothing more is done", id, func(p broadcast.People) bool {
		return m.mail.Left() == 0 && p.Counts[announce.CallingNow]+p.Counts[announce.Waiting] == 0
	})
	if p.Counts[announce.Published] != 1 || p.Counts[announce.Unknown] != 1 {
		t.Errorf("%+v", p)
	}
	st, err := m.service.Status(t.Context(), id)
	if err != nil || !settled(st) || st.State != broadcast.Published {
		t.Errorf("%+v, %v", st, err)
	}
	a, err := m.store.AddressOf(t.Context(), "email", to[0])
	if err != nil {
		t.Fatal(err)
	}
	key := store.LetterKey(planOf(t, m.store, a), a.ID)
	if d, err := m.store.Delivery(t.Context(), key); err != nil || d.To != to[0] || d.Fault == "" {
		t.Fatalf("%+v, %v", d, err)
	}
	if d, err := m.service.Settle(t.Context(), id, key, broadcast.Appeared, nil, announce.Receipt{}, "ada"); err != nil || d.State() != announce.Published {
		t.Errorf("%+v, %v", d, err)
	}
}
