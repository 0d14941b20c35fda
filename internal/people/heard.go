package people

import (
	"context"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Report is what was heard about an address: a bounce, a complaint, a delivery.
type Report = store.Report

// patience is when bounces are believed: a second hard one a day after the first (greylisting and outages look like the
// first), or five soft ones over a fortnight, none of them before a mail that arrived. Mail servers give up after four or
// five days (RFC 5321 section 4.5.4.1): a mail of which nothing was heard for so long arrived.
func patience() store.Patience {
	return store.Patience{Hard: 24 * time.Hour, Soft: 5, Over: 14 * 24 * time.Hour, Silent: 5 * 24 * time.Hour}
}

// Heard applies a report, once for each ID. Hard: believed when a second one follows at least a day later. Soft: five of
// them over at least a fortnight, forgiven by a delivery, told or silent. Complaint and unsubscribe: at once. Block: says nothing about the
// address. Whoever leaves by it has a line for it in the log of consents. A mailing with too many of them is held.
func (s *Service) Heard(ctx context.Context, r Report) error {
	switch {
	case r.ID == "":
		return fmt.Errorf("a report without an ID cannot be counted once")
	case r.Class != store.Hard && r.Class != store.Soft && r.Class != store.Block && r.Class != store.Spam && r.Class != store.Left && r.Class != store.Delivered:
		return fmt.Errorf("%q is not a class of reports", r.Class)
	}
	fresh, err := s.Store.Hear(ctx, r, patience())
	if err == nil && fresh && r.Plan > 0 && (r.Class == store.Hard || r.Class == store.Spam) {
		_, err = s.Store.Judge(ctx, r.Plan, "")
	}
	return err
}

// Start is a person who pressed start in a chat: with an Invitation of somebody, their address is confirmed and replaced by the
// chat; without one the chat joins with everything. Pressing start is the confirmation, of the words beside the link to it.
func (s *Service) Start(ctx context.Context, chat, name string, l announce.Language, payload string) error {
	now := s.Store.Now()
	shown, token := invited(payload)
	j := store.Joining{
		Address:  store.Address{Channel: "telegram", Address: chat, Name: name, Language: l, Everything: true},
		NoLetter: true, Most: store.Limits{Day: 20, Month: 200, NetworkHour: 1 << 30, NetworkDay: 1 << 30, Hour: 1 << 30},
		Deed: store.Deed{How: "telegram", Basis: "express", Language: l},
	}
	if shown != "" {
		j.Deed.Words, j.Deed.Language = Words(s.Site, shown), shown
	}
	if b, err := s.Links.Read(Confirm, token, now); err == nil {
		if old, err := s.known(ctx, b); err == nil {
			j.Address.Language, j.Address.Zone, j.Address.Topics, j.Address.Everything, j.Address.Frequency = old.Language, old.Zone, old.Topics, old.Everything, old.Frequency
			j.Address.QuietFrom, j.Address.QuietTo = old.QuietFrom, old.QuietTo
			j.InPlace = old.ID
		}
	}
	return s.ask(ctx, j)
}

// Stop ends the subscription of a chat.
func (s *Service) Stop(ctx context.Context, chat string) error {
	a, err := s.Store.AddressOf(ctx, "telegram", chat)
	if err != nil {
		return ignoreMissing(err)
	}
	_, err = s.Store.EndSubscription(ctx, a.ID, store.Deed{How: "telegram"})
	return err
}
