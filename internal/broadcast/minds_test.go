package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/templates"
)

// board is a place where posts are: what readers see, and what goes wrong next.
type board struct {
	posts []*pinned
	fails func() string // before, after, busy, or nothing
	told  func(announce.Message)
}

type pinned struct {
	key     string
	m       announce.Message
	answers string
	gone    bool
}

func (b *board) effect(do func()) error {
	switch b.fails() {
	case "before":
		return &announce.Error{Outcome: announce.Ambiguous, Fault: "no answer"}
	case "busy":
		return &announce.Error{Outcome: announce.Temporary, Fault: "busy"}
	case "after":
		do()
		return &announce.Error{Outcome: announce.Ambiguous, Fault: "no answer"}
	}
	do()
	return nil
}

func (b *board) receipt(i int) announce.Receipt { return announce.Receipt{ID: strconv.Itoa(i)} }

func (b *board) Name() string            { return "board" }
func (b *board) Limits() announce.Limits { return announce.Limits{Links: true} }
func (b *board) Publish(_ context.Context, m announce.Message) (announce.Receipt, error) {
	b.told(m)
	err := b.effect(func() { b.posts = append(b.posts, &pinned{key: m.Key, m: m, answers: m.Parent.ID}) })
	return b.receipt(len(b.posts) - 1), err
}

func (b *board) Find(_ context.Context, m announce.Message, _ time.Time) (announce.Receipt, bool, error) {
	for i, p := range b.posts {
		if p.key == m.Key && !p.gone && p.m.Rev == m.Rev {
			return b.receipt(i), true, nil
		}
	}
	return announce.Receipt{}, false, nil
}

func (b *board) at(r announce.Receipt) *pinned {
	i, err := strconv.Atoi(r.ID)
	if err != nil {
		panic(err)
	}
	return b.posts[i]
}

// eraser is a board whose posts can be taken away.
type eraser struct{ *board }

func (b eraser) Retract(_ context.Context, r announce.Receipt) error {
	return b.effect(func() { b.at(r).gone = true })
}

// editor is a board whose posts can be edited as well.
type editor struct{ eraser }

func (b editor) Amend(_ context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	return r, b.effect(func() { b.at(r).m = m })
}

// thread is a board where a post can answer another, and nothing else.
type thread struct{ *board }

func (thread) Limits() announce.Limits { return announce.Limits{Links: true, Replies: true} }

// life is one announcement on boards of every kind, and whoever changes their mind about it.
type life struct {
	*Service
	t      *testing.T
	dice   *rand.Rand
	now    time.Time
	boards map[string]*board
	id     announce.ID
	rev    int
	place  string
	wild   bool // calls may be lost
	off    bool // cancelled
	gone   bool // retracted
	log    []string
}

func (l *life) say(format string, args ...any) { l.log = append(l.log, fmt.Sprintf(format, args...)) }

func begin(t *testing.T, seed uint64) *life {
	l := &life{t: t, dice: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC), boards: map[string]*board{}, wild: true}
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), MinFree: -1, Clock: func() time.Time { return l.now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	board := func(name string) *board {
		b := &board{fails: l.fails, told: l.told}
		l.boards[name] = b
		return b
	}
	accounts := []Account{
		{Name: "mute", Publisher: board("mute")}, {Name: "eraser", Publisher: eraser{board("eraser")}},
		{Name: "editor", Publisher: editor{eraser{board("editor")}}}, {Name: "thread", Publisher: thread{board("thread")}},
	}
	l.Service = New(Options{Store: db, Templates: set, Accounts: accounts, Site: announce.Site{Name: "Club", Zone: "UTC", Languages: []announce.Language{"en"}},
		Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())})
	l.place = l.somewhere()
	a, _, err := l.Submit(t.Context(), l.draft(), "ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	l.id, l.rev = a.ID, a.Rev
	return l
}

func (l *life) somewhere() string { return fmt.Sprintf("Room%04d", l.dice.IntN(10000)) }

func (l *life) draft() announce.Draft {
	undo := 0
	return announce.Draft{Kind: announce.KindEvent, Texts: map[announce.Language]announce.Text{"en": {Title: "Meetup", Body: fmt.Sprintf("Come. %d", l.dice.IntN(3))}},
		UndoSeconds: &undo, Event: &announce.DraftEvent{StartsAt: "2027-06-01T18:30", Venue: &announce.Venue{Name: l.place}}}
}

// fails decides how the next call ends.
func (l *life) fails() string {
	if !l.wild {
		return ""
	}
	return []string{"", "", "", "before", "after", "busy"}[l.dice.IntN(6)]
}

// told looks at each call that publishes: nothing begins that is not wanted any more.
func (l *life) told(m announce.Message) {
	if l.gone {
		l.t.Errorf("published after it was taken back: %s\n%s", m.Text, strings.Join(l.log, "\n"))
	}
	if l.off && !m.Event.Cancelled {
		l.t.Errorf("published after it was called off: %s\n%s", m.Text, strings.Join(l.log, "\n"))
	}
}

// everything is the announcement, and what follows it.
func (l *life) everything() []announce.ID {
	following, err := l.Store.Following(l.t.Context(), l.id)
	if err != nil {
		l.t.Fatal(err)
	}
	all := []announce.ID{l.id}
	for _, f := range following {
		all = append(all, f.ID)
	}
	return all
}

// work makes one call that is due, or dies on the way. False: none is due.
func (l *life) work() bool {
	jobs, err := l.Store.Due(l.t.Context(), 100)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(jobs) == 0 {
		return false
	}
	job := jobs[l.dice.IntN(len(jobs))]
	c, ok, err := l.Store.Claim(l.t.Context(), job.Account, job.Announcement, store.ClaimOptions{Owner: "w", Lease: time.Minute})
	if err != nil {
		l.t.Fatal(err)
	}
	if !ok {
		return true
	}
	death := ""
	if l.wild {
		death = []string{"", "", "", "before", "after"}[l.dice.IntN(5)]
	}
	l.say("%s %s rev %d of %s, dies %q", job.Account, c.Verb, c.Delivery.CallRev, job.Announcement, death)
	if death == "before" {
		return true
	}
	var h horizon
	v := l.perform(l.t.Context(), l.accounts[job.Account], c, &h)
	if death == "after" {
		return true
	}
	if err := l.Store.Record(l.t.Context(), c.Fence, v.Delivery); err != nil {
		l.t.Fatal(err)
	}
	return true
}

// change changes somebody's mind.
func (l *life) change() {
	ctx := l.t.Context()
	var a Accepted
	var err error
	switch n := l.dice.IntN(12); {
	case n < 6:
		if n < 4 {
			l.place = l.somewhere()
		}
		l.say("amend to %s", l.place)
		d := l.draft()
		a, err = l.Amend(ctx, l.id, l.rev, d, "ada")
		l.off = l.off && err != nil
	case n < 8:
		l.say("plan, and run it")
		l.place = l.somewhere()
		var p Planned
		if p, err = l.Plan(ctx, l.id, l.rev, l.draft()); err == nil {
			if a, err = l.RunPlan(ctx, l.id, p.PlanID, "ada"); errors.Is(err, store.ErrMoved) {
				l.t.Errorf("nothing moved:\n%s", strings.Join(l.log, "\n"))
			}
			l.off = l.off && err != nil
		}
	case n < 11:
		l.say("cancel")
		a, err = l.Cancel(ctx, l.id, map[announce.Language]string{"en": []string{"", "The speaker is ill."}[l.dice.IntN(2)]}, "ada")
		l.off = true
	default:
		l.say("retract")
		a, err = Accepted{Rev: l.rev}, l.Retract(ctx, l.id, l.rev, "ada")
		l.gone = true
	}
	if err != nil {
		l.t.Fatalf("%v\n%s", err, strings.Join(l.log, "\n"))
	}
	l.rev = a.Rev
}

// asked answers what a person was asked: they look.
func (l *life) asked() {
	for _, id := range l.everything() {
		rows, err := l.Store.Deliveries(l.t.Context(), id)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, d := range rows {
			if d.Rest != announce.Person && d.Rest != announce.Failed || d.Calling == announce.Nothing {
				continue
			}
			saw, r := Absent, announce.Receipt{}
			b := l.boards[d.Account]
			for i, p := range b.posts {
				if p.key == d.ID && !p.gone && (d.Calling != announce.Publish || p.m.Rev == d.CallRev) && (d.Calling != announce.Amend || p.m.Rev == d.CallRev) {
					saw, r = Appeared, b.receipt(i)
				}
			}
			l.say("a person says of %s on %s: %s", d.Calling, d.Account, saw)
			if _, err := l.Settle(l.t.Context(), id, d.ID, saw, nil, r, "ada"); err != nil {
				l.t.Fatalf("%v\n%+v\n%s", err, d, strings.Join(l.log, "\n"))
			}
		}
	}
}

// check compares what readers see with what was decided.
func (l *life) check() {
	for name, b := range l.boards {
		var main, others []*pinned
		for _, p := range b.posts {
			if p.gone {
				continue
			}
			if p.m.Announcement == l.id {
				main = append(main, p)
			} else {
				others = append(others, p)
			}
		}
		bad := func(why string) {
			var seen []string
			for _, p := range append(main, others...) {
				seen = append(seen, fmt.Sprintf("%s rev %d: %s", p.m.Announcement, p.m.Rev, strings.Join(strings.Fields(p.m.Text), " ")))
			}
			l.t.Errorf("%s: %s (place %s, off %v, gone %v)\nreaders see\n%s\nafter\n%s", name, why, l.place, l.off, l.gone, strings.Join(seen, "\n"), strings.Join(l.log, "\n"))
		}
		if len(main) > 1 {
			bad("it is there twice")
		}
		if l.gone {
			if name != "mute" && name != "thread" && len(main)+len(others) > 0 {
				bad("it is there still")
			}
			continue
		}
		if len(main) == 0 {
			if !l.off {
				bad("it is not there")
			}
			continue
		}
		says := func(p *pinned) bool {
			return p.m.Event.Cancelled == l.off && (l.off || strings.Contains(p.m.Text, l.place))
		}
		last := main[0]
		if len(others) > 0 {
			last = others[len(others)-1]
		}
		switch name {
		case "editor", "eraser":
			if !says(main[0]) || len(others) > 0 {
				bad("it says something else")
			}
		default:
			if !says(last) && !says(main[0]) {
				bad("nothing corrects it")
			}
			for _, p := range others {
				// Where a person has yet to look whether the post is there, its correction stands alone.
				if name == "thread" && p.answers != "" && b.posts[atoi(p.answers)].m.Announcement != l.id {
					bad("a correction answers something else")
				}
			}
		}
	}
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// Whoever changes their mind at any moment, and whatever dies or is lost on the way: in the end readers see what was
// decided last, once; and nothing begins that was taken back or called off.
func TestChangingOnesMindAtAnyMoment(t *testing.T) {
	lives := 20
	if n, err := strconv.Atoi(os.Getenv("CRIEUR_TEST_LIVES")); err == nil {
		lives = n
	}
	for seed := range lives {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			l := begin(t, uint64(seed))
			for range 40 {
				switch n := l.dice.IntN(10); {
				case n == 0 && !l.gone:
					l.change()
				case n < 3:
					l.now = l.now.Add(time.Duration(l.dice.IntN(120)) * time.Second)
				default:
					l.work()
				}
			}
			l.wild = false
			for range 200 {
				if !l.work() {
					l.now = l.now.Add(2 * time.Minute)
					l.asked()
				}
			}
			if jobs, err := l.Store.Due(t.Context(), 10); err != nil || len(jobs) > 0 {
				t.Errorf("due for ever: %v %v\n%s", jobs, err, strings.Join(l.log, "\n"))
			}
			l.check()
		})
	}
}
