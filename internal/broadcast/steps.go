package broadcast

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Step is what an amendment does on one account, in one language.
type Step struct {
	Channel    string            `json:"channel"`
	Language   announce.Language `json:"language,omitempty"`
	Step       Way               `json:"step" enum:"edit,reply,repost,follow-up,task,publish,remove,none" doc:"edit: the post is edited in place; on a personal channel a follow-up beside it may tell what people must know. reply: it stays, and a correction answers it. repost: it is deleted, and published anew. follow-up: what is out stays, and another message tells what changed. task: a person does it. publish: nothing is out there, and the new version is published. remove: the account is left out, and what is out there is taken away."`
	People     *int              `json:"people,omitempty" doc:"On a personal channel: how many were told of an earlier version, or are being told, and hear of the change."`
	Difference string            `json:"difference,omitempty" doc:"Between the revision before, which is out or was to be, and the new one, line by line: - goes, + comes."`
	Text       string            `json:"text,omitempty" doc:"What the correction, or the message that follows, says."`
	Deadline   *time.Time        `json:"deadline,omitempty" doc:"Until when the platform lets the post be edited."`
	Cost       int64             `json:"cost_microdollars,omitempty" doc:"What it costs, in millionths of a US dollar."`
	Why        string            `json:"why,omitempty"`
}

// Planned is an amendment as it would be made.
type Planned struct {
	ID        announce.ID `json:"id"`
	Rev       int         `json:"rev" doc:"The revision that it is a change of."`
	PlanID    announce.ID `json:"plan_id"`
	ExpiresAt time.Time   `json:"expires_at" doc:"It can be run until then."`
	Steps     []Step      `json:"steps"`
	Reminders []Wave      `json:"reminders,omitempty" doc:"What would become of each reminder, the earliest first."`
}

// planTTL is how long a plan can be run.
const planTTL = 24 * time.Hour

// Plan tells what an amendment would do, step by step, changes nothing, and keeps the draft for a day so that RunPlan makes
// just that.
func (s *Service) Plan(ctx context.Context, id announce.ID, expected int, d announce.Draft) (Planned, error) {
	standing, err := s.Store.Standing(ctx, id)
	if err != nil {
		return Planned{}, err
	}
	old, a, err := s.revised(ctx, id, expected, d)
	if err != nil {
		return Planned{}, err
	}
	c, err := s.think(ctx, old, a)
	if err != nil {
		return Planned{}, err
	}
	p := Planned{ID: id, Rev: expected, PlanID: announce.NewID(a.Updated), ExpiresAt: a.Updated.Add(planTTL)}
	if p.Steps, err = s.steps(ctx, &c); err != nil {
		return Planned{}, err
	}
	waves, err := s.remindersOf(ctx, a, "", a.Updated)
	if err != nil {
		return Planned{}, err
	}
	if waves != nil {
		p.Reminders = planned(waves.All)
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return Planned{}, err
	}
	return p, s.Store.Keep(ctx, store.Planned{ID: p.PlanID, Announcement: id, Rev: expected, Draft: raw, Standing: standing, Steps: outline(p.Steps), Expires: p.ExpiresAt})
}

// outline is what must not have become another when a plan is run.
func outline(steps []Step) string {
	var lines []string
	for _, x := range steps {
		lines = append(lines, fmt.Sprintf("%s %s %s", x.Channel, x.Language, x.Step))
	}
	return strings.Join(lines, "\n")
}

// RunPlan makes a planned amendment. store.ErrMoved when anything that it rests on has changed since: the revision, what is
// out, or what the accounts can do. Again after it was made, it is answered the same.
func (s *Service) RunPlan(ctx context.Context, id, plan announce.ID, actor string) (Accepted, error) {
	p, err := s.Store.Planned(ctx, plan)
	switch {
	case err != nil:
		return Accepted{}, err
	case p.Announcement != id:
		return Accepted{}, store.ErrNotFound
	case p.Made > 0:
		reminders, err := s.reminders(ctx, id)
		return Accepted{ID: id, Rev: p.Made, FollowUp: p.FollowUp, Reminders: reminders}, err
	}
	var d announce.Draft
	if err := json.Unmarshal(p.Draft, &d); err != nil {
		return Accepted{}, fmt.Errorf("the plan %s cannot be read: %w", plan, err)
	}
	old, a, err := s.revised(ctx, id, p.Rev, d)
	if err != nil {
		return Accepted{}, stale(err)
	}
	c, err := s.think(ctx, old, a)
	if err != nil {
		return Accepted{}, err
	}
	steps, err := s.steps(ctx, &c)
	if err != nil {
		return Accepted{}, err
	}
	if outline(steps) != p.Steps {
		return Accepted{}, store.ErrMoved
	}
	made, err := s.make(ctx, &c, actor, p.Standing, plan)
	return made, stale(err)
}

// steps are the ways of a change as people are shown them.
func (s *Service) steps(ctx context.Context, c *change) ([]Step, error) {
	out := []Step{}
	if c.heard == nil && len(c.since) > 1 {
		var err error
		if c.heard, err = s.Store.LastTold(ctx, c.now.ID); err != nil {
			return nil, err
		}
	}
	for _, w := range c.ways {
		some, err := s.stepsOf(ctx, c, w)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	for _, d := range c.rows {
		if c.wayOn(d.Account).way != "" || !d.Wanted || d.Shown == 0 && d.Calling == announce.Nothing || d.Part > 0 {
			continue
		}
		x := Step{Channel: d.Account, Language: d.Language, Step: WayRemove}
		if a, on := s.accounts[d.Account]; !on || !a.ability.Retract {
			x.Step, x.Why = WayTask, s.cannotRetract(d.Account)
		}
		out = append(out, x)
	}
	return out, nil
}

func (s *Service) stepsOf(ctx context.Context, c *change, w way) ([]Step, error) {
	rows, before, after := rowsOf(c.rows, w.Name), payloadsOf(c.before, w.Name), payloadsOf(c.composed.payloads, w.Name)
	if w.Personal {
		return s.personalSteps(ctx, c, w, before, after)
	}
	_, since, _ := c.hear(w, 0)
	said := payloadsOf(saidTo(c.said.payloads, since), w.Name)
	var out []Step
	for _, l := range tongues(after) {
		x := Step{Channel: w.Name, Language: l, Step: w.way, Why: w.why}
		if !slices.ContainsFunc(rows, func(d announce.Delivery) bool { return d.Shown > 0 || d.Calling != announce.Nothing }) {
			x.Step, x.Why = WayPublish, ""
			if c.closes {
				x.Step, x.Why = WayNone, "it is not out there, and is not published any more"
			}
		}
		if c.closes && w.Manual && x.Step == WayTask && !slices.ContainsFunc(rows, func(d announce.Delivery) bool { return d.Shown > 0 }) {
			x.Why = "a person was asked to post it: nobody need, and whoever did is asked to take it down"
		}
		fill(&x, c, w, in(before, l), in(after, l), in(said, l))
		s.price(&x, w.account, in(after, l), in(said, l), 1)
		out = append(out, x)
	}
	return out, nil
}

// personalSteps are the steps of a personal account, whatever the languages of its people.
func (s *Service) personalSteps(ctx context.Context, c *change, w way, before, after []store.Payload) ([]Step, error) {
	x := Step{Channel: w.Name, Step: w.way, Why: w.why}
	accounts, err := s.Store.PersonalAccounts(ctx, c.now.ID)
	if err != nil {
		return nil, err
	}
	n := 0
	if slices.Contains(accounts, w.Name) {
		counts, err := s.Store.Counts(ctx, c.now.ID, w.Name)
		if err != nil {
			return nil, err
		}
		n = counts.By[announce.Published] + counts.By[announce.CallingNow] + counts.By[announce.Unknown]
	}
	hear, since, groups := c.hear(w, n)
	said := payloadsOf(saidTo(c.said.payloads, since), w.Name)
	switch {
	case n > 0 && w.way == WayEdit:
		x.People = &n
	case n > 0 && (w.way == WayNone || w.way == WayTask): // nobody hears of it there
	case n > 0:
		x.People = &hear
	case c.closes:
		x.Step, x.Why = WayNone, "nobody was told, and nobody is any more"
	default:
		x.Step, x.Why = WayPublish, ""
	}
	l := c.now.Default
	fill(&x, c, w, in(before, l), in(after, l), in(said, l))
	if groups > 1 && x.Step == WayFollowUp {
		x.Why = othersHear
	}
	s.price(&x, w.account, in(after, l), in(said, l), *cmp.Or(x.People, &n))
	if x.Step != WayEdit || !w.tells || hear == 0 {
		return []Step{x}, nil
	}
	also := Step{Channel: w.Name, Step: WayFollowUp, People: &hear, Text: textOf(in(said, l)), Why: "nobody notices an edit"}
	if groups > 1 {
		also.Why += "; " + othersHear
	}
	s.price(&also, w.account, in(after, l), in(said, l), hear)
	return []Step{x, also}, nil
}

const othersHear = "whoever was told another version last hears what differs from that one"

// hear is how many people of an account are told what changed, of so many who were told something; since is the revision that
// most of them were told last, and groups how many such revisions there are.
func (c *change) hear(w way, people int) (hear, since, groups int) {
	most := 0
	for rev, n := range c.heard[w.Name] {
		i := slices.IndexFunc(c.since, func(x saying) bool { return x.since == rev })
		if i >= 0 && !c.since[i].tells(w.tells) {
			continue
		}
		if hear, groups = hear+n, groups+1; n > most || n == most && rev > since {
			most, since = n, rev
		}
	}
	if c.heard[w.Name] == nil {
		return people, 0, 1
	}
	return hear, since, groups
}

// saidTo is what is said to whoever was told a revision last.
func saidTo(all []store.Payload, since int) (out []store.Payload) {
	own := slices.ContainsFunc(all, func(p store.Payload) bool { return p.Since == since && !p.Silent })
	for _, p := range all {
		if !p.Silent && (p.Since == since || p.Since == 0 && !own) {
			out = append(out, p)
		}
	}
	return out
}

// fill tells what differs, and what is said of it.
func fill(x *Step, c *change, w way, before, after, said []store.Payload) {
	if len(before) > 0 && !(x.Step == WayNone && c.closes) {
		x.Difference = unified(textOf(before), textOf(after))
	}
	if x.Step == WayReply || x.Step == WayFollowUp {
		x.Text = textOf(said)
	}
	if x.Step == WayEdit && !w.deadline.IsZero() {
		x.Deadline = &w.deadline
	}
}

// price is what a step costs where posting costs.
func (s *Service) price(x *Step, a account, after, said []store.Payload, people int) {
	priced, ok := a.Publisher.(announce.Coster)
	if !ok {
		return
	}
	posted := after
	switch x.Step {
	case WayReply, WayFollowUp:
		posted = said
	case WayNone, WayTask, WayRemove:
		return
	}
	if err := s.guard(a.Name, func() error {
		for _, p := range posted {
			x.Cost += priced.Cost(p.Message)
		}
		return nil
	}); err != nil {
		x.Why = asError(err).Error()
	}
	if a.Personal && x.Step != WayPublish {
		x.Cost *= int64(people)
	}
}

// tongues are the languages of messages, in the order in which they stand.
func tongues(all []store.Payload) (out []announce.Language) {
	for _, p := range all {
		if !slices.Contains(out, p.Language) {
			out = append(out, p.Language)
		}
	}
	return out
}

// in is what readers of a language get; of a message in another language only, that one.
func in(all []store.Payload, l announce.Language) (out []store.Payload) {
	for _, p := range all {
		if p.Language == l {
			out = append(out, p)
		}
	}
	if len(out) == 0 && len(all) > 0 && l != all[0].Language {
		return in(all, all[0].Language)
	}
	slices.SortFunc(out, func(a, b store.Payload) int { return cmp.Compare(a.Message.Part, b.Message.Part) })
	return out
}

func textOf(all []store.Payload) string {
	var parts []string
	for _, p := range all {
		text := p.Message.Text
		if p.Message.Subject != "" && !strings.HasPrefix(text, p.Message.Subject) {
			text = p.Message.Subject + "\n\n" + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n\n")
}
