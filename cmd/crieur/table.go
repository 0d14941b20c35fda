package main

import (
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

const (
	columnGap = "  "
	beneath   = "    " // begins what stands under its row
	narrowest = 24     // a last column that is narrower stands under its row instead
)

// table prints rows under a head, within the columns that the reader has.
func (s *session) table(head []string, rows [][]string) error {
	_, err := io.WriteString(s.out, laidOut(head, rows, s.columns()))
	return err
}

// columns is how wide the output may be: COLUMNS, else the terminal. 0: as wide as need be.
func (s *session) columns() int {
	if n, err := strconv.Atoi(s.environ["COLUMNS"]); err == nil && n > 0 {
		return n
	}
	if f, ok := s.out.(interface{ Fd() uintptr }); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}

// laidOut is a table no wider than most, if words allow; 0: as wide as it comes. What does not fit beside the other columns
// stands under its row, broken between words. Nothing is cut: a longer word, such as an address, has a line of its own.
func laidOut(head []string, rows [][]string, most int) string {
	all := [][]string{head}
	for _, r := range rows {
		tidy := make([]string, len(r))
		for i, cell := range r {
			tidy[i] = strings.Join(strings.Fields(cell), " ")
		}
		all = append(all, tidy)
	}
	widths := make([]int, len(head))
	for _, r := range all {
		for i, cell := range r {
			widths[i] = max(widths[i], width(cell))
		}
	}
	total := func(n int) int { // of the first n columns
		sum := len(columnGap) * (n - 1)
		for _, w := range widths[:n] {
			sum += w
		}
		return sum
	}
	beside := len(head)
	for most > 0 && beside > 1 && total(beside) > most {
		last := beside - 1
		if room := most - total(last) - len(columnGap); room >= narrowest && longestWord(all, last) <= room {
			widths[last] = room
			break
		}
		beside--
	}
	var b strings.Builder
	var under []int // columns that say something under their row
	for i := beside; i < len(head); i++ {
		if slices.ContainsFunc(all[1:], func(r []string) bool { return says(r[i]) }) {
			under = append(under, i)
		}
	}
	for n, r := range all {
		writeRow(&b, r[:beside], widths)
		for _, i := range under {
			cell := r[i]
			if !says(cell) || n == 0 && len(under) > 1 {
				continue
			}
			if len(under) > 1 {
				cell = head[i] + ": " + cell
			}
			for _, line := range wrapped(cell, most-len(beneath)) {
				b.WriteString(beneath + line + "\n")
			}
		}
	}
	return b.String()
}

// says reports whether a cell says something.
func says(cell string) bool { return cell != "" && cell != "-" }

// writeRow writes cells side by side. The last one may have several lines.
func writeRow(b *strings.Builder, cells []string, widths []int) {
	last := len(cells) - 1
	indent := 0
	for i, cell := range cells[:last] {
		b.WriteString(cell + strings.Repeat(" ", widths[i]-width(cell)) + columnGap)
		indent += widths[i] + len(columnGap)
	}
	for i, line := range wrapped(cells[last], widths[last]) {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteString(line + "\n")
	}
}

// wrapped breaks a text between words into lines of at most so many columns; a longer word is a line. There is at least one.
func wrapped(text string, most int) []string {
	lines, used := []string{""}, 0
	for i, word := range strings.Split(text, " ") {
		w := width(word)
		switch {
		case i == 0:
			lines[0], used = word, w
		case used+1+w <= most:
			lines[len(lines)-1], used = lines[len(lines)-1]+" "+word, used+1+w
		default:
			lines, used = append(lines, word), w
		}
	}
	return lines
}

func longestWord(rows [][]string, column int) int {
	longest := 0
	for _, r := range rows {
		for _, word := range strings.Split(r[column], " ") {
			longest = max(longest, width(word))
		}
	}
	return longest
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func width(s string) int { return uniseg.StringWidth(colour.ReplaceAllString(s, "")) }
