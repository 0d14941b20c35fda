package templates

import (
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// A topic that picks nobody is shown as the others are, without its sign.
func TestTopicsThatAreOnlyShown(t *testing.T) {
	set, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := announce.Announcement{
		ID: "a", Rev: 1, Kind: announce.KindNews, Default: "fr", Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre"}},
		Topics: []string{"python", "#pycon 2027"},
	}
	all, err := set.Render(Request{Account: "mastodon", Language: "fr", Announcement: a, Limits: announce.Limits{Text: 500, Short: true}})
	if err != nil || !strings.Contains(all[0].Text, "#Python #Pycon2027") || !slices.Equal(all[0].Topics, []string{"python", "pycon 2027"}) || a.Topics[1] != "#pycon 2027" {
		t.Errorf("%+v %v", all, err)
	}
}
