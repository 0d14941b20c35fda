package broadcast

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// PausedGroup is a group of addresses that an account does not write to for a while.
type PausedGroup struct {
	Group string    `json:"group" doc:"Such as a mail domain."`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// groups are the fates of an account's groups, and how its mailings are taken.
type groups struct {
	fates
	record sync.Mutex // held while pauses go to the record or come from it
	tries  sync.Map   // plan -> *taken
}

// taken is how a mailing is taken, as far as this process has seen.
type taken struct {
	mu            sync.Mutex
	answers, gone int
	judged        int // answers at the last look at the record
	last          time.Time
}

// heard counts an answer. suspicious: the record should be asked whether too many were refused.
func (t *taken) heard(gone bool, now time.Time) (suspicious bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers++
	t.last = now
	if !gone {
		return false
	}
	t.gone++
	if !store.TooManyBounced(t.gone, t.answers) || t.answers-t.judged < max(10, t.judged/50) {
		return false
	}
	t.judged = t.answers
	return true
}

// group is the group of an address, or "".
func (a account) group(to string) string {
	if a.Limits.Group == nil {
		return ""
	}
	return a.Limits.Group(to)
}

func (a account) groupPace(group string) time.Duration {
	if a.GroupPace == nil {
		return 0
	}
	return a.GroupPace(group)
}

// inTurn are the letters of a batch that may go now. The others are put off until their group's turn.
func (m *mailing) inTurn(b *store.Batch) ([]*store.Letter, error) {
	if m.account.Limits.Group == nil {
		return b.Letters, nil
	}
	now := m.Store.Now()
	var may, late, paused []*store.Letter
	for _, l := range b.Letters {
		g := m.account.group(l.To)
		if g == "" || l.Calling != announce.Nothing {
			may = append(may, l)
			continue
		}
		wait, why := m.account.groups.turn(g, m.account.groupPace(g), l.Next.After(l.First) && l.Attempts == 0, now)
		if wait <= 0 {
			may = append(may, l)
			continue
		}
		l.Next = now.Add(wait)
		if why != "" {
			paused = append(paused, l)
		} else {
			late = append(late, l)
		}
	}
	if len(late) > 0 {
		if _, err := m.Store.PutOff(context.Background(), b, late, false); err != nil {
			return nil, err
		}
	}
	return may, m.behind(b, paused)
}

// behind puts letters off until the end of their group's pause. When that is not on record any more, or not yet, the record is
// read again.
func (m *mailing) behind(b *store.Batch, paused []*store.Letter) error {
	if len(paused) == 0 {
		return nil
	}
	n, err := m.Store.PutOff(context.Background(), b, paused, true)
	if err == nil && n < len(paused) {
		m.readGroups(context.Background())
	}
	return err
}

// putOff puts a letter off whose group was paused since it was leased.
func (m *mailing) putOff(l leased) bool {
	g := m.account.group(l.To)
	if g == "" || l.Calling != announce.Nothing {
		return false
	}
	until := m.account.groups.paused(g, m.Store.Now())
	if until.IsZero() {
		return false
	}
	l.Next = until
	if err := m.behind(&l.of.Batch, []*store.Letter{l.Letter}); err != nil {
		m.Log.Warn("a letter that must wait could not be put off; it is looked at again", "account", m.account.Name, "err", err)
	}
	return true
}

// answered hears what the end of a letter's call says of its group and of the mailing. Against the address of a group that is
// itself at fault nothing is held.
func (m *mailing) answered(l *store.Letter, v verdict) verdict {
	now, g, all := m.Store.Now(), m.account.group(l.To), m.account.groups
	d := v.Delivery
	if v.Slow > 0 {
		m.pauseGroup(m.account, store.GroupPause{Group: g, Until: now.Add(v.Slow), Why: d.Fault})
		return v
	}
	if !v.Gone && (d.Calling != announce.Nothing || d.Shown == 0 && d.Rest != announce.Failed) {
		return v // no answer
	}
	if g != "" {
		if since, tripped := all.heard(g, v.Gone, now); tripped {
			until, doubted := all.blamed(g, now)
			m.blame(m.account, store.GroupPause{Group: g, Until: until, Since: since, Doubted: doubted, Why: refusesAll})
		}
		if until, _ := all.blamed(g, now); v.Gone && !until.IsZero() {
			d = ended(l.Delivery)
			d.Attempts, d.Rest, d.Next = 0, announce.Moving, until
			d.Fault = v.Delivery.Fault
			v.Delivery, v.Gone = d, false
			return v
		}
	}
	x, _ := all.tries.LoadOrStore(l.Plan, &taken{})
	if x.(*taken).heard(v.Gone, now) {
		m.judgeMailing(l.Plan, all.undecided())
	}
	return v
}

// judgeMailing asks the record whether a mailing must be held.
func (s *Service) judgeMailing(plan int64, aside string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	held, err := s.Store.Judge(ctx, plan, aside)
	if err != nil {
		s.Log.Warn("it could not be read whether too much of a mailing is refused; it is looked at again", "err", err)
	}
	if held {
		s.tellHeld(ctx)
	}
}

// pauseGroup puts a pause of a group on record and heeds it.
func (s *Service) pauseGroup(a account, p store.GroupPause) {
	p.Account = a.Name
	a.groups.record.Lock()
	defer a.groups.record.Unlock()
	now := s.Store.Now()
	a.groups.pause(p.Group, p.Why, p.Until, now)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	if err := s.Store.PauseGroup(ctx, p); err != nil {
		s.Log.Error("a pause could not be put on record; it holds until this server ends", "account", a.Name, "group", p.Group, "err", err)
		return
	}
	a.groups.recorded(p.Group)
	s.Log.Warn("a group of addresses waits", "account", a.Name, "group", p.Group, "until", p.Until, "why", p.Why)
}

// blame puts on record that a group refuses everybody, undoes what that did to its addresses, and tells organisers.
func (s *Service) blame(a account, p store.GroupPause) {
	s.pauseGroup(a, p)
	p.Account = a.Name
	s.forgive(context.Background(), p)
	s.tellBlamed(context.Background(), p)
}

func (s *Service) forgive(ctx context.Context, p store.GroupPause) {
	n, err := s.Store.Forgive(ctx, p.Account, p.Group, p.Since, p.Until)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("what was held against addresses could not be undone; it is tried again", "account", p.Account, "group", p.Group, "err", err)
	}
	if n > 0 {
		s.Log.Warn("letters that a group refused wait again; nothing is held against their addresses", "account", p.Account, "group", p.Group, "letters", n)
	}
}

// attendEvery is how soon a server heeds what another one found, and how soon organisers are told.
const attendEvery = 2 * time.Second

// attend keeps to the pauses on record, and tells of mailings that are held, as long as ctx lasts.
func (s *Service) attend(ctx context.Context) {
	for ctx.Err() == nil && len(s.Personal()) > 0 {
		s.readGroups(ctx)
		s.tellHeld(ctx)
		for _, a := range s.accounts {
			a.groups.forgetTries(s.Store.Now())
		}
		select {
		case <-ctx.Done():
		case <-time.After(attendEvery):
		}
	}
}

// readGroups takes the pauses of all accounts from the record. What another server wrote against addresses of a group that is
// at fault, or one that ended before it could undo it, is undone.
func (s *Service) readGroups(ctx context.Context) {
	var all []*groups
	for _, a := range s.accounts {
		if a.Limits.Group != nil {
			all = append(all, a.groups)
			a.groups.record.Lock()
		}
	}
	pauses, err := s.Store.GroupPauses(ctx)
	now := s.Store.Now()
	if err == nil {
		for name, a := range s.accounts {
			if a.Limits.Group == nil {
				continue
			}
			known := map[string]store.GroupPause{}
			for _, p := range pauses {
				if p.Account == name {
					known[p.Group] = p
				}
			}
			a.groups.onRecord(known, now)
		}
	}
	for _, g := range all {
		g.record.Unlock()
	}
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("the pauses of groups could not be read; those known hold", "err", err)
		}
		return
	}
	for _, p := range pauses {
		if !p.Since.IsZero() && p.Until.After(now) {
			s.forgive(ctx, p)
			s.tellBlamed(ctx, p)
		}
	}
}

// tellBlamed says, once in the day that a group is doubted, that it refuses everybody.
func (s *Service) tellBlamed(ctx context.Context, p store.GroupPause) {
	zone, err := announce.Zone(s.Site.Zone)
	if err != nil {
		zone = time.UTC
	}
	until := p.Until.In(zone).Format("15:04")
	s.tell(ctx, notice{
		key: fmt.Sprintf("blamed:%s:%s:%d", p.Account, p.Group, p.Doubted.UnixMicro()),
		texts: map[announce.Language]announce.Text{
			"fr": {
				Title: clip(p.Account+"\u00a0: "+p.Group+" refuse trop d’adresses", 250),
				Body: words(p.Group) + " dit d’une adresse sur vingt, ou davantage, qu’elle n’existe pas. C’est sans doute une panne de son côté. Ce qui lui est adressé attend jusqu’à " + until +
					", personne n’est désinscrit, et l’essai reprend seul, d’heure en heure. Il n’y a rien à faire, sauf si la liste vient d’être importée\u00a0: vérifiez alors d’où viennent ces adresses.\n\n`crieur channels`",
			},
			"en": {
				Title: clip(p.Account+": "+p.Group+" refuses too many addresses", 250),
				Body: words(p.Group) + " says of one address in twenty, or more, that it does not exist. Most likely it has a failure of its own. What is for it waits until " + until +
					", nobody is unsubscribed, and it is tried again by itself, hour by hour. There is nothing to do, unless the list was just imported: then look where these addresses come from.\n\n`crieur channels`",
			},
		},
	})
}

// tellHeld says, once for each time that a mailing is held, why, and what to do.
func (s *Service) tellHeld(ctx context.Context) {
	if len(s.Notices) == 0 {
		return
	}
	held, err := s.Store.Holds(ctx, "")
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("held mailings could not be read", "err", err)
		}
		return
	}
	for _, h := range held {
		key := fmt.Sprintf("held:%s:%s:%d", h.Announcement, h.Account, h.At.UnixMicro())
		if _, done := s.told.Load(key); done {
			continue
		}
		a, _, err := s.Store.Announcement(ctx, h.Announcement)
		if err != nil {
			s.Log.Warn("a held mailing could not be read", "announcement", h.Announcement, "err", err)
			continue
		}
		title := func(l announce.Language) string {
			_, text := a.Pick(l)
			return text.Title
		}
		w := heldWords(h)
		s.tell(ctx, notice{key: key, texts: map[announce.Language]announce.Text{
			"fr": {Title: clip("Envoi suspendu sur "+h.Account+"\u00a0: «\u00a0"+title("fr")+"\u00a0»", 250), Body: w.french},
			"en": {Title: clip("Mailing held on "+h.Account+": “"+title("en")+"”", 250), Body: w.english},
		}})
	}
}

type bilingual struct{ french, english string }

// heldWords say why a mailing is held, and what to do.
func heldWords(h store.Hold) bilingual {
	resume := fmt.Sprintf("`crieur resume --announcement %s`", h.Announcement)
	retract := fmt.Sprintf("`crieur retract %s`", h.Announcement)
	if h.Why == "complaints" {
		return bilingual{
			fmt.Sprintf("%d personnes sur %d ont signalé ce courriel comme indésirable. Plus rien ne part. Demandez-vous qui le reçoit, et si ces gens l’ont demandé\u00a0; puis continuez avec %s, ou retirez l’annonce avec %s.", h.Bad, h.Of, resume, retract),
			fmt.Sprintf("%d people of %d called it spam. Nothing more leaves. Look who gets it, and whether they asked for it; then go on with %s, or take it back with %s.", h.Bad, h.Of, resume, retract),
		}
	}
	return bilingual{
		fmt.Sprintf("%d adresses sur %d n’existent pas. Plus rien ne part\u00a0: continuer ferait passer tous vos courriels pour du pourriel. Vérifiez d’où viennent les adresses\u00a0; puis continuez avec %s, ou retirez l’annonce avec %s.", h.Bad, h.Of, resume, retract),
		fmt.Sprintf("%d of %d addresses do not exist. Nothing more leaves: going on would have all your mail taken for spam. Look where the addresses come from; then go on with %s, or take it back with %s.", h.Bad, h.Of, resume, retract),
	}
}

// ResumeAnnouncement lets the held mailings of an announcement go on; what was heard of them so far does not count any more.
func (s *Service) ResumeAnnouncement(ctx context.Context, id announce.ID, actor string) error {
	if _, _, err := s.Store.Announcement(ctx, id); err != nil {
		return err
	}
	held, err := s.Store.Holds(ctx, id)
	if err != nil {
		return err
	}
	if len(held) == 0 {
		return announce.Faults{{Field: "id", Say: "is not held: there is nothing to resume"}}
	}
	if err := s.Store.LetGo(ctx, id, actor); err != nil {
		return err
	}
	for _, h := range held {
		if a, on := s.accounts[h.Account]; on {
			a.groups.tries.Delete(h.Plan)
		}
	}
	s.nudge()
	return nil
}

// forgetTries forgets mailings of which nothing was heard for a day.
func (g *groups) forgetTries(now time.Time) {
	g.tries.Range(func(plan, x any) bool {
		t := x.(*taken)
		t.mu.Lock()
		defer t.mu.Unlock()
		if now.Sub(t.last) > 24*time.Hour {
			g.tries.Delete(plan)
		}
		return true
	})
}
