package zuliptest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// mine reports whether an operand names the channel, by name or number.
func mine(operand string) bool {
	var v any
	if json.Unmarshal([]byte(operand), &v) != nil {
		v = operand
	}
	return v == Stream || v == float64(number)
}

func (p *Platform) send(w http.ResponseWriter, r *http.Request) {
	content, topic := strings.TrimRight(r.Form.Get("content"), " \n\t"), strings.TrimSpace(r.Form.Get("topic"))
	switch {
	case r.Form.Get("type") != "stream" && r.Form.Get("type") != "channel":
		refuse(w, "Invalid message type")
	case !mine(r.Form.Get("to")) || p.settings.Hidden:
		reply(w, http.StatusBadRequest, map[string]any{"result": "error", "msg": "Channel does not exist", "code": "STREAM_DOES_NOT_EXIST", "stream": r.Form.Get("to")})
	case p.settings.Archived, p.settings.Closed && !p.settings.Admin:
		refuse(w, "Only administrators can send to this channel")
	case !p.checked(w, content):
	case topic == "":
		refuse(w, "Topic can't be empty!")
	case strings.ContainsFunc(topic, func(r rune) bool { return r < ' ' }):
		refuse(w, "Invalid character in topic")
	default:
		if t := []rune(topic); len(t) > longestTopic {
			topic = string(t[:longestTopic-3]) + "..."
		}
		m := &message{sender: botID, topic: topic, content: content, raw: r.Form}
		p.add(m)
		p.pings += pings(content)
		answer(w, map[string]any{"id": m.id})
	}
}

// checked answers when Zulip does not take the words. It cuts a message that is too long, which nobody should see.
func (p *Platform) checked(w http.ResponseWriter, content string) bool {
	switch {
	case content == "":
		refuse(w, "Message must not be empty")
	case strings.Contains(content, "\x00"):
		refuse(w, "Message must not contain null bytes")
	case utf8.RuneCountInString(content) > longest:
		refuse(w, "Message is too long: it would be cut") // Zulip cuts it without a word; a simulation must not
	default:
		return true
	}
	return false
}

// find is the message that a request names, if the bot may see it.
func (p *Platform) find(w http.ResponseWriter, r *http.Request) *message {
	i := slices.IndexFunc(p.messages, func(m *message) bool { return strconv.FormatInt(m.id, 10) == r.PathValue("id") && !m.deleted })
	if i < 0 || p.settings.Hidden {
		refuse(w, "Invalid message(s)")
		return nil
	}
	return p.messages[i]
}

func (m *message) shape() map[string]any {
	v := map[string]any{
		"id": m.id, "sender_id": m.sender, "content": m.content, "timestamp": m.at.Unix(), "subject": m.topic, "stream_id": number, "type": "stream",
		"content_type": "text/x-markdown", "display_recipient": Stream,
	}
	if !m.moved.IsZero() {
		v["last_moved_timestamp"] = m.moved.Unix()
	}
	return v
}

func (p *Platform) one(w http.ResponseWriter, r *http.Request) {
	if m := p.find(w, r); m != nil {
		answer(w, map[string]any{"message": m.shape(), "raw_content": m.content})
	}
}

func (p *Platform) edit(w http.ResponseWriter, r *http.Request) {
	m := p.find(w, r)
	content := strings.TrimRight(r.Form.Get("content"), " \n\t")
	switch {
	case m == nil:
	case m.sender != botID:
		refuse(w, "You don't have permission to edit this message")
	case p.settings.NoEdits:
		refuse(w, "Your organization has turned off message editing")
	case p.settings.Late:
		refuse(w, "The time limit for editing this message has passed")
	case p.checked(w, content):
		m.content, m.raw = content, r.Form
		m.edited++
		answer(w, map[string]any{})
	}
}

func (p *Platform) remove(w http.ResponseWriter, r *http.Request) {
	m := p.find(w, r)
	switch {
	case m == nil:
	case m.sender != botID && !p.settings.Admin:
		refuse(w, "You don't have permission to delete this message")
	case p.settings.Late && !p.settings.Admin:
		refuse(w, "The time limit for deleting this message has passed")
	default:
		m.deleted = true
		answer(w, map[string]any{})
	}
}

// history gives messages of the narrow up to the anchor, oldest first.
func (p *Platform) history(w http.ResponseWriter, r *http.Request) {
	var narrow []struct {
		Operator string          `json:"operator"`
		Operand  json.RawMessage `json:"operand"`
	}
	before, err := strconv.Atoi(r.Form.Get("num_before"))
	anchor := int64(1 << 62)
	if a := r.Form.Get("anchor"); a != "newest" && err == nil {
		anchor, err = strconv.ParseInt(a, 10, 64)
	}
	if err != nil || before < 0 || before > 5000 || json.Unmarshal([]byte(r.Form.Get("narrow")), &narrow) != nil || r.Form.Get("apply_markdown") != "false" {
		reply(w, http.StatusBadRequest, map[string]any{"result": "error", "msg": "Bad value", "code": "BAD_REQUEST"})
		return
	}
	sender := int64(0)
	for _, n := range narrow {
		switch n.Operator {
		case "stream", "channel":
			if !mine(string(n.Operand)) || p.settings.Hidden {
				reply(w, http.StatusBadRequest, map[string]any{"result": "error", "msg": "Invalid narrow operator: unknown channel", "code": "BAD_NARROW", "desc": "unknown channel"})
				return
			}
		case "sender":
			if json.Unmarshal(n.Operand, &sender) != nil {
				reply(w, http.StatusBadRequest, map[string]any{"result": "error", "msg": "Invalid narrow operator: unknown user", "code": "BAD_NARROW", "desc": "unknown user"})
				return
			}
		}
	}
	if p.settings.Page > 0 {
		before = min(before, p.settings.Page)
	}
	list, first := []map[string]any{}, true
	for i := len(p.messages) - 1; i >= 0; i-- {
		m := p.messages[i]
		if m.deleted || m.id > anchor || sender != 0 && m.sender != sender {
			continue
		}
		if len(list) == before {
			first = false
			break
		}
		list = append(list, m.shape())
	}
	slices.Reverse(list)
	answer(w, map[string]any{"messages": list, "found_oldest": first, "found_newest": true, "anchor": anchor, "history_limited": false})
}
