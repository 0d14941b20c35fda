package markup

import (
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

func TestOwn(t *testing.T) {
	m := announce.Message{
		Text: "Bonjour" + announce.NameMark + ",\n\n[Ne plus recevoir](" + announce.UnsubscribeMark + ") · <" + announce.PreferencesMark + ">",
		Name: "*Ada* [ici](https://evil.example) www.evil.example", Unsubscribe: "https://crieur.example.org/u/a_b*c?x=1&y=2", Preferences: "https://crieur.example.org/p/é",
	}
	blocks := NewReader().Read(Own(m))
	const hello = "Bonjour *Ada* [ici](https://evil.example) www.evil.example,"
	if len(blocks) != 2 || blocks[0].Words() != hello {
		t.Fatalf("%+v", blocks)
	}
	for _, s := range blocks[0].Spans {
		if s.Link != "" || s.Italic {
			t.Errorf("a name has become markup: %+v", s)
		}
	}
	links := map[string]string{}
	for _, s := range blocks[1].Spans {
		if s.Link != "" {
			links[s.Text] = s.Link
		}
	}
	if len(links) != 2 || links["Ne plus recevoir"] != m.Unsubscribe {
		t.Errorf("%v", links)
	}
}
