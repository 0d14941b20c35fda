package media

import (
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/rivo/uniseg"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/norm"
)

// face is a typeface. Widths are in its own units, of which there are em in the height of its letters' body.
type face struct {
	font *sfnt.Font
	em   int
}

type faces struct{ bold, medium face }

var typefaces = sync.OnceValues(func() (faces, error) {
	bold, err := parse(gobold.TTF)
	if err != nil {
		return faces{}, err
	}
	medium, err := parse(gomedium.TTF)
	return faces{bold, medium}, err
})

func parse(ttf []byte) (face, error) {
	f, err := sfnt.Parse(ttf)
	if err != nil {
		return face{}, fmt.Errorf("the typeface of the cards: %w", err)
	}
	return face{f, int(f.UnitsPerEm())}, nil
}

// twins stand in for characters that the typeface lacks.
var twins = map[rune]rune{
	'\u202f': '\u00a0', '\u2007': '\u00a0', '\u2009': ' ', '\u200a': ' ', '\u2003': ' ', '\u2002': ' ', '\u3000': ' ', '\u2028': ' ', '\u2029': ' ',
	'\u2010': '-', '\u2011': '-', '\u02bc': '’', '\u2032': '\'', '\u2033': '"',
}

// clean leaves out what the typeface cannot draw: emoji and scripts that it does not have. Spaces come one at a time.
func (f face) clean(s string) string {
	var out strings.Builder
	for clusters := uniseg.NewGraphemes(norm.NFC.String(s)); clusters.Next(); {
		if text, ok := f.known(clusters.Str()); ok {
			out.WriteString(text)
		} else if text, ok := f.known(norm.NFKC.String(clusters.Str())); ok {
			out.WriteString(text)
		}
	}
	words := strings.FieldsFunc(out.String(), func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	return strings.Trim(strings.Join(words, " "), " \u00a0")
}

// known is a cluster in characters that the typeface has.
func (f face) known(cluster string) (string, bool) {
	var b sfnt.Buffer
	var out strings.Builder
	for _, r := range cluster {
		if twin, ok := twins[r]; ok {
			r = twin
		}
		if r == '\u00ad' || r == '\u200b' || r == '\ufe0e' {
			continue
		}
		if g, err := f.font.GlyphIndex(&b, r); (err != nil || g == 0 || unicode.IsControl(r)) && !unicode.IsSpace(r) || r == unicode.ReplacementChar {
			return "", false
		}
		out.WriteRune(r)
	}
	return out.String(), true
}

// width is how wide a cleaned text is.
func (f face) width(s string) int {
	var b sfnt.Buffer
	sum := fixed.Int26_6(0)
	for _, r := range s {
		g, err := f.font.GlyphIndex(&b, r)
		if err != nil {
			continue
		}
		a, err := f.font.GlyphAdvance(&b, g, fixed.I(f.em), font.HintingNone)
		if err == nil {
			sum += a
		}
	}
	return sum.Round()
}

// outline draws a cleaned text from a point of its base line.
func (f face) outline(s string, size int, x, y fixed.Int26_6) (sfnt.Segments, error) {
	var b sfnt.Buffer
	var all sfnt.Segments
	ppem := fixed.I(size)
	for _, r := range s {
		g, err := f.font.GlyphIndex(&b, r)
		if err != nil {
			return nil, err
		}
		outline, err := f.font.LoadGlyph(&b, g, ppem, nil)
		if err != nil {
			return nil, err
		}
		for _, segment := range outline {
			for i := range segment.Args {
				segment.Args[i].X += x
				segment.Args[i].Y += y
			}
			all = append(all, segment)
		}
		a, err := f.font.GlyphAdvance(&b, g, ppem, font.HintingNone)
		if err != nil {
			return nil, err
		}
		x += a
	}
	return all, nil
}

const longWord = 12 // em; a longer one may be broken at its hyphens and strokes

// piece is a part of a text after which a line may end.
type piece struct {
	text        string
	width, seen int // with the spaces at its end, and without
}

func (f face) pieces(s string) []piece {
	var all []piece
	state := -1
	for s != "" {
		var text string
		text, s, _, state = uniseg.FirstLineSegmentInString(s, state)
		next := piece{text, f.width(text), f.width(strings.TrimRight(text, " "))}
		if last := len(all) - 1; last >= 0 && !strings.HasSuffix(all[last].text, " ") && all[last].width+next.seen <= longWord*f.em {
			next = piece{all[last].text + text, all[last].width + next.width, all[last].width + next.seen}
			all = all[:last]
		}
		all = append(all, next)
	}
	return all
}

// wrap breaks text into lines that are at most so wide. A piece that is wider is broken where it must be.
func (f face) wrap(pieces []piece, most int) []string {
	var lines []string
	line, used := "", 0
	end := func() {
		if line = strings.TrimRight(line, " "); line != "" {
			lines = append(lines, line)
		}
		line, used = "", 0
	}
	for _, p := range pieces {
		if used > 0 && used+p.seen > most {
			end()
		}
		if p.seen <= most {
			line, used = line+p.text, used+p.width
			continue
		}
		for clusters := uniseg.NewGraphemes(p.text); clusters.Next(); {
			w := f.width(clusters.Str())
			if used > 0 && used+w > most {
				end()
			}
			line, used = line+clusters.Str(), used+w
		}
	}
	end()
	return lines
}

// balanced breaks text into as few lines as wrap does, as equal as can be.
func (f face) balanced(pieces []piece, most int) []string {
	lines := f.wrap(pieces, most)
	low := 0
	for _, p := range pieces {
		low = max(low, p.seen)
	}
	if len(lines) < 2 || low > most {
		return lines
	}
	for low < most {
		middle := (low + most) / 2
		if tried := f.wrap(pieces, middle); len(tried) > len(lines) {
			low = middle + 1
		} else {
			most = middle
		}
	}
	return f.wrap(pieces, most)
}

// clipped is the first lines, the last of which ends with an ellipsis when there are more.
func (f face) clipped(lines []string, count, most int) []string {
	if len(lines) <= count {
		return lines
	}
	lines = lines[:count:count]
	pieces := f.pieces(lines[count-1])
	for {
		text := ""
		for _, p := range pieces {
			text += p.text
		}
		text = strings.TrimRight(text, " \u00a0,;:.-–—") + "…"
		if f.width(text) <= most || len(pieces) < 2 {
			lines[count-1] = text
			return lines
		}
		pieces = pieces[:len(pieces)-1]
	}
}
