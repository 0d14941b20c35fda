package webpush

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
)

// Whatever a message holds, its notification fits, is JSON, and no character is cut.
func TestANotificationFits(t *testing.T) {
	for _, letter := range []string{"a", "é", "\"", "\n\\", "🎉", "<&>", "a\u2028", "\x01", "👩‍💻"} {
		for _, length := range []int{0, 1, 500, 4000} {
			m := message(1, "")
			m.Images = []announce.Picture{{URL: "https://example.org/" + strings.Repeat("a", 1900)}}
			m.Subject = strings.Repeat(letter, 300)
			m.Text = m.Subject + "\n\n" + strings.Repeat(letter, length)
			b, err := compose(m, tag(m.Key))
			if err != nil {
				t.Fatal(err)
			}
			var n notification
			if err := json.Unmarshal(b, &n); err != nil || len(b) > mostPlain || !utf8.Valid(b) || bytes.ContainsRune(b, utf8.RuneError) {
				t.Fatalf("%q times %d: %d bytes, %v", letter, length, len(b), err)
			}
			if n.URL != m.Link || len(n.Actions) != 2 || n.Tag == "" {
				t.Errorf("%q times %d: lost a link: %+v", letter, length, n)
			}
			if length == 4000 && (!strings.HasSuffix(n.Body, ellipsis) && n.Body != "" || len(b) < mostPlain-mostPlain/10) {
				t.Errorf("%q times %d: %d bytes, and nothing says that something is missing", letter, length, len(b))
			}
		}
	}
	p, platform, message := open(t)
	m := message(1)
	m.Text = strings.Repeat("é", 5000)
	if _, err := p.Publish(t.Context(), m); err != nil || len(platform.Posts()) != 1 {
		t.Errorf("the longest is not taken: %v", err)
	}
	m.Link = "https://example.org/" + strings.Repeat("a", 4000)
	if _, err := p.Publish(t.Context(), m); fault(t, err).Field != "link" || fault(t, err).Gone {
		t.Error(err)
	}
}

// Marks are filled, and addresses that are none do not reach a browser.
func TestWhatIsPersonal(t *testing.T) {
	m := message(1, "")
	m.Name, m.Language, m.Link = "Ada", "en", "javascript:alert(1)"
	m.Text, m.Preferences = "Hello"+announce.NameMark+", leave at "+announce.UnsubscribeMark, ""
	b, err := compose(m, "t")
	var n notification
	if err != nil || json.Unmarshal(b, &n) != nil || n.Body != "Hello Ada, leave at https://example.org/u/1" || n.URL != "" ||
		len(n.Actions) != 1 || n.Actions[0] != (action{"unsubscribe", "Unsubscribe", "https://example.org/u/1"}) {
		t.Errorf("%s, %v", b, err)
	}
}

// gala is everything that could go wrong in a text, in one announcement.
func gala(to string) announce.Message {
	m := message(1, to)
	m.Key, m.Kind = "01k0gala00000000000000000", announce.KindChange
	m.Subject = "Soirée <b>&amp; *gala* : l’IA, ça s’explique 🎉"
	m.Text = m.Subject + "\n\nMercredi 20 octobre 2027, 18 h 30\nCafé du Clocher\n\nÀ l’horaire : \\n reste écrit, \"ainsi\" aussi 👩‍💻."
	m.Link = "https://example.org/octobre?x=1&y=2"
	m.Images = []announce.Picture{{URL: "https://example.org/affiche.png", Alt: "L’affiche"}}
	return m
}

func TestGoldenNotification(t *testing.T) {
	p, platform, message := open(t)
	if _, err := p.Publish(t.Context(), gala(message(1).To)); err != nil {
		t.Fatal(err)
	}
	post := platform.Posts()[0]
	golden(t, "change.fr.golden.json", post.Raw)
	golden(t, "change.fr.golden.html", post.HTML+"\n")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test -update, then read what it wrote", err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}
