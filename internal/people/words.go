package people

import (
	"fmt"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Words are what somebody agrees to who joins, in French or else in English: pages show them, and the log of consents keeps them.
func Words(site announce.Site, l announce.Language) string {
	sender := site.Name
	if site.Postal != "" {
		sender += ", " + site.Postal
	}
	if l.Base() == "fr" {
		return fmt.Sprintf("J’accepte que %s m’envoie ses annonces, telles que je les ai choisies. Je peux retirer cet accord à tout moment, par le lien de chaque message.", sender)
	}
	return fmt.Sprintf("I agree that %s sends me its announcements, as I chose them. I can take this back at any time, by the link in each message.", sender)
}

// Invitation is what the link carries by which somebody opens a chat: whose address moves there (of the zero bearer nobody's), and in
// which language the words beside the link were.
func (l *Links) Invitation(b Bearer, shown announce.Language, now time.Time) string {
	word := "join"
	if b.Address > 0 {
		word = l.Token(Confirm, b, now)
	}
	return string(shown.Base()) + "-" + word
}

// invited takes an invitation apart. Who was shown no words has no language: they found the chat by themselves.
func invited(payload string) (shown announce.Language, token string) {
	for _, l := range []announce.Language{"fr", "en"} {
		if token, ok := strings.CutPrefix(payload, string(l)+"-"); ok {
			return l, token
		}
	}
	return "", payload
}
