// Package publishertest is the contract that every channel passes, run against a simulated platform that misbehaves on
// purpose. A channel's test describes each of its configurations in a Case and calls Run.
package publishertest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
)

// Case describes one configuration of a channel under contract.
type Case struct {
	Name    string                                                // "bot", "webhook"
	Open    func(t testing.TB) (announce.Publisher, sim.Platform) // a fresh platform, closed by t.Cleanup, and the channel pointed at it
	Message func(n int) announce.Message                          // the n-th valid message, with its own Key, Subject and Text; the Subject can be seen in the post
	Can     []string                                              // the optional abilities it has, among "amend", "retract", "find" and "check"
	Secrets []string                                              // what no error may show

	// The call that makes a post, so that faults hit it and no lookup or upload before it.
	Method string // "" any
	Create string // part of its path; "" any

	// What the platform answers. A zero fault is the plain one: 401, 429 with and without Retry-After; no refusal inside a success.
	Unauthorized    sim.Fault
	RateLimited     sim.Fault
	RateLimitedBare sim.Fault
	Refusal         sim.Fault     // to a bad message
	Wait            time.Duration // what RateLimited asks for; zero: its Retry-After in seconds
	Window          time.Duration // the documented wait after RateLimitedBare

	Exempt map[string]string           // case or group -> why it cannot exist here; printed
	Expect map[string]announce.Outcome // case -> what the vendor documents, where it differs
}

// Groups of cases that can be exempted at once.
const (
	HTTP   = "http"   // faults of an HTTP platform, played by its script
	Settle = "settle" // finding out about a lost call
)

// Run holds the channel to the contract, each clause as a subtest.
func Run(t *testing.T, c Case) {
	t.Helper()
	t.Run(c.Name, func(t *testing.T) {
		checks := contract()
		for _, name := range slices.Concat(slices.Sorted(maps.Keys(c.Exempt)), slices.Sorted(maps.Keys(c.Expect))) {
			if !slices.ContainsFunc(checks, func(k check) bool { return name == k.name || name == k.group }) {
				t.Errorf("%q is neither a case nor a group of the contract", name)
			}
		}
		for _, k := range checks {
			t.Run(k.name, func(t *testing.T) {
				for _, name := range []string{k.name, k.group} {
					if why, ok := c.Exempt[name]; ok {
						t.Skipf("does not exist here: %s", why)
					}
				}
				if k.needs != "" && !slices.Contains(c.Can, k.needs) {
					t.Skipf("does not exist here: the channel cannot %s", k.needs)
				}
				if err := k.run(t, c); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// check is one clause. run answers with what is wrong.
type check struct {
	name, group, needs string
	run                func(testing.TB, Case) error
}

func contract() []check {
	var all []check
	add := func(group, needs, name string, run func(testing.TB, Case) error) {
		all = append(all, check{name, group, needs, run})
	}
	add("", "", "abilities are those declared", abilities)
	add("", "", "limits are sane", limits)
	add("", "", "a message is published once", published)
	add("", "", "the longest text is taken", longest)
	add("", "", "sixteen at once are sixteen posts", sixteen)
	add("", "", "a refused connection is temporary", refused)
	add("", "", "cancelled before it left is temporary", cancelledBefore)
	for _, f := range failures() {
		add(HTTP, "", f.name, f.check)
	}
	add(HTTP, "", "cancelled after it left is ambiguous", cancelledAfter)
	add(Settle, "", "accepted and lost is settled with one post", settled)
	add("", "find", "what was published is found", found)
	add("", "find", "what was never sent is not found", notFound)
	for _, f := range unreadable() {
		add(HTTP, "find", "looking during "+f.name+" is an error", func(t testing.TB, c Case) error { return blind(t, c, f.fault) })
	}
	add("", "amend", "an amendment replaces the post", amended)
	add(HTTP, "amend", "a failing amendment may be tried again", amendFails)
	add("", "retract", "a retraction takes the post away", retracted)
	add(HTTP, "retract", "a failing retraction may be tried again", retractFails)
	add("", "check", "a sound account has no severe finding", sound)
	add(HTTP, "check", "a dead credential is seen by the check", dead)
	return all
}

func (c Case) fault(f sim.Fault) sim.Fault {
	if f.OnlyPath == "" {
		f.OnlyPath = c.Create
	}
	if f.OnlyMethod == "" {
		f.OnlyMethod = c.Method
	}
	return f
}

func (c Case) unauthorized() sim.Fault {
	if c.Unauthorized.Kind != "" {
		return c.fault(c.Unauthorized)
	}
	return c.fault(sim.Fault{Kind: sim.Answer, Status: 401, Body: `{}`})
}

func (c Case) rateLimited() (sim.Fault, time.Duration) {
	f := c.RateLimited
	if f.Kind == "" {
		f = sim.Fault{Kind: sim.Answer, Status: 429, Header: map[string]string{"Retry-After": "7"}, Body: `{}`}
	}
	wait := c.Wait
	if wait == 0 {
		s, _ := strconv.Atoi(f.Header["Retry-After"])
		wait = time.Duration(s) * time.Second
	}
	return c.fault(f), wait
}

func (c Case) rateLimitedBare() sim.Fault {
	if c.RateLimitedBare.Kind != "" {
		return c.fault(c.RateLimitedBare)
	}
	return c.fault(sim.Fault{Kind: sim.Answer, Status: 429, Body: `{}`})
}

// failure is one way in which making a post fails, and what the channel must say then.
type failure struct {
	name  string
	warm  bool // on a connection that was used before
	posts int  // how many posts there are afterwards
	fault func(Case) sim.Fault
	want  announce.Outcome
	also  func(Case, *announce.Error) error
}

func failures() []failure {
	plain := func(f sim.Fault) func(Case) sim.Fault { return func(c Case) sim.Fault { return c.fault(f) } }
	answer := func(status int, body string) func(Case) sim.Fault {
		return plain(sim.Fault{Kind: sim.Answer, Status: status, Body: body})
	}
	all := []failure{
		{name: "429 with a wait is rate limited", want: announce.RateLimited, fault: func(c Case) sim.Fault { f, _ := c.rateLimited(); return f }, also: func(c Case, e *announce.Error) error {
			if _, wait := c.rateLimited(); wait <= 0 || e.RetryAfter < wait || e.RetryAfter > wait+10*time.Second {
				return fmt.Errorf("waits %s; the platform asked for %s", e.RetryAfter, wait)
			}
			return nil
		}},
		{name: "429 without a wait is rate limited", want: announce.RateLimited, fault: Case.rateLimitedBare, also: func(c Case, e *announce.Error) error {
			if c.Window <= 0 || e.RetryAfter != c.Window {
				return fmt.Errorf("waits %s; the documented window is %s", e.RetryAfter, c.Window)
			}
			return nil
		}},
		{name: "401 stops the account", want: announce.Permanent, fault: Case.unauthorized, also: func(_ Case, e *announce.Error) error {
			if !e.Stop {
				return fmt.Errorf("does not stop the account: %v", e)
			}
			return nil
		}},
		{name: "400 is permanent", want: announce.Permanent, fault: answer(400, `{}`)},
		{name: "a refusal is permanent", want: announce.Permanent, fault: func(c Case) sim.Fault { return c.fault(c.Refusal) }},
		{name: "a hang is ambiguous", want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.Hang})},
		{name: "a hang after acceptance is ambiguous", posts: 1, want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.HangAfter})},
		{name: "a dropped connection is ambiguous", want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.Drop})},
		{name: "a dropped kept connection is ambiguous", warm: true, posts: 1, want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.Drop})},
		{name: "a drop after acceptance is ambiguous", posts: 1, want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.DropAfter})},
		{name: "a drop after acceptance on a kept connection is ambiguous", warm: true, posts: 2, want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.DropAfter})},
		{name: "a cut answer is ambiguous", posts: 1, want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.CutAfter})},
		{name: "500 after acceptance is ambiguous", posts: 1, want: announce.Ambiguous, fault: plain(sim.Fault{Kind: sim.AnswerAfter, Status: 500, Body: `{}`})},
		{name: "a garbled success is ambiguous", want: announce.Ambiguous, fault: answer(200, "<html><body>Welcome</body></html>")},
		{name: "a truncated success is ambiguous", want: announce.Ambiguous, fault: answer(200, `{"ok":tr`)},
		{name: "an empty success is ambiguous", want: announce.Ambiguous, fault: answer(200, "")},
	}
	for _, status := range []int{500, 502, 503, 504} {
		all = append(all, failure{name: fmt.Sprintf("%d is ambiguous", status), want: announce.Ambiguous, fault: answer(status, "<html>upstream</html>")})
	}
	return all
}

// unreadable are the ways in which a look fails. "Not there" would then be a lie that doubles a post.
func unreadable() []struct {
	name  string
	fault sim.Fault
} {
	return []struct {
		name  string
		fault sim.Fault
	}{
		{"500", sim.Fault{Kind: sim.Answer, Status: 500, Body: `{}`}},
		{"a garbled answer", sim.Fault{Kind: sim.Answer, Status: 200, Body: "<html><body>Welcome</body></html>"}},
		{"an empty answer", sim.Fault{Kind: sim.Answer, Status: 200}},
		{"a cut answer", sim.Fault{Kind: sim.CutAfter}},
		{"a hang", sim.Fault{Kind: sim.Hang}},
		{"429", sim.Fault{Kind: sim.Answer, Status: 429, Body: `{}`}},
		{"404", sim.Fault{Kind: sim.Answer, Status: 404, Body: `{}`}},
	}
}
