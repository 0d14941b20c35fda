package store

import (
	"context"
	"slices"
	"sync"

	"github.com/crieur/crieur/internal/announce"
)

// packKey names the frozen messages of one revision on one account. What it names never changes.
type packKey struct {
	id      announce.ID
	account string
	rev     int
}

// pack is those messages, one for each part of a thread and each language.
type pack struct {
	since    map[int][]map[announce.Language]announce.Message // by what readers were told last, then by part
	silent   map[int]bool                                     // whoever was told that last is told nothing
	fallback announce.Language
	size     int
}

// knows is since when there is a message, or silence, of its own for it; else 0.
func (p *pack) knows(since int) int {
	if p.silent[since] || p.since[since] != nil {
		return since
	}
	return 0
}

// pick is a part's message for a reader of want who was told the revision since last, by the rule of announce.Announcement.Pick.
func (p *pack) pick(since, part int, want announce.Language) (announce.Message, bool) {
	parts := p.since[p.knows(since)]
	if part >= len(parts) {
		return announce.Message{}, false
	}
	messages := parts[part]
	for _, l := range []announce.Language{want, want.Base()} {
		if m, ok := messages[l]; ok {
			return m, true
		}
	}
	var all, near []announce.Language
	for l := range messages {
		all = append(all, l)
		if l.Base() == want.Base() {
			near = append(near, l)
		}
	}
	if len(near) > 0 {
		return messages[slices.Min(near)], true
	}
	if m, ok := messages[p.fallback]; ok {
		return m, true
	}
	if len(all) > 0 {
		return messages[slices.Min(all)], true
	}
	return announce.Message{}, false
}

// readPack reads a pack. An empty one: there is none.
func (c conn) readPack(ctx context.Context, k packKey) (*pack, error) {
	type line struct {
		since                               int
		language, message, images, fallback string
	}
	var lines []line
	err := c.each(ctx, `SELECT p.since, p.language, p.message, p.images, r.language FROM payloads p
		JOIN revisions r ON r.announcement = p.announcement AND r.rev = p.rev
		WHERE p.announcement = ? AND p.rev = ? AND p.account = ?`, []any{string(k.id), k.rev, k.account}, func(scan func(...any) error) error {
		var l line
		err := scan(&l.since, &l.language, &l.message, &l.images, &l.fallback)
		lines = append(lines, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	p := &pack{since: map[int][]map[announce.Language]announce.Message{}, silent: map[int]bool{}}
	for _, l := range lines {
		if l.message == "" && l.since > 0 {
			p.silent[l.since] = true
			continue
		}
		m, err := c.readMessage(ctx, l.message, l.images)
		if err != nil {
			return nil, &corruptError{err}
		}
		parts := p.since[l.since]
		for len(parts) <= m.Part {
			parts = append(parts, map[announce.Language]announce.Message{})
		}
		parts[m.Part][announce.Language(l.language)] = m
		p.since[l.since] = parts
		p.fallback = announce.Language(l.fallback)
		p.size += 2 * len(l.message)
		for _, i := range m.Images {
			p.size += len(i.Data)
		}
	}
	return p, nil
}

// corruptError: what is stored cannot be read back. Trying again does not help.
type corruptError struct{ cause error }

func (e *corruptError) Error() string { return "what is stored cannot be read: " + e.cause.Error() }
func (e *corruptError) Unwrap() error { return e.cause }

// packs remembers the packs used last, up to a size.
type packs struct {
	mu    sync.Mutex
	known map[packKey]*pack
	order []packKey // oldest first
	size  int
}

const mostPacked = 16 << 20

func (p *packs) get(k packKey) *pack {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[k]
}

func (p *packs) add(k packKey, pk *pack) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pk.size > mostPacked || p.known[k] != nil {
		return
	}
	if p.known == nil {
		p.known = map[packKey]*pack{}
	}
	p.known[k], p.order, p.size = pk, append(p.order, k), p.size+pk.size
	for p.size > mostPacked {
		p.size -= p.known[p.order[0]].size
		delete(p.known, p.order[0])
		p.order = p.order[1:]
	}
}
