package discord

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// A receipt's ID says what made the post, where it is and which it is: "bot:channel:message", "webhook:its number:message",
// "webhook:its number:message:thread", "event:guild:event".
const (
	byBot     = "bot"
	byWebhook = "webhook"
	asEvent   = "event"
)

var postAddress = regexp.MustCompile(`^/channels/[0-9]+/([1-9][0-9]{14,19})/([1-9][0-9]{14,19})$`)

// read finds the numbers in a receipt that was made in the given way.
func read(r announce.Receipt, made string) ([]string, bool) {
	parts := strings.Split(r.ID, ":")
	if parts[0] != made || len(parts) < 3 {
		return nil, false
	}
	for _, p := range parts[1:] {
		if !snowflake.MatchString(p) {
			return nil, false
		}
	}
	return parts[1:], true
}

// path is the path of an address at Discord, which is all that a person's receipt holds.
func path(r announce.Receipt) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(r.URL))
	if r.ID != "" || err != nil {
		return "", false
	}
	host := strings.TrimPrefix(strings.TrimPrefix(u.Host, "ptb."), "canary.")
	return strings.TrimSuffix(u.Path, "/"), host == "discord.com" || host == "discordapp.com"
}

// byAddress finds the channel and the message in an address.
func byAddress(r announce.Receipt) (channel, message string, ok bool) {
	p, ok := path(r)
	parts := postAddress.FindStringSubmatch(p)
	if !ok || parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}

func address(guild, channel, message string) string {
	if guild == "" {
		return ""
	}
	return "https://discord.com/channels/" + guild + "/" + channel + "/" + message
}

func foreign() error {
	return &announce.Error{Outcome: announce.Permanent, Fault: "the post was not made by this account as it is set up now, so Discord does not let it be changed: do it in Discord"}
}
