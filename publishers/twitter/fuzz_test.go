package twitter_test

import (
	"context"
	"fmt"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
)

// FuzzFind holds for every text that X takes: what was posted is found, however X keeps it.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"a & b < c &amp; d", "README.md et https://example.org/a/?b=1&copy=2.", "l’été à Québec 🎉 👩‍💻", "HTTP://EXAMPLE.ORG/ (example.com)", "a\u200cb\u00a0c\u202fd", "e\u0301 \u1E9B\u0323"} {
		f.Add(s)
	}
	p := platform(f, func(p *twittertest.Platform) { p.Grant(1 << 30) })
	pubs := []announce.Publisher{open(f, p), open(f, p, "LINKS", "false")}
	n := 0
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		for _, pub := range pubs {
			n++
			m := announce.Message{Text: fmt.Sprintf("%s\n%d", s, n)}
			if _, err := pub.Publish(context.Background(), m); err != nil {
				continue
			}
			if _, found, err := pub.(announce.Finder).Find(context.Background(), m, time.Now()); err != nil || !found {
				t.Fatalf("%q: %t, %v; posts %q", m.Text, found, err, p.Posts()[len(p.Posts())-1].Text)
			}
		}
	})
}
