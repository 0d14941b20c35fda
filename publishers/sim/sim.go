// Package sim is what the simulated platforms share: a script of faults that an HTTP platform plays, and the posts
// that a reader would see. The contract suite and the demo are built on it.
package sim

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Post is one thing that readers of a platform see. Deleted posts stay in the list, so that nothing is counted twice unseen.
type Post struct {
	ID      string    `json:"id"`
	URL     string    `json:"url,omitempty"`
	Author  string    `json:"author,omitempty"`
	To      string    `json:"to,omitempty"`      // the address, on a personal channel
	Subject string    `json:"subject,omitempty"` // mail
	Text    string    `json:"text"`              // as plain text
	HTML    string    `json:"html,omitempty"`    // as the platform would show it; safe to embed in a page, but for mail (shown in a sandboxed frame)
	Raw     string    `json:"raw,omitempty"`     // what came over the wire, where a person may want to look
	Images  []Image   `json:"images,omitempty"`
	At      time.Time `json:"at"`
	Edited  int       `json:"edited,omitempty"` // how often
	Deleted bool      `json:"deleted,omitempty"`
	Key     string    `json:"key,omitempty"` // the delivery's key, where the platform carries it
}

// Image is a picture with what a screen reader says.
type Image struct {
	URL string `json:"url,omitempty"`
	Alt string `json:"alt"`
}

// Platform is a simulated platform as the contract suite and the demo see it.
type Platform interface {
	Script() *Script            // how it misbehaves next
	Posts() []Post              // oldest first; a copy
	Environ() map[string]string // the channel's configuration without prefix: {"TOKEN": ..., "API": ...}
	Close()
}

// Fault is how a platform misbehaves on one request.
type Fault struct {
	Kind       FaultKind
	Status     int               // for Answer, AnswerAfter
	Header     map[string]string // for Answer, AnswerAfter
	Body       string            // for Answer, AnswerAfter
	OnlyMethod string            // play it on the next request with this method; others pass
	OnlyPath   string            // ... whose path contains this
}

// FaultKind is a way to misbehave.
type FaultKind string

// The faults of an HTTP platform. Those ending in After happen when the platform has done what was asked.
const (
	Answer      FaultKind = "answer"       // Status and Body without doing anything
	AnswerAfter FaultKind = "answer-after" // does it, then Status and Body
	Hang        FaultKind = "hang"         // reads the request, does nothing, never answers
	HangAfter   FaultKind = "hang-after"   // does it, never answers
	Drop        FaultKind = "drop"         // reads the request, does nothing, cuts the connection
	DropAfter   FaultKind = "drop-after"   // does it, cuts the connection without a byte
	CutAfter    FaultKind = "cut-after"    // does it, cuts the connection in the middle of the answer's body
)

// Script is a queue of faults. One is taken per matching request; when it is empty the platform behaves. Safe for concurrent use.
type Script struct {
	mu     sync.Mutex
	faults []Fault
	hang   chan struct{}
	once   sync.Once
}

// Push adds faults to be played on the next requests.
func (s *Script) Push(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f...)
}

// Left is how many faults were not played yet.
func (s *Script) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults)
}

// Clear forgets the faults not played yet.
func (s *Script) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Release ends every hang, now and later. Call it before the server closes.
func (s *Script) Release() { s.once.Do(func() { close(s.gate()) }) }

func (s *Script) gate() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hang == nil {
		s.hang = make(chan struct{})
	}
	return s.hang
}

func (s *Script) take(r *http.Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return Fault{}, false
	}
	f := s.faults[0]
	if f.OnlyMethod != "" && f.OnlyMethod != r.Method || !strings.Contains(r.URL.Path, f.OnlyPath) {
		return Fault{}, false
	}
	s.faults = s.faults[1:]
	return f, true
}

// Wrap plays the script in front of a platform.
func (s *Script) Wrap(platform http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := s.take(r)
		if !ok {
			platform.ServeHTTP(w, r)
			return
		}
		do := func() *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			platform.ServeHTTP(rec, r)
			return rec
		}
		wait := func() {
			select {
			case <-s.gate():
			case <-r.Context().Done():
			}
			panic(http.ErrAbortHandler)
		}
		switch f.Kind {
		case Answer:
			answer(w, f)
		case AnswerAfter:
			do()
			answer(w, f)
		case Hang:
			drain(r)
			wait()
		case HangAfter:
			do()
			wait()
		case Drop:
			drain(r)
			panic(http.ErrAbortHandler)
		case DropAfter:
			do()
			panic(http.ErrAbortHandler)
		case CutAfter:
			rec := do()
			body := rec.Body.Bytes()
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(body)+64))
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body[:len(body)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
}

func answer(w http.ResponseWriter, f Fault) {
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body))
}

// drain reads the request to its end, so that the client has certainly written it.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
