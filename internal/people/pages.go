package people

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Browser lets a browser be told by notifications from now on: that its person allowed them there is the confirmation,
// and no letter is sent. of is whose choices it takes over, from a page of theirs; zero: those of r. Else as Join.
func (s *Service) Browser(ctx context.Context, r Request, of Bearer) error {
	a, err := s.address(ctx, r)
	if err != nil {
		return err
	}
	if of.Address > 0 {
		old, err := s.known(ctx, of)
		if err != nil {
			return err
		}
		a.Name, a.Zone, a.Frequency, a.QuietFrom, a.QuietTo = old.Name, old.Zone, old.Frequency, old.QuietFrom, old.QuietTo
		a.Everything, a.Topics = old.Everything, old.Topics
	}
	return s.ask(ctx, store.Joining{
		Address: a, NoLetter: true, Most: s.limits(),
		Deed: store.Deed{How: r.How, Basis: "express", Words: r.Words, Language: r.Language, Network: r.Network},
	})
}

// Back asks whoever reads the address of a link whether they want to be told again, as they chose before they left. words
// are what the page says beside its button, in language l. As with Join, nil says nothing of what becomes of it.
func (s *Service) Back(ctx context.Context, b Bearer, words string, l announce.Language, network netip.Prefix) error {
	a, err := s.known(ctx, b)
	if err != nil {
		return err
	}
	return s.ask(ctx, store.Joining{
		Address: a, Most: s.limits(),
		Deed: store.Deed{How: "page", Basis: "express", Words: words, Language: l, Network: network},
	})
}

// Renew puts a browser's new subscription in the place of the one that its push service ended, with all that was chosen.
// endpoint is where the old one was sent to: only that browser, its service and this record know it. Whether it was known
// is not told.
func (s *Service) Renew(ctx context.Context, endpoint, address string, network netip.Prefix) error {
	var begin strings.Builder // of the address, which is JSON
	written := json.NewEncoder(&begin)
	written.SetEscapeHTML(false)
	if err := written.Encode(map[string]string{"endpoint": endpoint}); err != nil || endpoint == "" {
		return err
	}
	all, _, err := s.Store.Addresses(ctx, store.Search{
		Channel: "webpush", Standing: []store.Standing{store.Active}, Prefix: strings.TrimSuffix(begin.String(), "}\n") + ",", Limit: 1,
	})
	if err != nil || len(all) == 0 || all[0].Address == address {
		return err
	}
	a, old := all[0], all[0].ID
	a.Address = address
	return s.ask(ctx, store.Joining{
		Address: a, InPlace: old, NoLetter: true, Renewal: true, Most: s.limits(),
		Deed: store.Deed{How: "browser", Basis: "express", Language: a.Language, Network: network, Detail: "the browser renewed its subscription"},
	})
}
