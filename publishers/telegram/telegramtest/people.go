package telegramtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// person is somebody who has a private chat with the bot.
type person struct {
	id             int64
	name, language string
	blocked, gone  bool
}

func (o *person) number() int64 {
	if o == nil {
		return 0
	}
	return o.id
}

func (o *person) writable() *refusal {
	switch {
	case o.gone:
		return forbidden("user is deactivated")
	case o.blocked:
		return forbidden("bot was blocked by the user")
	}
	return nil
}

func (o *person) chat() map[string]any {
	return map[string]any{"id": o.id, "type": "private", "first_name": o.name, "username": "simulated_person"}
}

func (o *person) from() map[string]any {
	return map[string]any{"id": o.id, "is_bot": false, "first_name": o.name, "language_code": o.language}
}

// addressee is the person whose chat a call names; nil: it names another chat.
func (p *Platform) addressee(a arguments) *person {
	id, err := strconv.ParseInt(a.text("chat_id"), 10, 64)
	if err != nil {
		return nil
	}
	return p.people[id]
}

// Press lets a person open a chat with the bot and press Start, having followed a link with payload; empty: none. A block
// ends by it.
func (p *Platform) Press(id int64, name, language, payload string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &person{id: id, name: name, language: language}
	p.people[id] = o
	p.hear(o, strings.TrimSpace("/start "+payload))
}

// Write lets a person who pressed Start write to the bot.
func (p *Platform) Write(id int64, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hear(p.people[id], text)
}

// Block lets a person block the bot.
func (p *Platform) Block(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.people[id]
	o.blocked = true
	p.inbox.add("my_chat_member", map[string]any{
		"chat": o.chat(), "from": o.from(), "date": p.now().Unix(),
		"old_chat_member": map[string]any{"status": "member"}, "new_chat_member": map[string]any{"status": "kicked", "until_date": 0},
	})
}

// Leave lets a person delete their Telegram account.
func (p *Platform) Leave(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.people[id].gone = true
}

func (p *Platform) hear(o *person, text string) {
	p.inbox.add("message", map[string]any{"message_id": p.inbox.last + 1, "date": p.now().Unix(), "chat": o.chat(), "from": o.from(), "text": text})
}

// inbox is what happened to the bot and was not confirmed. The platform's lock guards all of it but closed.
type inbox struct {
	updates []map[string]any // by update_id
	last    int64
	wanted  []string // kinds; none: all that are told unasked
	reader  int      // the last one that asked
	news    chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func (i *inbox) close() { i.once.Do(func() { close(i.closed) }) }

// wake lets every reader look again.
func (i *inbox) wake() {
	close(i.news)
	i.news = make(chan struct{})
}

func (i *inbox) add(kind string, what map[string]any) {
	if len(i.wanted) > 0 && !slices.Contains(i.wanted, kind) {
		return
	}
	i.last++
	i.updates = append(i.updates, map[string]any{"update_id": i.last, kind: what})
	i.wake()
}

const manyUpdates = 100 // in one answer

// getUpdates is the Bot API's: what is before the offset is confirmed, and gone; an answer is waited for as long as timeout
// says; who asks while another one waits takes its place; and there is none beside a webhook.
func (p *Platform) getUpdates(r *http.Request, a arguments) (any, *refusal) {
	whole := func(name string, usual int64) int64 {
		if n, err := strconv.ParseInt(a.text(name), 10, 64); err == nil {
			return n
		}
		return usual
	}
	offset, limit := whole("offset", 0), whole("limit", manyUpdates)
	patience := time.NewTimer(time.Duration(whole("timeout", 0)) * time.Second)
	defer patience.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	i := &p.inbox
	if raw := a.fields["allowed_updates"]; raw != nil && json.Unmarshal(raw, &i.wanted) != nil {
		return nil, bad("can't parse allowed updates list")
	}
	i.reader++
	mine := i.reader
	i.wake()
	for over := false; ; {
		switch {
		case p.chat.Webhook != "":
			return nil, &refusal{code: http.StatusConflict, say: "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"}
		case i.reader != mine:
			return nil, &refusal{code: http.StatusConflict, say: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"}
		}
		i.updates = slices.DeleteFunc(i.updates, func(u map[string]any) bool { return u["update_id"].(int64) < offset })
		if len(i.updates) > 0 || over {
			return append([]map[string]any{}, i.updates[:min(int64(len(i.updates)), max(1, min(limit, manyUpdates)))]...), nil
		}
		news := i.news
		p.mu.Unlock()
		select {
		case <-news:
		case <-patience.C:
			over = true
		case <-i.closed:
			over = true
		case <-r.Context().Done():
			over = true
		}
		p.mu.Lock()
	}
}

func (p *Platform) getWebhookInfo(arguments) (any, *refusal) {
	return map[string]any{"url": p.chat.Webhook, "has_custom_certificate": false, "pending_update_count": len(p.inbox.updates)}, nil
}

// Waiting is how many updates nobody has confirmed.
func (p *Platform) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.inbox.updates)
}
