package templates

import (
	"sort"
	"unicode/utf8"
)

// draft is a text that can be told at several lengths: with the lines that matter at least as much as level (9: all lines,
// 0: only those that are never dropped), and with the author's text up to the i-th of its cuts.
type draft struct {
	body, lead *prose
	run        func(level int, body, lead string) (string, error)
	limit      int
	measure    func(string) int
	told       int // how many bytes of body the result of fit holds
}

const allLines = 9

// fit returns the fullest text within the limit. When there is none, it returns the shortest and false.
func (d *draft) fit() (string, bool, error) {
	text, err := d.run(allLines, d.body.text, d.lead.text)
	if err != nil || d.fits(text) {
		d.told = len(d.body.text)
		return text, true, err
	}
	// A sentence of the author's is worth more than an optional line, an optional line more than the rest of the author's text
	// only once that text has given way.
	for level := allLines; level >= 0; level-- {
		text, err = d.run(level, d.body.at(d.body.floor()), d.lead.at(d.lead.floor()))
		if err != nil {
			return "", false, err
		}
		if d.fits(text) {
			d.told = d.body.end(d.body.floor())
			return d.longest(level, text)
		}
	}
	for level := allLines; level >= 0; level-- {
		text, err = d.run(level, "", "")
		if err != nil {
			return "", false, err
		}
		if d.fits(text) {
			d.told = 0
			return d.longest(level, text)
		}
	}
	return text, false, nil
}

// longest gives the author's text as much room as there is; short is a text that fits.
func (d *draft) longest(level int, short string) (string, bool, error) {
	var failed error
	try := func(i int, snap bool) string {
		b, l := i, i
		if snap {
			b, l = d.body.snap(i), d.lead.snap(i)
		}
		text, err := d.run(level, d.body.at(b), d.lead.at(l))
		if err != nil {
			failed = err
		}
		return text
	}
	n := sort.Search(max(len(d.body.cuts()), len(d.lead.cuts()))+1, func(i int) bool {
		return failed != nil || !d.fits(try(i, false))
	})
	for _, snap := range []bool{true, false} {
		if text := try(n-1, snap); failed == nil && d.fits(text) && d.measure(text) >= d.measure(short) {
			i := n - 1
			if snap {
				i = d.body.snap(i)
			}
			d.told = d.body.end(i)
			return text, true, nil
		}
	}
	return short, failed == nil, failed
}

func (d *draft) fits(text string) bool { return d.limit <= 0 || d.measure(text) <= d.limit }

func codePoints(s string) int { return utf8.RuneCountInString(s) }
