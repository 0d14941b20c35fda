package main

import (
	"testing"
	"time"

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

// A mail whose answer was lost is made again, and put off until it is too late: whether the first arrived is unknown. It was not
// skipped.
func TestTooLateAfterALostAnswer(t *testing.T) {
	t.Parallel()
	to := "ada@example.org"
	m := newMailings(t, []string{to}, map[string]string{"CRIEUR_SETTLE_GAP": "10ms"})
	m.mail.Fail(
		emailtest.Fault{Phase: emailtest.Accepted, Act: emailtest.Drop},
		emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "451 4.3.0 later", Skip: 1},
	)
	for range 1000 {
		m.mail.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "451 4.3.0 later"})
	}
	none := 0
	a, _, err := m.service.Submit(t.Context(), announce.Draft{
		Kind: announce.KindNews, UndoSeconds: &none, Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre", Body: "Venez !"}},
		ExpiresAt: time.Now().Add(10 * time.Second).Format(time.RFC3339),
	}, "ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := m.until("nothing more is done", a.ID, func(p broadcast.People) bool {
		return m.mail.Count(to) == 1 && p.Counts[announce.CallingNow]+p.Counts[announce.Waiting] == 0 && m.mail.Left() < 1001
	})
	if p.Counts[announce.Unknown] != 1 {
		t.Errorf("%+v", p)
	}
}
