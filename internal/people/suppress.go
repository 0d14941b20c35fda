package people

import (
	"context"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Suppressed is whether an address may be written to.
type Suppressed struct {
	store.Suppression                // the zero value: it is not suppressed
	Standing          store.Standing // of the address; empty: it is not on record
}

// personal: only the person themselves can have it lifted: they were erased, or complained.
func (s Suppressed) personal() bool {
	return s.Reason == string(store.Erased) || s.Standing == store.Complained
}

// Suppression tells whether an address may be written to. The error is a Faults when it cannot be an address.
func (s *Service) Suppression(ctx context.Context, channel, address string) (Suppressed, error) {
	if say := BadAddress(channel, address); say != "" {
		return Suppressed{}, announce.Faults{{Field: "address", Say: say}}
	}
	found, _, err := s.Store.Suppressed(ctx, channel, address)
	if err != nil {
		return Suppressed{}, err
	}
	a, err := s.Store.AddressOf(ctx, channel, address)
	return Suppressed{found, a.Standing}, ignoreMissing(err)
}

// Suppress makes sure that an address is never written to, even if it is added or imported again.
func (s *Service) Suppress(ctx context.Context, channel, address, who string) error {
	if say := BadAddress(channel, address); say != "" {
		return announce.Faults{{Field: "address", Say: say}}
	}
	return s.Store.Suppress(ctx, channel, address, "by-hand", store.Deed{How: who})
}

// Lift ends the suppression of an address: it may be added again, or ask to join. why goes on the log of events. Whoever was
// erased or complained comes back only if they asked for it themselves. The error is a Faults when this cannot be done so.
func (s *Service) Lift(ctx context.Context, channel, address, why string, asked bool, who string) error {
	now, err := s.Suppression(ctx, channel, address)
	if err != nil {
		return err
	}
	why = strings.Join(strings.Fields(why), " ")
	switch {
	case why == "":
		return announce.Faults{{Field: "reason", Say: "is required: it goes on the log, and is all that tells later why"}}
	case len([]rune(why)) > 300:
		return announce.Faults{{Field: "reason", Say: "must be at most 300 characters"}}
	case strings.Contains(strings.ToLower(why), strings.ToLower(address)):
		return announce.Faults{{Field: "reason", Say: "must not hold the address: the log cannot be changed, and the person may want to be forgotten"}}
	case now.personal() && !asked:
		return announce.Faults{{Field: "asked", Say: "this person was erased or complained: only they can come back, so say that they asked for it"}}
	}
	lifted, err := s.Store.Lift(ctx, channel, address, why, store.Deed{How: who})
	if err == nil && !lifted {
		err = announce.Faults{{Field: "address", Say: "is not suppressed: nothing keeps it from being added"}}
	}
	return err
}
