package broadcast

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// dear is a board where a post costs two dollars, or what it says, and five may be spent a month.
type dear struct{ eraser }

func (dear) Cost(m announce.Message) int64 {
	if strings.Contains(m.Text, "Ritz") {
		return 6_000_000
	}
	return 2_000_000
}
func (d dear) Limits() announce.Limits { return announce.Limits{Links: true, Budget: 5_000_000} }
func (l *life) on(accounts ...Account) *Service {
	o := l.Options
	o.Accounts, o.Metrics = accounts, NewMetrics(prometheus.NewRegistry())
	return New(o)
}

// step makes the next call of an announcement on the dear board, if one is due.
func (l *life) step(s *Service, id announce.ID) bool {
	l.t.Helper()
	c, ok, err := s.Store.Claim(l.t.Context(), "dear", id, store.ClaimOptions{Owner: "w", Lease: time.Minute})
	if err != nil {
		l.t.Fatal(err)
	}
	if !ok {
		return false
	}
	var h horizon
	if err := s.Store.Record(l.t.Context(), c.Fence, s.perform(l.t.Context(), s.accounts["dear"], c, &h).Delivery); err != nil {
		l.t.Fatal(err)
	}
	return true
}

// What costs more than a month's budget waits for no month: a person is told at once, and it leaves when it is cheaper.
func TestWhatNoMonthPaysForIsFailed(t *testing.T) {
	ctx := t.Context()
	l := begin(t, 1)
	l.wild = false
	b := &board{fails: l.fails, told: l.told}
	s := l.on(Account{Name: "dear", Publisher: dear{eraser{b}}})
	l.Service = s
	l.place = "the Ritz"
	a, _, err := s.Submit(ctx, l.draft(), "ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	for l.step(s, a.ID) {
	}
	rows, err := s.Store.Deliveries(ctx, a.ID)
	if err != nil || len(rows) != 1 || rows[0].Rest != announce.Failed || !strings.Contains(rows[0].Fault, "6.000 $, and the budget of a whole month is 5.00 $") {
		t.Errorf("%+v %v", rows, err)
	}
	if spent, err := s.Store.Spent(ctx, "dear", s.Store.Now()); err != nil || spent != 0 {
		t.Errorf("%d booked, %v", spent, err)
	}
	l.place = "Elsewhere"
	if _, err := s.Amend(ctx, a.ID, 1, l.draft(), "ada"); err != nil {
		t.Fatal(err)
	}
	for l.step(s, a.ID) {
	}
	if rows, err = s.Store.Deliveries(ctx, a.ID); err != nil || rows[0].Shown != 2 || len(b.posts) != 1 {
		t.Errorf("%+v %v", rows, err)
	}
}

// A post is not taken away that the month's budget does not let be published anew: the plan says so, a person is asked, and
// where the budget is used up between the two, the post stays until there is another.
func TestNothingIsDeletedThatCannotBePaidAnew(t *testing.T) {
	ctx := t.Context()
	l := begin(t, 1)
	l.wild = false
	b := &board{fails: l.fails, told: l.told}
	s := l.on(Account{Name: "dear", Publisher: dear{eraser{b}}})
	l.Service = s
	a, _, err := s.Submit(ctx, l.draft(), "ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	l.id = a.ID
	call := func(id announce.ID) {
		t.Helper()
		for l.step(s, id) {
		}
	}
	call(l.id)
	l.place = "Elsewhere"
	moved := l.draft()
	step := func() Step {
		t.Helper()
		p, err := s.Plan(ctx, l.id, 1, moved)
		if err != nil || len(p.Steps) != 1 {
			t.Fatalf("%+v %v", p, err)
		}
		return p.Steps[0]
	}
	if x := step(); x.Step != WayRepost || x.Cost != 2_000_000 {
		t.Errorf("with three dollars left: %+v", x)
	}
	if _, err := s.Amend(ctx, l.id, 1, moved, "ada"); err != nil {
		t.Fatal(err)
	}
	other := l.draft()
	rival, _, err := s.Submit(ctx, other, "ada", nil) // somebody else spends what is left
	if err != nil {
		t.Fatal(err)
	}
	call(rival.ID)
	call(l.id)
	rows, err := s.Store.Deliveries(ctx, l.id)
	if err != nil || len(rows) != 1 || rows[0].Shown != 1 || !strings.Contains(rows[0].Fault, "budget") || b.posts[0].gone {
		t.Errorf("%+v %v, gone %v", rows, err, b.posts[0].gone)
	}
	l.place = "Nowhere"
	moved = l.draft()
	p, err := s.Plan(ctx, l.id, 2, moved)
	if err != nil || len(p.Steps) != 1 || p.Steps[0].Step != WayTask || !strings.Contains(p.Steps[0].Why, "budget") {
		t.Fatalf("%+v %v", p.Steps, err)
	}
	if _, err := s.Amend(ctx, l.id, 2, moved, "ada"); err != nil {
		t.Fatal(err)
	}
	call(l.id)
	rows, err = s.Store.Deliveries(ctx, l.id)
	if err != nil || rows[0].Rest != announce.Cannot || !strings.Contains(rows[0].Fault, "budget") || b.posts[0].gone {
		t.Errorf("%+v %v, gone %v", rows, err, b.posts[0].gone)
	}
}

// What a post anew costs is booked before the old one is taken away: nobody spends it in between, and nobody pays it twice.
// It is given back when the post is not taken away, or not published any more.
func TestAPostAnewIsPaidBeforeTheOldOneIsTakenAway(t *testing.T) {
	ctx := t.Context()
	l := begin(t, 1)
	l.wild = false
	b := &board{fails: l.fails, told: l.told}
	s := l.on(Account{Name: "dear", Publisher: dear{eraser{b}}})
	l.Service = s
	submit := func() announce.ID {
		t.Helper()
		a, _, err := s.Submit(ctx, l.draft(), "ada", nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	move := func(id announce.ID, rev int) {
		t.Helper()
		l.place = l.somewhere()
		if _, err := s.Amend(ctx, id, rev, l.draft(), "ada"); err != nil {
			t.Fatal(err)
		}
	}
	row := func(id announce.ID) announce.Delivery {
		t.Helper()
		rows, err := s.Store.Deliveries(ctx, id)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%+v %v", rows, err)
		}
		return rows[0]
	}
	spent := func(when string, want int64) {
		t.Helper()
		if got, err := s.Store.Spent(ctx, "dear", s.Store.Now()); err != nil || got != want*1_000_000 {
			t.Errorf("%s: %d booked, want %d $: %v", when, got, want, err)
		}
	}
	all := func(id announce.ID) {
		t.Helper()
		for l.step(s, id) {
		}
	}
	first := submit()
	all(first)
	move(first, 1)
	b.fails = func() string { return "busy" }
	l.step(s, first)
	spent("the post could not be taken away", 2)
	b.fails = l.fails
	l.now = l.now.Add(time.Hour)
	l.step(s, first)
	if d := row(first); d.Shown != 0 || !b.posts[0].gone {
		t.Fatalf("it is to be away: %+v", d)
	}
	spent("the post is away", 4)
	rival := submit()
	all(rival)
	if d := row(rival); d.Shown != 0 || !strings.Contains(d.Fault, "budget") {
		t.Errorf("somebody else spent what was booked: %+v", d)
	}
	b.fails = func() string { return "busy" }
	l.step(s, first)
	spent("it could not be published anew at once", 4)
	b.fails = l.fails
	l.now = l.now.Add(time.Hour)
	all(first)
	if d := row(first); d.Shown != 2 || d.Paid != 0 {
		t.Errorf("published anew: %+v", d)
	}
	spent("it is published anew", 4)

	l.now = time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC)
	move(first, 2)
	l.step(s, first)
	spent("away in another month", 2)
	if err := s.Retract(ctx, first, 3, "ada"); err != nil {
		t.Fatal(err)
	}
	spent("taken back before it was published anew", 0)

	all(rival)
	move(rival, 1)
	if _, ok, err := s.Store.Claim(ctx, "dear", rival, store.ClaimOptions{Owner: "w", Lease: time.Minute}); err != nil || !ok { // and the program dies
		t.Fatal(ok, err)
	}
	other := submit()
	all(other)
	spent("two posts are out", 4)
	l.now = l.now.Add(2 * time.Minute)
	l.step(s, rival)
	if d := row(rival); d.Shown != 1 || b.posts[2].gone || !strings.Contains(d.Fault, "budget") {
		t.Errorf("taken away and not paid: %+v", d)
	}
	l.now = time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)
	all(rival)
	if d := row(rival); d.Shown != 2 || !b.posts[2].gone {
		t.Errorf("%+v", d)
	}
	spent("it is published anew", 2)
}
