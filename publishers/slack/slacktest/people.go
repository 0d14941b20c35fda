package slacktest

import (
	"net/http"
	"strings"
)

// User lets somebody be in the workspace, or changes them. word is why the app cannot write to them, as Slack says it
// (user_disabled, cannot_dm_bot); empty: it can.
func (p *Platform) User(id, word string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[id] = word
}

// direct is whom a direct message of the app is with.
func (p *Platform) direct(channel string) (user string, ok bool) {
	rest, ok := strings.CutPrefix(channel, "D")
	_, known := p.users["U"+rest]
	return "U" + rest, ok && known
}

// knows reports whether the app can see a channel.
func (p *Platform) knows(channel string) bool {
	_, direct := p.direct(channel)
	return direct || channel == Channel
}

// open answers with the direct message with a user: the same one whenever it is asked.
func (p *Platform) open(w http.ResponseWriter, a arguments) {
	user := a["users"]
	switch word, known := p.users[user]; {
	case !known:
		answer(w, refusal("user_not_found"))
	case word != "":
		answer(w, refusal(word))
	default:
		answer(w, reply{"ok": true, "no_op": true, "already_open": true, "channel": reply{"id": "D" + user[1:]}})
	}
}
