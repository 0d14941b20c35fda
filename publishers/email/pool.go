package email

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pool keeps connections for reuse and bounds how many there are.
type pool struct {
	slots    chan struct{}
	most     int           // mails per connection
	patience time.Duration // how long a connection is kept without work

	mu     sync.Mutex
	kept   []*session // the last used last
	closed bool
}

func (p *pool) init(connections, most int) {
	p.slots, p.most, p.patience = make(chan struct{}, connections), most, time.Minute
}

// acquire waits for leave to use one connection. The error is the context's.
func (p *pool) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) release() { <-p.slots }

// idle takes out the connection used last; nil when there is none.
func (p *pool) idle() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) == 0 {
		return nil
	}
	s := p.kept[len(p.kept)-1]
	p.kept = p.kept[:len(p.kept)-1]
	s.timer.Stop()
	return s
}

// put keeps a connection for the next mail, or ends it when it is broken or has carried enough.
func (p *pool) put(s *session) {
	p.mu.Lock()
	if s.broken || s.sent >= p.most || p.closed {
		p.mu.Unlock()
		s.quit()
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(p.patience, func() { p.drop(s) })
	} else {
		s.timer.Reset(p.patience)
	}
	p.kept = append(p.kept, s)
	p.mu.Unlock()
}

// drop ends a connection that nobody took for a while.
func (p *pool) drop(s *session) {
	p.mu.Lock()
	i := slices.Index(p.kept, s)
	if i >= 0 {
		p.kept = slices.Delete(p.kept, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		s.quit()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	kept := p.kept
	p.kept, p.closed = nil, true
	p.mu.Unlock()
	for _, s := range kept {
		s.timer.Stop()
		s.quit()
	}
}
