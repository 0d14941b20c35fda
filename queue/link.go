package queue

import (
	"context"
	"sync"
)

// link knows whether the connection stands. Safe for concurrent use.
type link struct {
	mu    sync.Mutex
	up    chan struct{}   // closed while the connection stands
	line  context.Context // done when the connection goes; nil while there is none
	cut   context.CancelFunc
	ended context.Context // done after end
	end   context.CancelFunc
}

func newLink() *link {
	l := &link{up: make(chan struct{})}
	l.ended, l.end = context.WithCancel(context.Background())
	return l
}

func (l *link) connected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line != nil {
		return
	}
	l.line, l.cut = context.WithCancel(context.Background())
	close(l.up)
}

func (l *link) disconnected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line == nil {
		return
	}
	l.cut()
	l.line, l.up = nil, make(chan struct{})
}

// now is a context that is done when the connection goes; nil when there is none.
func (l *link) now() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line
}

// wait returns, when the connection stands, a context that is done when it goes, after end, or with ctx. It returns
// ErrClosed after end, and the error of ctx when that is done first.
func (l *link) wait(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		l.mu.Lock()
		up, line := l.up, l.line
		l.mu.Unlock()
		if l.ended.Err() != nil {
			return nil, nil, ErrClosed
		}
		if line != nil {
			all, cancel := context.WithCancel(ctx)
			one, two := context.AfterFunc(line, cancel), context.AfterFunc(l.ended, cancel)
			return all, func() { one(); two(); cancel() }, nil
		}
		select {
		case <-up:
		case <-l.ended.Done():
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}
