package broadcast

import (
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// A campaign adds to an address and changes nothing of it.
func TestCampaignKeepsTheAddress(t *testing.T) {
	tag := "utm_source=mastodon&utm_medium=social&utm_campaign=x1"
	for link, want := range map[string]string{
		"":                                      "",
		"https://example.org/a":                 "https://example.org/a?" + tag,
		"https://example.org/a?b=2&a=1&sig=%2F": "https://example.org/a?b=2&a=1&sig=%2F&" + tag,
		"https://example.org/?flag":             "https://example.org/?flag&" + tag,
		"https://example.org/?a=1;b=2&q=50%":    "https://example.org/?a=1;b=2&q=50%&" + tag,
		"https://example.org/x?y=1#part":        "https://example.org/x?y=1&" + tag + "#part",
		"https://example.org/?utm_source=me":    "https://example.org/?utm_source=me&utm_medium=social&utm_campaign=x1",
	} {
		if got := campaign(announce.Announcement{ID: "x1", Link: link}, account{Account: Account{Name: "mastodon@club"}}); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", link, got, want)
		}
	}
}

func TestWhatIsWantedOfAPerson(t *testing.T) {
	for _, c := range []struct {
		d    announce.Delivery
		want announce.Verb
	}{
		{announce.Delivery{Wanted: true, Rev: 1, Rest: announce.Person, Calling: announce.Publish}, announce.Publish},
		{announce.Delivery{Wanted: true, Rev: 2, Shown: 1, Rest: announce.Cannot}, announce.Amend},
		{announce.Delivery{Rev: 2, Shown: 1, Rest: announce.Cannot}, announce.Retract},
		{announce.Delivery{Rev: 1, Rest: announce.Person, Calling: announce.Publish}, announce.Retract},
		{announce.Delivery{Wanted: true, Rev: 1, Shown: 1}, announce.Nothing},
	} {
		if got := wantedOf(c.d); got.Verb != c.want || got.Rev != c.d.Rev {
			t.Errorf("%+v: %+v", c.d, got)
		}
	}
}
