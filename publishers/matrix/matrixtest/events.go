package matrixtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// event is an m.room.message.
type event struct {
	id       string
	room     string // a direct one; empty: the room
	sender   string
	content  map[string]any
	raw      []byte // as it came
	at       time.Time
	redacted bool
}

// add gives the event its ID, which orders events as their time does. p.mu is held.
func (p *Platform) add(sender string, content map[string]any) *event {
	e := &event{id: fmt.Sprintf("$%043d", len(p.events)+1), sender: sender, content: content, at: time.Now().UTC()}
	p.events = append(p.events, e)
	return e
}

func (p *Platform) find(id string) *event {
	if i := slices.IndexFunc(p.events, func(e *event) bool { return e.id == id }); i >= 0 {
		return p.events[i]
	}
	return nil
}

// transaction is what the homeserver knows a call by. p.mu is held.
func (p *Platform) transaction(r *http.Request) string {
	if p.settings.Spec {
		return r.URL.Path
	}
	return p.token + "/" + r.PathValue("txn")
}

// object reads a JSON object as Matrix takes it: whole numbers only.
func object(r *http.Request) (map[string]any, []byte, string) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil, "M_NOT_JSON"
	}
	var content map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	switch err := d.Decode(&content); {
	case err != nil && json.Valid(raw), err == nil && content == nil:
		return nil, nil, "M_BAD_JSON"
	case err != nil:
		return nil, nil, "M_NOT_JSON"
	case !whole(content):
		return nil, nil, "M_BAD_JSON"
	}
	return content, raw, ""
}

func whole(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			if !whole(x) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(x any) bool { return !whole(x) })
	case json.Number:
		n, err := v.Int64()
		return err == nil && n > -1<<53 && n < 1<<53
	}
	return true
}

// size is how large the event is when it goes to other servers, with ten events before it and ten that allow it.
func size(content map[string]any) int {
	hashes := slices.Repeat([]string{"$" + strings.Repeat("h", 43)}, 10)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]any{
		"type": "m.room.message", "room_id": Room, "sender": User, "content": content, "origin_server_ts": time.Now().UnixMilli(), "depth": 1 << 40,
		"auth_events": hashes, "prev_events": hashes, "hashes": map[string]string{"sha256": strings.Repeat("h", 43)},
		"signatures": map[string]any{"matrix.example": map[string]string{"ed25519:auto": strings.Repeat("s", 86)}}, "origin": "matrix.example",
	})
	return b.Len() - 1
}

func (p *Platform) send(w http.ResponseWriter, r *http.Request) {
	if id, ok := p.answers[p.transaction(r)]; ok {
		answer(w, map[string]string{"event_id": id})
		return
	}
	if p.tooFast(w) {
		return
	}
	content, raw, code := object(r)
	kind, typed := content["msgtype"].(string)
	_, worded := content["body"].(string)
	_, formatted := content["formatted_body"].(string)
	relation, _ := content["m.relates_to"].(map[string]any)
	original, _ := relation["event_id"].(string)
	switch {
	case code != "":
		refuse(w, http.StatusBadRequest, code, "Content must be a JSON object of whole numbers and texts")
	case !typed, kind == "", !worded:
		refuse(w, http.StatusBadRequest, "M_BAD_JSON", "msgtype or body not in content")
	case content["format"] != nil && !formatted:
		refuse(w, http.StatusBadRequest, "M_BAD_JSON", "formatted_body not in content")
	case size(content) > largestEvent && p.settings.Spec:
		refuse(w, http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "event too large")
	case size(content) > largestEvent:
		refuse(w, http.StatusRequestEntityTooLarge, "M_BAD_JSON", "gomatrixserverlib: event is too long")
	case p.settings.Level < p.settings.Needed && !p.settings.Creator, p.settings.Replaced != "":
		refuse(w, http.StatusForbidden, "M_FORBIDDEN", "You don't have permission to post that to the room.")
	case relation["rel_type"] == "m.replace" && p.find(original) == nil:
		refuse(w, http.StatusBadRequest, "M_UNKNOWN", "Can't send relation to unknown event")
	default:
		e := p.add(User, content)
		e.raw = raw
		if p.direct(r.PathValue("room")) != nil {
			e.room = r.PathValue("room")
		}
		p.sent = append(p.sent, e.at)
		p.pings += pings(content)
		p.answers[p.transaction(r)] = e.id
		answer(w, map[string]string{"event_id": e.id})
	}
}

// tooFast answers when the bot sends more than ten messages at once and one in five seconds after. p.mu is held.
func (p *Platform) tooFast(w http.ResponseWriter) bool {
	const burst, each = 10, 5 * time.Second
	if !p.settings.RateLimit || len(p.sent) < burst || time.Since(p.sent[len(p.sent)-burst]) > burst*each {
		return false
	}
	body := map[string]any{"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": each.Milliseconds()}
	if !p.settings.WaitInBody {
		w.Header().Set("Retry-After", strconv.Itoa(int(each.Seconds())))
	}
	reply(w, http.StatusTooManyRequests, body)
	return true
}

// pings counts whom an event calls. Without m.mentions apps look for names in the words, as they did before Matrix 1.7.
func pings(content map[string]any) int {
	m, ok := content["m.mentions"].(map[string]any)
	if !ok {
		body, _ := content["body"].(string)
		return strings.Count(body, "@")
	}
	n := 0
	if users, ok := m["user_ids"].([]any); ok {
		n = len(users)
	}
	if m["room"] == true {
		n++
	}
	return n
}

func (p *Platform) redact(w http.ResponseWriter, r *http.Request) {
	_, _, code := object(r)
	e := p.find(r.PathValue("event"))
	switch {
	case code != "":
		refuse(w, http.StatusBadRequest, code, "Content must be a JSON object")
	case e == nil:
		refuse(w, http.StatusBadRequest, "M_NOT_FOUND", "unknown event ID")
	case e.sender != User:
		refuse(w, http.StatusForbidden, "M_FORBIDDEN", "You don't have permission to redact events")
	default:
		id, ok := p.answers[p.transaction(r)]
		if !ok {
			id = e.id + "redaction"
			p.answers[p.transaction(r)] = id
		}
		e.redacted = true
		answer(w, map[string]string{"event_id": id})
	}
}

// seen is an event as clients get it.
func (p *Platform) seen(e *event) map[string]any {
	out := map[string]any{"event_id": e.id, "sender": e.sender, "type": "m.room.message", "room_id": p.room(), "origin_server_ts": e.at.UnixMilli(), "content": e.content}
	if e.room != "" {
		out["room_id"] = e.room
	}
	if e.redacted {
		out["content"] = map[string]any{}
		out["unsigned"] = map[string]any{"redacted_because": map[string]any{"type": "m.room.redaction", "redacts": e.id}}
	}
	return out
}

func (p *Platform) one(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("event")
	if p.settings.Creator && id == "$"+p.room()[1:] {
		answer(w, map[string]any{"event_id": id, "sender": User, "type": "m.room.create", "content": map[string]any{"room_version": "12"}})
		return
	}
	e := p.find(id)
	if e == nil {
		refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Event not found.")
		return
	}
	answer(w, p.seen(e))
}

// history gives the newest events first, page by page.
func (p *Platform) history(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := 10, error(nil)
	if q.Has("limit") {
		limit, err = strconv.Atoi(q.Get("limit"))
	}
	from := len(p.events)
	if token, ok := strings.CutPrefix(q.Get("from"), "t"); ok && err == nil {
		from, err = strconv.Atoi(token)
	}
	var filter struct {
		Types   []string `json:"types"`
		Senders []string `json:"senders"`
	}
	if f := q.Get("filter"); f != "" && err == nil {
		err = json.Unmarshal([]byte(f), &filter)
	}
	switch {
	case q.Get("dir") != "b":
		refuse(w, http.StatusBadRequest, "M_MISSING_PARAM", "Bad or missing dir query parameter (should be either 'b' or 'f')")
		return
	case err != nil, limit < 1, from > len(p.events):
		refuse(w, http.StatusBadRequest, "M_INVALID_PARAM", "limit, from or filter is invalid")
		return
	}
	if p.settings.Page > 0 {
		limit = min(limit, p.settings.Page)
	}
	chunk, room := []map[string]any{}, ""
	if p.direct(r.PathValue("room")) != nil {
		room = r.PathValue("room")
	}
	i := from
	for ; i > 0 && len(chunk) < limit; i-- {
		if e := p.events[i-1]; e.room == room && (filter.Senders == nil || slices.Contains(filter.Senders, e.sender)) && (filter.Types == nil || slices.Contains(filter.Types, "m.room.message")) {
			chunk = append(chunk, p.seen(e))
		}
	}
	out := map[string]any{"start": "t" + strconv.Itoa(from), "chunk": chunk}
	if i > 0 {
		out["end"] = "t" + strconv.Itoa(i)
	}
	answer(w, out)
}
