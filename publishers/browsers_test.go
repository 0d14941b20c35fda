package publishers

import (
	"strings"
	"testing"

	"github.com/crieur/crieur/publishers/webpush"
)

// Pages are given the public key of the account whose private key signs.
func TestPush(t *testing.T) {
	if b, err := Push([]string{"feed", "email"}, nil); err != nil || b.Key != "" {
		t.Errorf("without webpush: %+v, %v", b, err)
	}
	private, err := webpush.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := webpush.PublicKey(private)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{"CRIEUR_WEBPUSH_BOARD_KEY": private.Reveal(), "CRIEUR_WEBPUSH_BOARD_CONTACT": "mailto:organisers@example.org"}
	b, err := Push([]string{"feed", "webpush@board"}, set)
	if err != nil || b.Key != public || len(b.Worker) == 0 || b.Address == nil {
		t.Errorf("%+v, %v", b, err)
	}
	set["CRIEUR_WEBPUSH_BOARD_KEY"] = "nonsense"
	if _, err := Push([]string{"webpush@board"}, set); err == nil || !strings.Contains(err.Error(), "CRIEUR_WEBPUSH_BOARD_KEY") || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a wrong key: %v", err)
	}
}
