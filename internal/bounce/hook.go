package bounce

import (
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	mostBody     = 4 << 20 // SendGrid sends batches
	oldest       = 5 * time.Minute
	mostReplays  = 100_000
	mostPerBatch = 10_000
)

// Why a webhook was refused. The text is for the log.
var (
	errSignature = errors.New("the signature is wrong or missing: check the key, and that nothing between changes the body")
	errAge       = errors.New("it was signed too long ago, or in the future: check the clock of this machine")
	errForeign   = errors.New("it is about another topic than ours")
	errShape     = errors.New("it is not of a form or type that is known")
	errReplayed  = errors.New("it was here before")
	errLater     = errors.New("it could not be checked now")
)

// delivered is a webhook that was found genuine.
type delivered struct {
	reports []Report
	once    string        // names this very call; what it was used for is not done again
	keep    time.Duration // how long once is remembered: as long as the signature stays good
}

// hook is the receiving end of one service's webhook.
type hook struct {
	read  func(*http.Request, []byte, time.Time) (delivered, error) // checks the raw body; of an error nothing is reported
	now   func() time.Time
	calls *replays
}

func newHook(read func(*http.Request, []byte, time.Time) (delivered, error)) *hook {
	return &hook{read: read, now: time.Now, calls: &replays{seen: map[string]*call{}}}
}

// handler answers 200 after handle returned nil, 503 when it failed, and 403 when the call is not genuine. A genuine call
// that comes again, because our answer was lost, is answered 200 and reports nothing.
func (h *hook) handler(source string, handle Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
		if err != nil {
			http.Error(w, "too large, or cut off", http.StatusRequestEntityTooLarge)
			return
		}
		now := h.now()
		d, err := h.read(r, body, now)
		if err == nil && d.once != "" {
			err = h.calls.begin(d.once, body, now, d.keep)
		}
		switch {
		case errors.Is(err, errReplayed):
			log.Info("a webhook came again and was not counted again", "source", source)
			return
		case errors.Is(err, errLater):
			log.Warn("a webhook could not be checked; the service will send it again", "source", source, "error", err)
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		case err != nil:
			log.Warn("a webhook was refused", "source", source, "error", err)
			http.Error(w, "refused", http.StatusForbidden)
			return
		}
		if len(d.reports) > 0 {
			err = handle(r.Context(), d.reports)
		}
		h.calls.end(d.once, err == nil)
		if err != nil {
			log.Warn("what a webhook reports could not be kept; the service will send it again", "source", source, "error", err)
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
}

// replays remembers calls for as long as their signature stays good. Safe for concurrent use.
type replays struct {
	mu   sync.Mutex
	seen map[string]*call
}

type call struct {
	body      [sha256.Size]byte
	until     time.Time
	busy, did bool
}

// begin claims a call. A call with the same name may be made again after it failed, with the same body only: there are
// signatures that do not cover the body.
func (p *replays) begin(name string, body []byte, now time.Time, keep time.Duration) error {
	sum := sha256.Sum256(body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.seen[name]; c != nil && now.Before(c.until) {
		switch {
		case c.body != sum:
			return errSignature
		case c.did:
			return errReplayed
		case c.busy:
			return errLater
		}
		c.busy = true
		return nil
	}
	if len(p.seen) >= mostReplays {
		for n, c := range p.seen {
			if !now.Before(c.until) {
				delete(p.seen, n)
			}
		}
		if len(p.seen) >= mostReplays {
			return errLater
		}
	}
	p.seen[name] = &call{body: sum, until: now.Add(keep), busy: true}
	return nil
}

// end says how a claimed call ended.
func (p *replays) end(name string, did bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.seen[name]; c != nil {
		c.busy, c.did = false, did
	}
}

// fresh reports whether t is at most most before now, and at most five minutes after.
func fresh(t, now time.Time, most time.Duration) bool {
	return !t.Before(now.Add(-most)) && !t.After(now.Add(oldest))
}
