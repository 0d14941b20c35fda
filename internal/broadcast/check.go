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
}

// Check looks at every account at once, without changing anything.
func (s *Service) Check(ctx context.Context) []Checkup {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out := make([]Checkup, len(s.Accounts))
	var g sync.WaitGroup
	for i, a := range s.Accounts {
		g.Go(func() {
			out[i].Channel = a.Name
			c, ok := a.Publisher.(announce.Checker)
			if !ok {
				return
			}
			var report announce.Report
			err := s.guard(a.Name, func() (err error) { report, err = c.Check(ctx); return err })
			if err != nil {
				report.Findings = append(report.Findings, announce.Finding{Severe: true, What: asError(err).Error(), Do: "mend it, then run crieur doctor again"})
			}
			out[i].Report = report
		})
	}
	g.Wait()
	return out
}
