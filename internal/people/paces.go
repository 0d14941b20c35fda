package people

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Pace is how often somebody can choose to be written to.
type Pace struct {
	Frequency store.Frequency
	Label     string // the operator's words for it; empty: it has none
}

// Paces lists what can be chosen, in the words of a language: each announcement at once, or one of the digests that are on.
func (s *Service) Paces(ctx context.Context, l announce.Language) ([]Pace, error) {
	digests, err := s.Store.Digests(ctx)
	if err != nil {
		return nil, err
	}
	all := []Pace{{Frequency: store.Now}}
	for _, d := range digests {
		if d.Off {
			continue
		}
		p := Pace{Frequency: store.Frequency(d.Name)}
		for _, want := range append([]announce.Language{l, l.Base()}, s.Site.Languages...) {
			if p.Label == "" {
				p.Label = d.Labels[want]
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// badPaces says why somebody cannot be written to so often. had is what they had before, which they may keep.
func (s *Service) badPaces(ctx context.Context) (bad func(f, had store.Frequency) announce.Faults, err error) {
	paces, err := s.Paces(ctx, "")
	if err != nil {
		return nil, err
	}
	return func(f, had store.Frequency) announce.Faults {
		if f == "" || f == had || slices.ContainsFunc(paces, func(p Pace) bool { return p.Frequency == f }) {
			return nil
		}
		names := make([]string, len(paces))
		for i, p := range paces {
			names[i] = string(p.Frequency)
		}
		return announce.Faults{{Field: "frequency", Say: fmt.Sprintf("%q is not among what can be chosen: %s", f, strings.Join(names, ", "))}}
	}, nil
}
