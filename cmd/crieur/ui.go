package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"
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

// table prints rows under a head, in columns as wide as a terminal shows their text.
func table(w io.Writer, head []string, rows [][]string) error {
	all := append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, r := range all {
		for i, cell := range r {
			widths[i] = max(widths[i], width(cell))
		}
	}
	var b strings.Builder
	for _, r := range all {
		for i, cell := range r {
			b.WriteString(cell)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-width(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func width(s string) int { return uniseg.StringWidth(colour.ReplaceAllString(s, "")) }

// short cuts a text for a table's column.
func short(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }
