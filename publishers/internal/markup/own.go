package markup

import (
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// Room is what a person's name and links may take in a message beyond the marks that stand for them, in bytes: a channel
// that writes to people keeps so much of its limit free.
const Room = 800

// Own is the Markdown of m for the person that it goes to. Their name is words, whatever signs it holds.
func Own(m announce.Message) string {
	var b strings.Builder
	for _, r := range m.Name {
		if strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", r) { // what a backslash frees of its meaning (CommonMark 2.4)
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	m.Name = b.String()
	return m.Filled()
}
