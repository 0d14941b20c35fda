package broadcast

import (
	"context"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Checkup is what a look at one account found.
type Checkup struct {
	Channel string `json:"channel"`
	announce.Report
	Checked time.Time `json:"checked_at,omitzero"`
}

// checkMost is how long a look at an account may take.
const checkMost = 30 * time.Second

// Check looks at every account at once, without changing anything.
func (s *Service) Check(ctx context.Context) []Checkup {
	ctx, cancel := context.WithTimeout(ctx, checkMost)
	defer cancel()
	out := make([]Checkup, len(s.Accounts))
	var g sync.WaitGroup
	for i, a := range s.Accounts {
		g.Go(func() { out[i] = s.checkOne(ctx, a) })
	}
	g.Wait()
	return out
}

// checkOne looks at one account.
func (s *Service) checkOne(ctx context.Context, a Account) Checkup {
	out := Checkup{Channel: a.Name}
	c, ok := a.Publisher.(announce.Checker)
	if !ok {
		out.Findings = s.lawful(a)
		return out
	}
	var report announce.Report
	err := s.guard(a.Name, func() (err error) { report, err = c.Check(ctx); return err })
	if err != nil {
		report.Findings = append(report.Findings, announce.Finding{Severe: true, What: asError(err).Error(), Do: "mend it, then run crieur doctor again"})
	}
	report.Findings = append(report.Findings, s.lawful(a)...)
	out.Report, out.Checked = report, s.Store.Now()
	s.checkups.Store(a.Name, out)
	s.Metrics.checked(out)
	return out
}

// lawful finds what mail laws ask for and every mail would lack (CASL section 6(2), GDPR article 13).
func (s *Service) lawful(a Account) []announce.Finding {
	if s.Site.Postal != "" || !s.accounts[a.Name].Personal || announce.Channel(a.Name) != "email" {
		return nil
	}
	return []announce.Finding{{
		What: "mail to subscribers has no postal address of its sender, which Canada's anti-spam law asks for in every message",
		Do:   "set CRIEUR_POSTAL_ADDRESS to where the community can be written to; see docs/privacy.md",
	}}
}

// seen tells what the last look at the account found.
func (c *Channel) seen(last Checkup, now time.Time) {
	c.Identity, c.Findings, c.Checked = last.Identity, last.Findings, &last.Checked
	if !last.Expires.IsZero() {
		days := max(0, int(last.Expires.Sub(now).Hours()/24))
		c.Expires, c.DaysLeft = &last.Expires, &days
	}
}

// watch looks at the accounts soon after the start and then every Options.CheckEvery, and tells organisers of credentials
// that end soon.
func (s *Service) watch(ctx context.Context) {
	if s.CheckEvery <= 0 {
		return
	}
	wait := min(time.Minute, s.CheckEvery) // not in the way of a start
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		for _, c := range s.Check(ctx) {
			s.tellHealth(ctx, c, s.Store.Now())
			for _, f := range c.Findings {
				s.Log.Warn("a look at the account found something", "account", c.Channel, "severe", f.Severe, "what", f.What, "do", f.Do)
			}
		}
		wait = s.CheckEvery
	}
}
