package queue

import (
	"context"
	"sync"
)

// link knows whether the connection stands. Safe for concurrent use.
type link struct {
	mu    sync.Mutex
	up    chan struct{} // closed while the connection stands
	ended chan struct{} // closed by end
	down  context.Context
	cut   context.CancelFunc
}

func newLink() *link { return &link{up: make(chan struct{}), ended: make(chan struct{})} }

func (l *link) connected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down != nil {
		return
	}
	l.down, l.cut = context.WithCancel(context.Background())
	close(l.up)
}

func (l *link) disconnected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down == nil {
		return
	}
	l.cut()
	l.down, l.up = nil, make(chan struct{})
}

// end ends every wait, now and later.
func (l *link) end() {
	l.disconnected()
	close(l.ended)
}

// standing is a context that is done when the connection goes or the caller's context is.
type standing struct {
	context.Context
	release func()
}

// wait returns when the connection stands. It returns ErrClosed after end, and neither when ctx is done.
func (l *link) wait(ctx context.Context) (standing, error) {
	for {
		l.mu.Lock()
		up, down := l.up, l.down
		l.mu.Unlock()
		select {
		case <-l.ended:
			return standing{}, ErrClosed
		default:
		}
		if down != nil {
			both, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(down, cancel)
			return standing{both, func() { stop(); cancel() }}, nil
		}
		select {
		case <-up:
		case <-l.ended:
		case <-ctx.Done():
			return standing{}, nil
		}
	}
}
