package broadcast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// account looks at the account itself: whether it may be called, its credentials and, where posts cost, its budget.
func (r *rehearsal) account(ctx context.Context, t account) error {
	states, err := r.Store.Accounts(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(states, func(x store.AccountState) bool { return x.Account == t.Name && x.Stopped }); i >= 0 {
		r.add("account", t.Name, true, "the account is stopped: "+states[i].Fault, "mend it, then: crieur resume "+t.Name,
			"le compte est arrêté\u00a0: "+states[i].Fault, "réparez la cause, puis\u00a0: crieur resume "+t.Name)
	}
	c := r.checkup(ctx, t.Account, r.fresh)
	for _, f := range c.Findings {
		if !slices.Contains(r.lawful(t.Account), f) {
			r.add("account", t.Name, f.Severe, f.What, f.Do, "", "")
		}
	}
	if !c.Expires.IsZero() && c.Expires.Before(r.at) {
		day := c.Expires.Format(time.DateOnly)
		r.add("account", t.Name, true, "its credentials end on "+day+", before it is published", "renew them before",
			"ses identifiants expirent le "+day+", avant la parution", "renouvelez-les avant")
	}
	return nil
}

// checkup is how an account is: as it was seen a little while ago, unless the look must be fresh.
func (s *Service) checkup(ctx context.Context, a Account, fresh bool) Checkup {
	if v, ok := s.checkups.Load(a.Name); ok && !fresh {
		if c := v.(Checkup); s.Store.Now().Sub(c.Checked).Abs() < checkupFresh {
			return c
		}
	}
	ctx, cancel := context.WithTimeout(ctx, checkMost)
	defer cancel()
	return s.checkOne(ctx, a)
}

// budget looks whether the month in which it is published still has the money.
func (r *rehearsal) budget(ctx context.Context, t account, messages []announce.Message) error {
	priced, ok := t.Publisher.(announce.Coster)
	if !ok || t.Budget <= 0 {
		return nil
	}
	var cost, dearest int64
	for _, m := range messages {
		var one int64
		if err := r.guard(t.Name, func() error { one = priced.Cost(m); return nil }); err != nil {
			return nil // the call will tell
		}
		cost, dearest = cost+one, max(dearest, one)
	}
	spent, err := r.Store.Spent(ctx, t.Name, r.at)
	if err != nil {
		return err
	}
	if spent+cost > t.Budget {
		do, faire := "raise the budget, or it waits for the next month", "relevez le budget, sinon elle attendra le mois prochain"
		if dearest > t.Budget {
			do, faire = "raise the budget, or make it cheaper: no month pays for it", "relevez le budget, ou rendez-la moins chère\u00a0: aucun mois ne la paie"
		}
		dollars := func(micro int64) float64 { return float64(micro) / 1e6 }
		r.add("budget", t.Name, true, fmt.Sprintf("it costs %.3f $, and %.3f $ of the month's %.2f $ are left", dollars(cost), dollars(max(0, t.Budget-spent)), dollars(t.Budget)),
			do,
			fmt.Sprintf("elle coûte %.3f $, et il reste %.3f $ des %.2f $ du mois", dollars(cost), dollars(max(0, t.Budget-spent)), dollars(t.Budget)),
			faire)
	}
	return nil
}

// frozen looks whether the messages that will be sent can be read, with their pictures, and are what the channel takes now.
func (r *rehearsal) frozen(ctx context.Context, t account, rows []announce.Delivery) error {
	var wanted []announce.Delivery
	if t.Personal {
		for _, l := range r.languages(r.Announcement, t) {
			wanted = append(wanted, announce.Delivery{Announcement: r.ID, Account: t.Name, Language: l, Rev: r.Rev})
		}
	}
	for _, d := range rows {
		if d.Account == t.Name && d.Todo() == announce.Publish {
			wanted = append(wanted, d)
		}
	}
	var messages []announce.Message
	for _, d := range wanted {
		m, ok, err := r.Store.Frozen(ctx, d)
		if err != nil {
			return err
		}
		if !ok {
			r.add("picture", t.Name, true, "the message or a picture of it cannot be read from the record", "amend the announcement to store it anew",
				"le message, ou une de ses images, ne peut pas être relu", "modifiez l’annonce pour l’enregistrer à nouveau")
			continue
		}
		messages = append(messages, m)
		if n := t.units(m.Text); t.Text > 0 && n > t.Text {
			r.add("text", t.Name, true, fmt.Sprintf("the text has %d characters, and the channel takes %d now", n, t.Text), "amend the announcement",
				fmt.Sprintf("le texte compte %d caractères, et le canal en accepte maintenant %d", n, t.Text), "modifiez l’annonce")
		}
		for i, p := range m.Images {
			if most := t.Picture; i >= t.Images || most.Bytes > 0 && len(p.Data) > most.Bytes || most.Side > 0 && max(p.Width, p.Height) > most.Side {
				r.add("picture", t.Name, true, fmt.Sprintf("picture %d is more than the channel takes now", i+1), "amend the announcement: pictures are fitted anew",
					fmt.Sprintf("l’image %d dépasse ce que le canal accepte maintenant", i+1), "modifiez l’annonce\u00a0: les images sont ajustées à nouveau")
			}
		}
	}
	return r.budget(ctx, t, messages)
}

// units is the length of a text as the platform counts.
func (a account) units(text string) int {
	if a.Measure != nil {
		return a.Measure(text)
	}
	return len([]rune(text))
}

// text looks whether the announcement would be accepted today.
func (r *rehearsal) text(ctx context.Context) error {
	_, err := r.compose(ctx, r.Announcement)
	var faults announce.Faults
	if !errors.As(err, &faults) {
		return err
	}
	for _, f := range faults {
		r.add("text", "", true, "it would not be accepted as it is: "+f.Field+": "+f.Say, "amend the announcement",
			"elle ne serait plus acceptée telle quelle\u00a0: "+f.Field+"\u00a0: "+f.Say, "modifiez l’annonce")
	}
	return nil
}

// links looks whether the pages that readers are sent to answer.
func (r *rehearsal) links(ctx context.Context) {
	if r.Answers == nil {
		return
	}
	links := [][2]string{{"link", r.Link}}
	if e := r.Event; e != nil {
		links = append(links, [2]string{"event.sign_up_url", e.SignUpURL}, [2]string{"event.online_url", e.OnlineURL})
		if e.Venue != nil {
			links = append(links, [2]string{"event.venue.url", e.Venue.URL})
		}
	}
	for i, l := range links {
		if l[1] == "" || slices.ContainsFunc(links[:i], func(x [2]string) bool { return x[1] == l[1] }) {
			continue
		}
		if err := r.Answers(ctx, l[1]); err != nil {
			r.add("link", "", false, l[0]+" ("+l[1]+") "+err.Error(), "open it in a browser; amend the announcement if readers see nothing",
				l[0]+" ("+l[1]+") ne répond pas comme une page", "ouvrez-le dans un navigateur\u00a0; modifiez l’annonce si l’on n’y voit rien")
		}
	}
}

// people looks at the list of a personal account.
func (r *rehearsal) people(ctx context.Context, t account) error {
	if !t.Personal {
		return nil
	}
	n, err := r.Store.Audience(ctx, t.Name, r.Announcement)
	if err != nil {
		return err
	}
	if n == 0 {
		r.add("people", t.Name, false, "nobody would get it", "look at its topics and languages, and at the list: crieur subscribers list",
			"personne ne la recevrait", "vérifiez ses sujets et ses langues, et la liste\u00a0: crieur subscribers list")
	}
	gone, answers, err := r.Store.LastMailing(ctx, t.Name)
	if err != nil {
		return err
	}
	if gone >= 2 && gone*20 >= answers {
		r.add("people", t.Name, false, fmt.Sprintf("of the %d addresses that the last mailing reached, %d do not exist", answers, gone), "look where the addresses come from: a mailing of which so many come back is held",
			fmt.Sprintf("sur les %d adresses du dernier envoi, %d n’existent pas", answers, gone), "vérifiez d’où viennent les adresses\u00a0: un envoi dont tant reviennent est suspendu")
	}
	holds, err := r.Store.Holds(ctx, "")
	if err != nil {
		return err
	}
	for _, h := range holds {
		if h.Account == t.Name {
			w := heldWords(h)
			r.add("people", t.Name, false, "a mailing is held: "+w.english, "decide about it first", "un envoi est suspendu\u00a0: "+w.french, "décidez-en d’abord")
		}
	}
	return nil
}
