package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// method is one of the Web API. run is called with the workspace locked.
type method struct {
	scope string
	run   func(*Platform, http.ResponseWriter, arguments)
}

func methods() map[string]method {
	return map[string]method{
		"auth.test":                    {"", (*Platform).authTest},
		"chat.postMessage":             {"chat:write", (*Platform).postMessage},
		"chat.update":                  {"chat:write", (*Platform).update},
		"chat.delete":                  {"chat:write", (*Platform).remove},
		"chat.getPermalink":            {"", (*Platform).permalink},
		"conversations.history":        {"channels:history", (*Platform).history},
		"conversations.open":           {"im:write", (*Platform).open},
		"conversations.info":           {"channels:read", (*Platform).info},
		"files.getUploadURLExternal":   {"files:write", (*Platform).place},
		"files.completeUploadExternal": {"files:write", (*Platform).complete},
		"files.info":                   {"files:read", (*Platform).fileInfo},
	}
}

func (p *Platform) authTest(w http.ResponseWriter, _ arguments) {
	r := reply{"ok": true, "url": "https://crieur-simulated.slack.com/", "team": "Simulated community", "user": "crieur", "team_id": "T0CRIEUR", "user_id": "U0CRIEUR"}
	if !p.space.Person {
		r["bot_id"] = "B0CRIEUR"
	}
	answer(w, r)
}

// writable says why the app may not write in the channel, if so.
func (p *Platform) writable(a arguments) string {
	switch who, direct := p.direct(a["channel"]); {
	case direct:
		return p.users[who]
	case a["channel"] != Channel, p.space.Private && !p.space.Member:
		return "channel_not_found"
	case p.space.Archived:
		return "is_archived"
	case !p.space.Member && !slices.Contains(p.space.Scopes, "chat:write.public"):
		return "not_in_channel"
	}
	return ""
}

const (
	mostText   = 40_000
	mostEdited = 4_000
	mostMeta   = 16 << 10
	mostBlocks = 13_200
)

func (p *Platform) postMessage(w http.ResponseWriter, a arguments) {
	if word := p.writable(a); word != "" {
		answer(w, refusal(word))
		return
	}
	if p.tooFast(w, a["channel"]) {
		answer(w, refusal("ratelimited"))
		return
	}
	blocks, refused := p.content(a, mostText, true)
	if refused != nil {
		answer(w, refused)
		return
	}
	meta, refused := metadata(a)
	if refused != nil {
		answer(w, refused)
		return
	}
	m := &message{channel: a["channel"], raw: a.raw(), text: a["text"], blocks: blocks, metadata: meta}
	p.add(m)
	p.last[m.channel] = m.at
	p.pings += pings(a, blocks)
	answer(w, reply{"ok": true, "channel": m.channel, "ts": m.ts, "message": p.shown(m, true)})
}

// tooFast answers 429 when the last message in the channel is less than a second old. p.mu is held.
func (p *Platform) tooFast(w http.ResponseWriter, channel string) bool {
	if !p.space.RateLimit || time.Since(p.last[channel]) >= time.Second {
		return false
	}
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusTooManyRequests)
	return true
}

// content checks text and blocks. app: the app may show its own files. p.mu is held.
func (p *Platform) content(a arguments, most int, app bool) ([]block, reply) {
	if a["text"] == "" && a["blocks"] == "" {
		return nil, refusal("no_text")
	}
	if len([]rune(a["text"])) > most {
		return nil, refusal("msg_too_long")
	}
	if a["blocks"] == "" {
		return nil, nil
	}
	blocks, details := parse([]byte(a["blocks"]), p.viewable(app), !p.space.Unseen)
	if len(details) > 0 {
		return nil, refusal("invalid_blocks", details...)
	}
	if size(blocks) > mostBlocks {
		return nil, refusal("msg_blocks_too_long")
	}
	return blocks, nil
}

func metadata(a arguments) (json.RawMessage, reply) {
	raw := a["metadata"]
	if raw == "" {
		return nil, nil
	}
	if len(raw) > mostMeta {
		return nil, refusal("metadata_too_large")
	}
	var m struct {
		Type    string         `json:"event_type"`
		Payload map[string]any `json:"event_payload"`
	}
	if json.Unmarshal([]byte(raw), &m) != nil {
		return nil, refusal("invalid_metadata_format")
	}
	if m.Type == "" || m.Payload == nil {
		return nil, refusal("invalid_metadata_schema")
	}
	return json.RawMessage(raw), nil
}

func (p *Platform) find(channel, ts string) *message {
	for _, m := range p.messages {
		if m.channel == channel && m.ts == ts && !m.deleted {
			return m
		}
	}
	return nil
}

func (p *Platform) update(w http.ResponseWriter, a arguments) {
	if !p.knows(a["channel"]) {
		answer(w, refusal("channel_not_found"))
		return
	}
	m := p.find(a["channel"], a["ts"])
	switch {
	case m == nil:
		answer(w, refusal("message_not_found"))
		return
	case m.byHook:
		answer(w, refusal("cant_update_message"))
		return
	case m.channel == Channel && p.space.Archived:
		answer(w, refusal("is_archived"))
		return
	}
	blocks, refused := p.content(a, mostEdited, true)
	if refused != nil {
		answer(w, refused)
		return
	}
	meta, refused := metadata(a)
	if refused != nil {
		answer(w, refused)
		return
	}
	if meta != nil {
		m.metadata = meta
	}
	m.raw, m.text, m.blocks = a.raw(), a["text"], blocks
	m.edited++
	answer(w, reply{"ok": true, "channel": m.channel, "ts": m.ts, "text": m.text, "message": p.shown(m, true)})
}

func (p *Platform) remove(w http.ResponseWriter, a arguments) {
	if !p.knows(a["channel"]) {
		answer(w, refusal("channel_not_found"))
		return
	}
	m := p.find(a["channel"], a["ts"])
	switch {
	case m == nil:
		answer(w, refusal("message_not_found"))
	case m.byHook:
		answer(w, refusal("cant_delete_message"))
	default:
		m.deleted = true
		answer(w, reply{"ok": true, "channel": m.channel, "ts": m.ts})
	}
}

func (p *Platform) permalink(w http.ResponseWriter, a arguments) {
	m := p.find(a["channel"], a["message_ts"])
	switch {
	case p.space.Unlinkable:
		answer(w, refusal("fatal_error"))
	case !p.knows(a["channel"]):
		answer(w, refusal("channel_not_found"))
	case m == nil:
		answer(w, refusal("message_not_found"))
	default:
		answer(w, reply{"ok": true, "channel": m.channel, "permalink": p.link(m)})
	}
}

func (p *Platform) shown(m *message, withMetadata bool) reply {
	r := reply{"type": "message", "ts": m.ts, "text": m.text, "user": "U0CRIEUR", "bot_id": "B0CRIEUR"}
	if m.metadata != nil && withMetadata {
		r["metadata"] = m.metadata
	}
	if m.edited > 0 {
		r["edited"] = reply{"user": "U0CRIEUR", "ts": m.ts}
	}
	return r
}

var timestamp = regexp.MustCompile(`^\d+(\.\d{1,6})?$`)

// history gives the newest messages first, page by page.
func (p *Platform) history(w http.ResponseWriter, a arguments) {
	limit, err := strconv.Atoi(a["limit"])
	if a["limit"] == "" {
		limit, err = 100, nil
	}
	switch {
	case !p.knows(a["channel"]):
		answer(w, refusal("channel_not_found"))
		return
	case a["channel"] == Channel && !p.space.Member:
		answer(w, refusal("not_in_channel"))
		return
	case err != nil || limit < 1 || limit > 999:
		answer(w, refusal("invalid_limit"))
		return
	case a["oldest"] != "" && !timestamp.MatchString(a["oldest"]):
		answer(w, refusal("invalid_ts_oldest"))
		return
	}
	if p.space.Page > 0 {
		limit = min(limit, p.space.Page)
	}
	before, hasCursor := strings.CutPrefix(a["cursor"], "bmV4dA:")
	if a["cursor"] != "" && (!hasCursor || !timestamp.MatchString(before)) {
		answer(w, refusal("invalid_cursor"))
		return
	}
	list, next := []reply{}, ""
	for i := len(p.messages) - 1; i >= 0; i-- {
		m := p.messages[i]
		if m.channel != a["channel"] || m.deleted || before != "" && m.ts >= before || a["oldest"] != "" && m.ts <= a["oldest"] {
			continue
		}
		if len(list) == limit {
			next = "bmV4dA:" + list[len(list)-1]["ts"].(string)
			break
		}
		list = append(list, p.shown(m, a["include_all_metadata"] == "1" || a["include_all_metadata"] == "true"))
	}
	answer(w, reply{"ok": true, "messages": list, "has_more": next != "", "pin_count": 0, "response_metadata": reply{"next_cursor": next}})
}

func (p *Platform) info(w http.ResponseWriter, a arguments) {
	if a["channel"] != Channel || p.space.Private && !p.space.Member {
		answer(w, refusal("channel_not_found"))
		return
	}
	answer(w, reply{"ok": true, "channel": reply{
		"id": Channel, "name": "annonces", "is_channel": !p.space.Private, "is_private": p.space.Private, "is_archived": p.space.Archived, "is_member": p.space.Member,
	}})
}

// webhook answers as Slack's webhooks do: with a word of plain text.
func (p *Platform) webhook(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	say := func(status int, word string) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, word)
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.URL.Path != hook && strings.HasPrefix(r.URL.Path, "/services/T0CRIEUR/B0CRIEUR/"):
		say(http.StatusForbidden, "invalid_token")
		return
	case r.URL.Path != hook:
		say(http.StatusNotFound, "no_service")
		return
	case r.Method != http.MethodPost || media != "application/json":
		say(http.StatusBadRequest, "invalid_payload")
		return
	case p.space.Archived:
		say(http.StatusGone, "channel_is_archived")
		return
	case p.tooFast(w, Channel):
		return
	}
	a, word := read(r)
	if word != "" {
		say(http.StatusBadRequest, "invalid_payload")
		return
	}
	blocks, refused := p.content(a, mostText, false)
	if refused != nil {
		say(http.StatusBadRequest, fmt.Sprint(refused["error"]))
		return
	}
	m := &message{channel: Channel, raw: a.raw(), text: a["text"], blocks: blocks, byHook: true}
	p.add(m)
	p.last[Channel] = m.at
	p.pings += pings(a, blocks)
	say(http.StatusOK, "ok")
}
