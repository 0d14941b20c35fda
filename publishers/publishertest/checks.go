package publishertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
)

// ample is far more than any call to a simulated platform needs.
const ample = 20 * time.Second

// together is how many messages are published at once.
const together = 16

func abilities(t testing.TB, c Case) error {
	p, _ := c.Open(t)
	var can []string
	if _, ok := p.(announce.Amender); ok {
		can = append(can, "amend")
	}
	if _, ok := p.(announce.Retracter); ok {
		can = append(can, "retract")
	}
	if _, ok := p.(announce.Finder); ok {
		can = append(can, "find")
	}
	if _, ok := p.(announce.Checker); ok {
		can = append(can, "check")
	}
	declared := slices.Clone(c.Can)
	slices.Sort(declared)
	slices.Sort(can)
	if !slices.Equal(can, declared) {
		return fmt.Errorf("can %v; declared %v", can, declared)
	}
	return nil
}

func limits(t testing.TB, c Case) error {
	p, _ := c.Open(t)
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if p.Name() != filepath.Base(dir) {
		return fmt.Errorf("is called %q in the folder %q", p.Name(), filepath.Base(dir))
	}
	l := p.Limits()
	switch {
	case l.Text < 0, l.Images < 0, l.Alt < 0, l.Idempotent < 0, l.Again < 0, l.Pace < 0, l.Concurrent < 0:
		return fmt.Errorf("a limit is negative: %+v", l)
	case l.Measure != nil && l.Measure("") != 0:
		return fmt.Errorf("the empty text measures %d", l.Measure(""))
	}
	for i := range together {
		a := c.Message(i + 1)
		if l.Text > 0 && measure(l, a.Text) > l.Text {
			return fmt.Errorf("Case.Message: the text measures %d; the limit is %d", measure(l, a.Text), l.Text)
		}
		for j := range together {
			b := c.Message(j + 1)
			if i != j && (a.Key == b.Key || strings.Contains(b.Subject, a.Subject) || strings.Contains(b.Text, a.Subject) || a.Text == b.Text) {
				return fmt.Errorf("Case.Message: messages %d and %d cannot be told apart by Key, Subject and Text", i+1, j+1)
			}
		}
	}
	return nil
}

func measure(l announce.Limits, s string) int {
	if l.Measure != nil {
		return l.Measure(s)
	}
	return len([]rune(s))
}

func published(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	m := c.Message(1)
	r, err := publish(p, m)
	if err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	if r.ID == "" {
		return errors.New("the receipt has no ID")
	}
	posts := platform.Posts()
	if len(posts) != 1 || !shows(posts[0], m) {
		return fmt.Errorf("want the message as the only post, got %s", describe(posts))
	}
	if p.Limits().Idempotent == 0 {
		return nil
	}
	again, err := publish(p, m)
	if err != nil {
		return fmt.Errorf("Publish again with the same key: %w", err)
	}
	if n := len(platform.Posts()); n != 1 || again.ID != r.ID {
		return fmt.Errorf("repeated with the same key: %d posts, receipt %q; want 1 and %q", n, again.ID, r.ID)
	}
	return nil
}

func longest(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	l, m := p.Limits(), c.Message(1)
	if l.Text == 0 {
		t.Log("the channel has no limit")
		return nil
	}
	const words = "été à l’heure où naît l’œuvre "
	for text := []rune(m.Text + "\n\n" + strings.Repeat(words, l.Text/10+1)); ; {
		if over := measure(l, string(text)) - l.Text; over > 0 {
			text = text[:len(text)-max(1, over/8)]
			continue
		}
		m.Text = strings.TrimSpace(string(text))
		break
	}
	if n := measure(l, m.Text); n < l.Text-2 {
		return fmt.Errorf("could not compose a text of %d units, only %d", l.Text, n)
	}
	if _, err := publish(p, m); err != nil {
		return fmt.Errorf("a text of %d units: %w", measure(l, m.Text), err)
	}
	if n := len(platform.Posts()); n != 1 {
		return fmt.Errorf("%d posts", n)
	}
	return nil
}

func sixteen(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	const n = together
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, errs[i] = publish(p, c.Message(i+1)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	posts := platform.Posts()
	if len(posts) != n {
		return fmt.Errorf("%d posts for %d messages", len(posts), n)
	}
	for i := range n {
		if k := count(posts, c.Message(i+1)); k != 1 {
			return fmt.Errorf("message %d appears %d times", i+1, k)
		}
	}
	return nil
}

func refused(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	platform.Close()
	_, err := publish(p, c.Message(1))
	return c.verdict("a refused connection is temporary", err, announce.Temporary, nil)
}

func cancelledBefore(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Publish(ctx, c.Message(1))
	if n := len(platform.Posts()); n != 0 {
		return fmt.Errorf("%d posts", n)
	}
	return c.verdict("cancelled before it left is temporary", err, announce.Temporary, nil)
}

func cancelledAfter(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	platform.Script().Push(c.fault(sim.Fault{Kind: sim.Hang}))
	err := interrupted(platform, 0, context.Canceled, func(ctx context.Context) error {
		_, err := p.Publish(ctx, c.Message(1))
		return err
	})
	return c.verdict("cancelled after it left is ambiguous", err, announce.Ambiguous, nil)
}

func (f failure) check(t testing.TB, c Case) error {
	fault := f.fault(c)
	if fault.Kind == "" {
		t.Log("the platform does not refuse in its own way")
		return nil
	}
	p, platform := c.Open(t)
	if f.warm {
		if _, err := publish(p, c.Message(2)); err != nil {
			return fmt.Errorf("Publish: %w", err)
		}
	}
	platform.Script().Push(fault)
	call := func(ctx context.Context) error { _, err := p.Publish(ctx, c.Message(1)); return err }
	var err error
	switch fault.Kind {
	case sim.Hang, sim.HangAfter:
		err = interrupted(platform, f.posts, context.DeadlineExceeded, call)
	default:
		ctx, cancel := context.WithTimeout(context.Background(), ample)
		defer cancel()
		err = call(ctx)
	}
	if n := platform.Script().Left(); n != 0 {
		return fmt.Errorf("the fault did not hit the call (Case.Method, Case.Create): %v", err)
	}
	if n := len(platform.Posts()); n != f.posts {
		return fmt.Errorf("%d posts, want %d: the request was repeated or the platform is not strict", n, f.posts)
	}
	return c.verdict(f.name, err, f.want, f.also)
}

// verdict holds an error to the outcome that the case wants, and to what every error owes.
func (c Case) verdict(name string, err error, want announce.Outcome, also func(Case, *announce.Error) error) error {
	other, ok := c.Expect[name]
	if ok {
		want = other
	}
	e, err := c.owed(err)
	if err != nil {
		return err
	}
	if e.Outcome != want {
		return fmt.Errorf("is %s, want %s: %v", e.Outcome, want, e)
	}
	if also != nil && !ok {
		return also(c, e)
	}
	return nil
}

// owed is what every error owes: its type, a text for a person, no secret.
func (c Case) owed(err error) (*announce.Error, error) {
	if err == nil {
		return nil, errors.New("want an error, got none")
	}
	var e *announce.Error
	if !errors.As(err, &e) {
		return nil, fmt.Errorf("want an *announce.Error, got %T", err)
	}
	if e.Fault == "" || len(e.Status) > 60 || strings.ContainsAny(e.Status, "\r\n") {
		return nil, fmt.Errorf("wants a fault for a person and a short status: %+q, %+q", e.Fault, e.Status)
	}
	texts := []string{err.Error(), e.Field}
	for cause := e.Err; cause != nil; cause = errors.Unwrap(cause) {
		texts = append(texts, fmt.Sprintf("%v %+v", cause, cause))
	}
	for _, s := range c.Secrets {
		if s != "" && strings.Contains(strings.Join(texts, "\n"), s) {
			return nil, errors.New("an error shows a secret")
		}
	}
	return e, nil
}

// interrupted makes a call that ends with cause once the platform took its request and holds n posts.
func interrupted(platform sim.Platform, n int, cause error, call func(context.Context) error) error {
	ctx := &ending{Context: context.Background(), done: make(chan struct{}), cause: cause}
	result := make(chan error, 1)
	go func() { result <- call(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	patience := time.After(ample)
	for platform.Script().Left() > 0 || len(platform.Posts()) < n {
		select {
		case err := <-result:
			return err
		case <-patience:
			close(ctx.done)
			return fmt.Errorf("the request never arrived: %w", <-result)
		case <-tick.C:
		}
	}
	close(ctx.done)
	select {
	case err := <-result:
		return err
	case <-time.After(ample):
		return errors.New("the call goes on although its context is over")
	}
}

// ending is a context that ends when the test says so, as if its deadline had passed.
type ending struct {
	context.Context
	done  chan struct{}
	cause error
}

func (e *ending) Done() <-chan struct{} { return e.done }

func (e *ending) Err() error {
	select {
	case <-e.done:
		return e.cause
	default:
		return nil
	}
}

func publish(p announce.Publisher, m announce.Message) (announce.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	return p.Publish(ctx, m)
}

// shows reports whether readers of the post see the message.
func shows(p sim.Post, m announce.Message) bool {
	return strings.Contains(p.Subject+"\n"+p.Text, m.Subject) || strings.TrimSpace(p.Text) == strings.TrimSpace(m.Text)
}

// count is how many posts that were not deleted show the message.
func count(posts []sim.Post, m announce.Message) int {
	n := 0
	for _, p := range posts {
		if !p.Deleted && shows(p, m) {
			n++
		}
	}
	return n
}

func describe(posts []sim.Post) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d posts", len(posts))
	for _, p := range posts {
		fmt.Fprintf(&b, "\n- %s (edited %d, deleted %t): %q %.200q", p.ID, p.Edited, p.Deleted, p.Subject, p.Text)
	}
	return b.String()
}
