package announce

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Where people can choose among topics, a mistyped one is refused with the one that was meant; a word with # is only shown.
func TestTopicsOfDrafts(t *testing.T) {
	known := []string{"python", "données", "conseil"}
	for _, c := range []struct {
		word, near string // near: of the refusal; empty: it is taken
		known      []string
	}{
		{"pyton", "python", known}, {"Python", "python", known}, {"consiel", "conseil", known}, {"donnees", "données", known}, {"x", "python", known[:1]},
		{"python", "", known}, {"#PyCon 2027", "", known}, {"n’importe", "must be", nil}, {"#", "must be", known}, {"##a", "must be", known}, {"anything", "", nil},
	} {
		d, r := good(), rules
		d.Topics, r.Topics = []string{"#ok", c.word}, c.known
		_, err := d.Announcement(r)
		var faults Faults
		if c.near == "" {
			if err != nil {
				t.Errorf("%q: %v", c.word, err)
			}
		} else if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Field != "topics[1]" || !strings.Contains(faults[0].Say, c.near) {
			t.Errorf("%q: %v", c.word, err)
		}
	}
	a := Announcement{Topics: []string{"python", "#PyCon"}}
	if !slices.Equal(a.PickedBy(), []string{"python"}) || !slices.Equal(a.Words(), []string{"python", "PyCon"}) {
		t.Errorf("%q %q", a.PickedBy(), a.Words())
	}
}
