package publishertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
)

// settled loses the answer to a call that the platform carried out, then settles it as the worker would.
func settled(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	m, began := c.Message(1), time.Now()
	platform.Script().Push(c.fault(sim.Fault{Kind: sim.DropAfter}))
	_, err := publish(p, m)
	if err := c.verdict("accepted and lost is settled with one post", err, announce.Ambiguous, nil); err != nil {
		return err
	}
	if n := len(platform.Posts()); n != 1 {
		return fmt.Errorf("%d posts after the lost call", n)
	}
	known := false
	if p.Limits().Idempotent > 0 {
		known = true
		if r, err := publish(p, m); err != nil || r.ID == "" {
			return fmt.Errorf("repeated with the same key: receipt %q, %v", r.ID, err)
		}
	}
	if f, ok := p.(announce.Finder); ok {
		known = true
		r, there, err := find(f, m, began)
		if err != nil || !there || r.ID == "" {
			return fmt.Errorf("Find: receipt %q, %t, %v; want what was lost", r.ID, there, err)
		}
		if a, ok := p.(announce.Amender); ok {
			if _, err := amend(a, r, m); err != nil {
				return fmt.Errorf("Amend with the receipt that was found: %w", err)
			}
		}
	}
	if !known {
		t.Log("nobody but a person can tell: the delivery stays unknown")
	}
	if posts := platform.Posts(); count(posts, m) != 1 || len(posts) != 1 && !p.Limits().FreshAmends {
		return fmt.Errorf("want one post, got %s", describe(posts))
	}
	return nil
}

func found(t testing.TB, c Case) error {
	p, _ := c.Open(t)
	began := time.Now()
	var receipts []announce.Receipt
	for n := range 3 {
		r, err := publish(p, c.Message(n+1))
		if err != nil {
			return fmt.Errorf("Publish: %w", err)
		}
		receipts = append(receipts, r)
	}
	for n, want := range receipts {
		r, there, err := find(p.(announce.Finder), c.Message(n+1), began)
		if err != nil || !there || r.ID == "" || r.ID != want.ID {
			return fmt.Errorf("Find: %q, %t, %v; want %q", r.ID, there, err, want.ID)
		}
	}
	return nil
}

func notFound(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	began := time.Now()
	for range 2 { // on an empty platform, then beside another post
		r, there, err := find(p.(announce.Finder), c.Message(2), began)
		if err != nil || there {
			return fmt.Errorf("Find of what was never sent: %q, %t, %v; want false, nil", r.ID, there, err)
		}
		if _, err := publish(p, c.Message(1)); err != nil {
			return fmt.Errorf("Publish: %w", err)
		}
	}
	if n := count(platform.Posts(), c.Message(2)); n != 0 {
		return errors.New("looking has published")
	}
	return nil
}

// blind looks while the platform cannot be read.
func blind(t testing.TB, c Case, fault sim.Fault) error {
	p, platform := c.Open(t)
	m, began := c.Message(1), time.Now()
	if _, err := publish(p, m); err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	platform.Script().Push(fault)
	err := interrupted(platform, 1, context.DeadlineExceeded, func(ctx context.Context) error {
		if fault.Kind != sim.Hang {
			ctx = context.WithoutCancel(ctx)
		}
		_, there, err := p.(announce.Finder).Find(ctx, m, began)
		if there && err == nil {
			return errors.New("claims to have found something")
		}
		return err
	})
	e, err := c.owed(err)
	if err != nil {
		return fmt.Errorf("a look that fails must say so, never \"not there\": %w", err)
	}
	if e.Outcome == announce.Ambiguous {
		return fmt.Errorf("a look has no effect, so it cannot be ambiguous: %v", e)
	}
	return nil
}

func amended(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	before, after, other := c.Message(1), c.Message(2), c.Message(3)
	after.Key = before.Key
	after.Rev = before.Rev + 1
	r, err := publish(p, before)
	if err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	if _, err := publish(p, other); err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	for _, say := range []string{"Amend", "Amend again"} {
		if r, err = amend(p.(announce.Amender), r, after); err != nil {
			return fmt.Errorf("%s: %w", say, err)
		}
		if r.ID == "" {
			return fmt.Errorf("%s: the receipt has no ID", say)
		}
		posts := platform.Posts()
		if count(posts, before) != 0 || count(posts, after) != 1 || count(posts, other) != 1 {
			return fmt.Errorf("%s: want the new text in place of the old and nothing else changed, got %s", say, describe(posts))
		}
		if !p.Limits().FreshAmends && len(posts) != 2 {
			return fmt.Errorf("%s: want an edit in place, got %s", say, describe(posts))
		}
	}
	rt, ok := p.(announce.Retracter)
	if !ok {
		return nil
	}
	if err := retract(rt, r); err != nil {
		return fmt.Errorf("Retract: %w", err)
	}
	if n := count(platform.Posts(), after); n != 0 {
		return errors.New("the receipt of an amendment does not retract it")
	}
	if _, err := amend(p.(announce.Amender), r, after); err == nil {
		if n := count(platform.Posts(), after); n != 1 {
			return errors.New("amending what is gone claims success and shows nothing")
		}
	} else if e, err := c.owed(err); err != nil {
		return err
	} else if e.Outcome != announce.Permanent {
		return fmt.Errorf("amending what is gone is %s, want permanent: %v", e.Outcome, e)
	}
	return nil
}

func amendFails(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	m := c.Message(1)
	r, err := publish(p, m)
	if err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 503, Body: `{}`})
	_, err = amend(p.(announce.Amender), r, m)
	e, err := c.owed(err)
	if err != nil {
		return err
	}
	if e.Outcome != announce.Temporary && (e.Outcome != announce.Ambiguous || !p.Limits().FreshAmends) {
		return fmt.Errorf("is %s: %v", e.Outcome, e)
	}
	return nil
}

func retracted(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	m, other := c.Message(1), c.Message(2)
	r, err := publish(p, m)
	if err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	if _, err := publish(p, other); err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	for _, say := range []string{"Retract", "Retract again"} {
		if err := retract(p.(announce.Retracter), r); err != nil {
			return fmt.Errorf("%s: %w", say, err)
		}
		if posts := platform.Posts(); count(posts, m) != 0 || count(posts, other) != 1 {
			return fmt.Errorf("%s: want the post gone and the other there, got %s", say, describe(posts))
		}
	}
	return nil
}

func retractFails(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	m := c.Message(1)
	r, err := publish(p, m)
	if err != nil {
		return fmt.Errorf("Publish: %w", err)
	}
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 503, Body: `{}`})
	e, err := c.owed(retract(p.(announce.Retracter), r))
	if err != nil {
		return err
	}
	if e.Outcome != announce.Temporary {
		return fmt.Errorf("is %s: %v", e.Outcome, e)
	}
	if err := retract(p.(announce.Retracter), r); err != nil {
		return fmt.Errorf("Retract when the platform is well again: %w", err)
	}
	if n := count(platform.Posts(), m); n != 0 {
		return errors.New("the post is still there")
	}
	return nil
}

func sound(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	report, err := p.(announce.Checker).Check(ctx)
	if err != nil {
		return fmt.Errorf("Check: %w", err)
	}
	for _, f := range report.Findings {
		if f.What == "" || f.Do == "" {
			return fmt.Errorf("a finding says what is wrong and what to do: %+v", f)
		}
		if f.Severe {
			return fmt.Errorf("a severe finding: %+v", f)
		}
	}
	if posts := platform.Posts(); len(posts) != 0 {
		return fmt.Errorf("a check changes nothing, got %s", describe(posts))
	}
	return nil
}

func dead(t testing.TB, c Case) error {
	p, platform := c.Open(t)
	fault := c.unauthorized()
	fault.OnlyPath, fault.OnlyMethod = "", ""
	platform.Script().Push(fault)
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	report, err := p.(announce.Checker).Check(ctx)
	if err != nil {
		_, err := c.owed(err)
		return err
	}
	for _, f := range report.Findings {
		if f.Severe && f.Do != "" {
			return nil
		}
	}
	return errors.New("neither an error nor a severe finding")
}

func find(f announce.Finder, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	return f.Find(ctx, m, since)
}

func amend(a announce.Amender, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	return a.Amend(ctx, r, m)
}

func retract(r announce.Retracter, x announce.Receipt) error {
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	return r.Retract(ctx, x)
}
