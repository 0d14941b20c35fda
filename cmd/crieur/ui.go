package main

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/crieur/crieur/internal/announce"
)

// terminal reports whether w is a terminal that people look at.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// painter colours words on a terminal, and leaves them alone elsewhere and under NO_COLOR.
type painter bool

func (s *session) painter() painter { return painter(terminal(s.out) && s.environ["NO_COLOR"] == "") }

func (p painter) paint(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// state colours a delivery's state by what it asks of the reader.
func (p painter) state(s string) string {
	switch s {
	case string(announce.Published), "ready":
		return p.paint("32", s)
	case string(announce.FailedState), string(announce.Unknown), "needs_attention", "held", "stopped":
		return p.paint("31", s)
	case string(announce.CallingNow), "publishing", "paused", "scheduled", string(announce.Waiting):
		return p.paint("33", s)
	}
	return s
}

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }
