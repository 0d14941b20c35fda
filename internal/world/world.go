// Package world is the simulated platforms together, and the wall: one page that shows the posts of each as a person
// would see them there.
package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crieur/crieur/publishers/assisted/assistedtest"
	"github.com/crieur/crieur/publishers/bluesky/blueskytest"
	"github.com/crieur/crieur/publishers/discord/discordtest"
	"github.com/crieur/crieur/publishers/email/emailtest"
	"github.com/crieur/crieur/publishers/facebook/facebooktest"
	"github.com/crieur/crieur/publishers/googlechat/googlechattest"
	"github.com/crieur/crieur/publishers/linkedin/linkedintest"
	"github.com/crieur/crieur/publishers/mastodon/mastodontest"
	"github.com/crieur/crieur/publishers/matrix/matrixtest"
	"github.com/crieur/crieur/publishers/mattermost/mattermosttest"
	"github.com/crieur/crieur/publishers/ntfy/ntfytest"
	"github.com/crieur/crieur/publishers/shoutrrr/shoutrrrtest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/slack/slacktest"
	"github.com/crieur/crieur/publishers/teams/teamstest"
	"github.com/crieur/crieur/publishers/telegram/telegramtest"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
	"github.com/crieur/crieur/publishers/webhook/webhooktest"
	"github.com/crieur/crieur/publishers/website/websitetest"
	"github.com/crieur/crieur/publishers/zulip/zuliptest"
)

// list names every account of the world, in the order in which people read them. A new channel is one line here.
func list() []entry {
	return []entry{
		{"feed", "Site web", "Website", nil}, // its posts are those of the server's own public feed
		{"website", "Dépôt du site", "Website repository", func() sim.Platform { return websitetest.New() }},
		{"email", "Courriel", "Mail", func() sim.Platform { return emailtest.New() }},
		{"slack", "Slack", "", func() sim.Platform { return slacktest.New() }},
		{"discord", "Discord", "", func() sim.Platform { return discordtest.New() }},
		{"discord@calendar", "Discord, calendrier", "Discord, calendar", func() sim.Platform { return discordtest.NewCalendar() }},
		{"telegram", "Telegram", "", func() sim.Platform { return telegramtest.New() }},
		{"matrix", "Matrix", "", func() sim.Platform { return matrixtest.New() }},
		{"mattermost", "Mattermost", "", func() sim.Platform { return mattermosttest.New() }},
		{"zulip", "Zulip", "", func() sim.Platform { return zuliptest.New() }},
		{"googlechat", "Google Chat", "", func() sim.Platform { return googlechattest.New() }},
		{"teams", "Teams", "", func() sim.Platform { return teamstest.New() }},
		{"twitter", "X (Twitter)", "", func() sim.Platform { return twittertest.New() }},
		{"mastodon", "Mastodon", "", func() sim.Platform { return mastodontest.New() }},
		{"bluesky", "Bluesky", "", func() sim.Platform { return blueskytest.New() }},
		{"facebook", "Facebook", "", func() sim.Platform { return facebooktest.New() }},
		{"linkedin", "LinkedIn", "", func() sim.Platform { return linkedintest.New() }},
		{"ntfy", "ntfy", "", func() sim.Platform { return ntfytest.New() }},
		{"shoutrrr", "Shoutrrr", "", func() sim.Platform { return shoutrrrtest.New() }},
		{"webhook", "Webhook", "", func() sim.Platform { return webhooktest.New() }},
		{"assisted", "Babillard", "Bulletin board", func() sim.Platform { return assistedtest.New() }},
	}
}

// entry is one account of the world.
type entry struct {
	account        string
	title, english string // what people call the place; no english: the same word
	open           func() sim.Platform
}

// World is every simulated platform, running. Safe for concurrent use.
type World struct {
	entries   []entry
	platforms map[string]sim.Platform
}

// New starts every simulated platform on loopback.
func New() (*World, error) { return build(list()) }

func build(entries []entry) (*World, error) {
	w := &World{entries: entries, platforms: map[string]sim.Platform{}}
	for _, e := range entries {
		if e.open == nil {
			continue
		}
		if w.platforms[e.account] != nil {
			w.Close()
			return nil, fmt.Errorf("the world has two platforms for the account %s", e.account)
		}
		w.platforms[e.account] = e.open()
	}
	return w, nil
}

// Accounts lists the accounts that a server can publish on in this world.
func (w *World) Accounts() []string {
	var names []string
	for _, e := range w.entries {
		names = append(names, e.account)
	}
	return names
}

// Environ is the configuration of those accounts: CRIEUR_SLACK_TOKEN and so on.
func (w *World) Environ() map[string]string {
	out := map[string]string{}
	for account, p := range w.platforms {
		prefix := "CRIEUR_" + strings.ToUpper(strings.NewReplacer("@", "_", "-", "_", ".", "_").Replace(account)) + "_"
		for name, v := range p.Environ() {
			out[prefix+name] = v
		}
	}
	return out
}

// Platform is the simulated platform of an account; nil for an account without one.
func (w *World) Platform(account string) sim.Platform { return w.platforms[account] }

// Close ends every simulated platform.
func (w *World) Close() {
	for _, account := range slices.Sorted(maps.Keys(w.platforms)) {
		w.platforms[account].Close()
	}
}
