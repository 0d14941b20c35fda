package digest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// page is how many people are told in one change of the record.
const page = 2000

// run is the work on one run. What it found out is forgotten with it; the record decides.
type run struct {
	*Service
	store.DigestRun
	digest   store.Digest
	gathered gathered
	accounts map[string]string        // by channel
	editions map[string]store.Edition // those that are on record, by key
	missing  map[string]wanted
}

// wanted is an edition that somebody is to get and that is not there.
type wanted struct {
	account string
	picked  []item
}

// errUntold puts a run off: something that it may have to tell is just beginning, or turns out to be held.
var errUntold = errors.New("not all that came due has begun")

// tell works on a run until it has ended.
func (s *Service) tell(ctx context.Context, d store.Digest, r store.DigestRun) error {
	w := run{Service: s, DigestRun: r, digest: d, accounts: map[string]string{}, editions: map[string]store.Edition{}}
	mark, err := s.Store.DigestMark(ctx, r)
	if err != nil {
		return err
	}
	untold, err := s.Store.Untold(ctx, mark, r.Period.Instant)
	if err == nil && untold {
		err = errUntold
	}
	if err == nil {
		err = w.summarise(ctx)
	}
	if err != nil {
		return err
	}
	all, err := s.Store.Told(ctx, mark, r.Period.Instant)
	if err != nil {
		return err
	}
	w.gathered = gather(all, d, s.Store.Now())
	channels := s.Broadcast.Personal()
	for _, c := range channels {
		w.accounts[c] = s.Broadcast.PersonalAccount(c)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.missing = map[string]wanted{}
		p, err := s.Store.TellPage(ctx, r.ID, w.gathered.told, channels, page, w.choose)
		switch {
		case err != nil:
			return err
		case p.Busy:
			return nil
		case p.Given:
			if err := w.issue(ctx); err != nil {
				return err
			}
			continue
		}
		s.Point(AfterPage)
		if p.Letters > 0 {
			s.Broadcast.Wake()
		}
		if p.Over {
			s.Log.Info("digest", "name", r.Digest, "period", r.Period.Wall, "late", r.Late, "editions", len(w.editions))
			return nil
		}
	}
}

// choose names the edition for a reader, and notes it when it is missing.
func (w *run) choose(r store.Reader) (store.Edition, bool) {
	picked := w.gathered.pick(r.Since, r.Until, func(t store.Told) bool { return t.For(r) })
	if len(picked) == 0 {
		return store.Edition{}, true
	}
	account := w.accounts[r.Channel]
	key := edition(account, picked)
	e, ready := w.editions[key]
	if !ready {
		w.missing[key] = wanted{account, picked}
	}
	return e, ready
}

// issue puts the editions that are missing on record.
func (w *run) issue(ctx context.Context) error {
	for key, x := range w.missing {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(key))
		e, err := w.Broadcast.Edition(ctx, w.what(x.picked), x.account, w.ID, w.key(hex.EncodeToString(sum[:16])))
		if err != nil {
			w.fail(ctx, err)
			return err
		}
		w.editions[key] = e
		w.Point(AfterEdition)
	}
	return nil
}

func (w *run) key(of string) string { return w.Digest + ":" + w.Period.Wall + ":" + of }

func (w *run) what(picked []item) broadcast.Issue {
	return broadcast.Issue{Titles: titles(w.digest, w.Site), Digest: announce.Digest{Name: w.Digest, Period: w.Period, Late: w.Late, Items: items(picked)}}
}

// summarise announces what is new since the last run on the digest's broadcast accounts.
func (w *run) summarise(ctx context.Context) error {
	if len(w.digest.Accounts) == 0 || w.Announcement != "" {
		return nil
	}
	since, err := w.Store.SummaryMark(ctx, w.DigestRun)
	if err != nil {
		return err
	}
	all, err := w.Store.Told(ctx, since, w.Period.Instant)
	if err != nil {
		return err
	}
	picked := gather(all, w.digest, w.Store.Now()).pick(since, w.Period.Instant, func(t store.Told) bool { return t.Open })
	if len(picked) == 0 {
		return nil
	}
	id, err := w.Broadcast.Summary(ctx, w.what(picked), w.digest.Accounts, w.key("summary"))
	if err != nil {
		w.fail(ctx, err)
		return err
	}
	if id == "" {
		return nil
	}
	return w.Store.Summarised(ctx, w.ID, id)
}

// fail tells organisers of a digest that cannot be made, once for each run.
func (w *run) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	w.Broadcast.Tell(ctx, "digest:"+w.key("failed"), map[announce.Language]announce.Text{
		"fr": {Title: "Le résumé « " + w.Digest + " » ne peut pas être fait", Body: fmt.Sprintf("Celui du %s attend, et il est essayé de nouveau. La cause :\n\n> %v", w.Period.Wall, err)},
		"en": {Title: "The digest “" + w.Digest + "” cannot be made", Body: fmt.Sprintf("That of %s waits, and is tried again. The reason:\n\n> %v", w.Period.Wall, err)},
	})
}

// refresh renders editions anew of which letters wait and an item was changed, called off or taken back since. waiting: there
// are letters of some edition that wait.
func (s *Service) refresh(ctx context.Context, of map[string]store.Digest) (waiting bool, err error) {
	editions, waiting, err := s.Store.Outdated(ctx)
	var errs []error
	for _, id := range editions {
		if err := s.anew(ctx, of, id); err != nil && ctx.Err() == nil {
			errs = append(errs, err)
		}
	}
	return waiting, errors.Join(append(errs, err)...)
}

func (s *Service) anew(ctx context.Context, of map[string]store.Digest, id announce.ID) error {
	a, _, err := s.Store.Announcement(ctx, id)
	if err != nil || a.Digest == nil {
		return err
	}
	ids := make([]announce.ID, len(a.Digest.Items))
	for n, i := range a.Digest.Items {
		ids[n] = i.ID
	}
	told, err := s.Store.ToldOf(ctx, ids)
	if err != nil {
		return err
	}
	w := run{Service: s, digest: of[a.Digest.Name], DigestRun: store.DigestRun{Digest: a.Digest.Name, Period: a.Digest.Period, Late: a.Digest.Late}}
	w.digest.Name = a.Digest.Name
	left := gather(told, store.Digest{}, s.Store.Now()).items
	if len(left) == 0 {
		return s.Store.Withdraw(ctx, id, a.Rev, "crieur", nil, s.Store.Now())
	}
	return s.Broadcast.Reissue(ctx, id, w.what(left))
}

// titles are what a digest is called, in the community's languages.
func titles(d store.Digest, site announce.Site) map[announce.Language]string {
	known := map[string][2]string{
		"daily":   {"Les annonces du jour", "Announcements of the day"},
		"weekly":  {"Les annonces de la semaine", "Announcements of the week"},
		"monthly": {"Les annonces du mois", "Announcements of the month"},
	}
	all := map[announce.Language]string{}
	languages := site.Languages
	if len(languages) == 0 {
		languages = []announce.Language{"en"}
	}
	for _, l := range languages {
		words, ours := known[d.Name]
		switch own := label(d, l); {
		case own != "":
			all[l] = own
		case ours && l.Base() == "fr":
			all[l] = words[0]
		case ours:
			all[l] = words[1]
		default:
			all[l] = d.Name
		}
	}
	return all
}

func label(d store.Digest, l announce.Language) string {
	if s := d.Labels[l]; s != "" {
		return s
	}
	return d.Labels[l.Base()]
}

// Preview is what somebody would be told by a digest now.
type Preview struct {
	Digest  string
	Since   time.Time // what came due after that
	Items   []announce.Item
	Message announce.Message // without items: none
}

// Preview renders what an address would be told by a digest now, chosen or not: all that is new since it was told last or,
// where it gets each announcement by itself, since the last occurrence. Nothing is stored. ErrNotFound of the store: there
// is no such digest, or the address is not written to.
func (s *Service) Preview(ctx context.Context, name string, a store.Address) (p Preview, err error) {
	d, err := s.Store.Digest(ctx, name)
	if err != nil {
		return p, err
	}
	now := s.Store.Now()
	has, since, err := s.Store.DigestOf(ctx, a.ID)
	if err != nil {
		return p, err
	}
	plan, err := s.schedule(d)
	if err != nil {
		return p, err
	}
	if has == "" {
		w, _ := plan.Last(now)
		since = w.Instant
	}
	all, err := s.Store.Told(ctx, since, now)
	if err != nil {
		return p, err
	}
	g := gather(all, d, now)
	r, err := s.Store.Reader(ctx, a.ID, since, now, g.told)
	if err != nil {
		return p, err
	}
	picked := g.pick(since, now, func(t store.Told) bool { return t.For(r) })
	p = Preview{Digest: d.Name, Since: since, Items: items(picked)}
	account := s.Broadcast.PersonalAccount(a.Channel)
	if len(picked) == 0 || account == "" {
		return p, nil
	}
	w := run{Service: s, digest: d, DigestRun: store.DigestRun{Digest: d.Name}}
	w.Period, _ = plan.Next(now)
	p.Message, err = s.Broadcast.Sample(ctx, w.what(picked), account, a.Language)
	return p, err
}
