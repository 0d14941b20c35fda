package broadcast

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// alike reports whether readers see the same in two messages.
func alike(a, b announce.Message) bool {
	bare := func(m announce.Message) string {
		m.Rev, m.Updated = 0, time.Time{}
		if m.Event != nil {
			e := *m.Event
			e.Sequence = 0
			m.Event = &e
		}
		raw, err := json.Marshal(m)
		if err != nil {
			return err.Error()
		}
		return string(raw)
	}
	return bare(a) == bare(b)
}

// contextLines is how many lines of what stays are shown around a difference.
const contextLines = 1

// unified is the difference of two texts, line by line: "-" before what goes, "+" before what comes, a blank before what
// stays. Empty: there is none.
func unified(before, after string) string {
	a, b := strings.Split(strings.TrimSpace(before), "\n"), strings.Split(strings.TrimSpace(after), "\n")
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []string
	var changed []bool
	add := func(mark, line string, differs bool) {
		lines, changed = append(lines, strings.TrimRight(mark+line, " ")), append(changed, differs)
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			add("  ", a[i], false)
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			add("- ", a[i], true)
			i++
		default:
			add("+ ", b[j], true)
			j++
		}
	}
	near := func(n int) bool {
		for k := max(0, n-contextLines); k <= min(len(lines)-1, n+contextLines); k++ {
			if changed[k] {
				return true
			}
		}
		return false
	}
	var out []string
	gap := false
	for n, line := range lines {
		switch {
		case near(n):
			if gap && len(out) > 0 {
				out = append(out, "  …")
			}
			gap = false
			out = append(out, line)
		default:
			gap = true
		}
	}
	return strings.Join(out, "\n")
}
