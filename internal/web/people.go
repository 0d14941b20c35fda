package web

import (
	"fmt"
	"net/mail"
	"strings"

	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// subscribersOf checks people as they come in. The error is a Faults with everyone who cannot be added.
func subscribersOf(in []Subscriber) ([]store.Subscriber, error) {
	var faults announce.Faults
	out := make([]store.Subscriber, 0, len(in))
	for i, p := range in {
		path := fmt.Sprintf("subscribers[%d]", i)
		a, err := mail.ParseAddress(p.Address)
		if err != nil || a.Name != "" || a.Address != strings.TrimSpace(p.Address) || !strings.Contains(a.Address, "@") {
			faults = append(faults, announce.Fault{Field: path + ".address", Say: "is not a mail address: write ada@example.org"})
			continue
		}
		if strings.ContainsFunc(p.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			faults = append(faults, announce.Fault{Field: path + ".name", Say: "holds a control character: remove it"})
			continue
		}
		if p.Language != "" {
			if _, err := language.Parse(string(p.Language)); err != nil {
				faults = append(faults, announce.Fault{Field: path + ".language", Say: "is not a language tag: write fr, fr-CA or en"})
				continue
			}
		}
		out = append(out, store.Subscriber{Address: a.Address, Name: strings.TrimSpace(p.Name), Language: p.Language})
	}
	return out, faults.Err()
}
