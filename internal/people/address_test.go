package people

import (
	"errors"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/store"
)

// An address of a chat is kept as its channel writes it, so that the same one is known again.
func TestAddressesOfOtherChannels(t *testing.T) {
	h := newDesk(t)
	h.Address = func(channel, written string) (string, error) {
		if channel == "email" {
			return written, nil
		}
		if !strings.HasPrefix(written, "@") {
			return "", errors.New("write @ada:example.org")
		}
		return strings.ToLower(written), nil
	}
	h.Channels = append(h.Channels, "matrix")
	deed := store.Deed{Act: store.Added, How: "test", Basis: "express"}
	taken, err := h.Add(t.Context(), []store.Address{{Channel: "matrix", Address: "@ADA:Example.org", Everything: true}}, deed, false)
	if err != nil || taken.Added != 1 {
		t.Fatal(taken, err)
	}
	if taken, err = h.Add(t.Context(), []store.Address{{Channel: "matrix", Address: "@ada:example.org", Everything: true}}, deed, false); err != nil || taken.Known != 1 {
		t.Errorf("the same person twice: %+v %v", taken, err)
	}
	if _, err := h.Add(t.Context(), []store.Address{{Channel: "matrix", Address: "ada"}}, deed, false); err == nil || !strings.Contains(err.Error(), "write @ada:example.org") {
		t.Errorf("%v", err)
	}
}
