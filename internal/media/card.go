package media

import (
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// CardText is what a card says. Lines are date and place, in every language that is to be read.
type CardText struct {
	Title, Community string
	Lines            []string
	Accent           string // the community's colour, #rrggbb; empty: one that is chosen by its name
}

// The card: the size that platforms show without cutting, and what stands where.
const (
	cardWidth, cardHeight = 1200, 630
	margin                = 76
	nameSize              = 34
	dot                   = 13 // radius of the mark before the name
	titleMost, titleLeast = 116, 48
	titleLines            = 4
	lineMost, lineLeast   = 40, 26
	lineCount             = 5
	barWidth, barGap      = 10, 30
)

// waves are the circles of the ground, the call that goes out from a corner; each is one step darker.
const waveX, waveY = 1140, 700

var waves = [...]int{690, 500, 320}

// scene is a card as shapes, ready to be written as SVG or drawn.
type scene struct {
	theme  theme
	label  string
	shapes []shape
}

// shape is filled with one of the inks.
type shape struct {
	ink  int
	path sfnt.Segments
}

const (
	inkTitle = iota
	inkSoft
	inkMark
	inks
)

// block is lines of text of one size.
type block struct {
	face  face
	size  int
	lines []string
}

// leading is the distance from one base line to the next; small letters need more of it.
func (b block) leading() int {
	if b.size <= lineMost {
		return b.size * 136 / 100
	}
	return b.size * 116 / 100
}

// height is from the top of the capitals of the first line to the base of the last.
func (b block) height() int {
	if len(b.lines) == 0 {
		return 0
	}
	return capital(b.size) + (len(b.lines)-1)*b.leading()
}

// capital is the height of capitals of a size.
func capital(size int) int { return size * 72 / 100 }

// lay sets a card. What the typefaces cannot draw is left out, dates are made small before anything else is cut.
func lay(t CardText) (scene, error) {
	f, err := typefaces()
	if err != nil {
		return scene{}, err
	}
	colours, err := themeOf(t.Community, t.Accent)
	if err != nil {
		return scene{}, err
	}
	s := scene{theme: colours, label: t.Title}
	top, bottom := margin, cardHeight-margin
	const width = cardWidth - 2*margin

	name, heading := f.bold.clean(t.Community), f.bold.clean(t.Title)
	if heading == "" {
		name, heading = "", name
	}
	if name != "" {
		b := block{f.bold, nameSize, nil}
		limit := (width - 2*dot - 18) * f.bold.em / nameSize
		b.lines = f.bold.clipped(f.bold.wrap(f.bold.pieces(name), limit), 1, limit)
		s.shapes = append(s.shapes, shape{inkMark, circle(margin+dot, top+capital(nameSize)/2, dot)})
		if err := s.write(b, inkMark, margin+2*dot+18, top); err != nil {
			return scene{}, err
		}
		top += capital(nameSize) + 52
	}

	if facts := details(f.medium, t.Lines, width-barWidth-barGap); len(facts.lines) > 0 {
		bottom -= facts.height()
		s.shapes = append(s.shapes, shape{inkMark, rectangle(margin, bottom-6, barWidth, facts.height()+14)})
		if err := s.write(facts, inkSoft, margin+barWidth+barGap, bottom); err != nil {
			return scene{}, err
		}
		bottom -= 56
	}

	title := headline(f.bold, heading, width, bottom-top)
	return s, s.write(title, inkTitle, margin-title.size/20, top+(bottom-top-title.height())/2)
}

// headline sets a cleaned title as large as it can be.
func headline(f face, title string, width, height int) block {
	pieces := f.pieces(title)
	for size := titleMost; ; size -= 4 {
		b := block{face: f, size: size}
		limit := width * f.em / size
		b.lines = f.balanced(pieces, limit)
		fits := len(b.lines) <= titleLines && b.height() <= height
		for _, p := range pieces {
			fits = fits && p.seen <= limit
		}
		if fits {
			return b
		}
		if size-4 < titleLeast {
			count := titleLines
			for b.lines = f.clipped(f.wrap(pieces, limit), count, limit); b.height() > height && count > 1; b.lines = f.clipped(b.lines, count, limit) {
				count--
			}
			return b
		}
	}
}

// details sets date and place: each on one line when it can be, else smaller, else on more lines.
func details(f face, texts []string, width int) block {
	var pieces [][]piece
	for _, t := range texts {
		if t = f.clean(t); t != "" {
			pieces = append(pieces, f.pieces(t))
		}
	}
	set := func(size int) block {
		b := block{face: f, size: size}
		for _, p := range pieces {
			b.lines = append(b.lines, f.balanced(p, width*f.em/size)...)
		}
		return b
	}
	for size := lineMost; size > lineLeast; size -= 2 {
		if b := set(size); len(b.lines) == len(pieces) && len(pieces) <= lineCount {
			return b
		}
	}
	for size := lineLeast + 6; size > lineLeast; size -= 2 {
		if b := set(size); len(b.lines) <= lineCount {
			return b
		}
	}
	b := set(lineLeast)
	b.lines = f.clipped(b.lines, lineCount, width*f.em/b.size)
	return b
}

// write adds a block, the capitals of its first line at y.
func (s *scene) write(b block, ink, x, y int) error {
	for i, line := range b.lines {
		path, err := b.face.outline(line, b.size, fixed.I(x), fixed.I(y+capital(b.size)+i*b.leading()))
		if err != nil {
			return err
		}
		s.shapes = append(s.shapes, shape{ink, path})
	}
	return nil
}

func rectangle(x, y, width, height int) sfnt.Segments {
	at := func(op sfnt.SegmentOp, x, y int) sfnt.Segment {
		return sfnt.Segment{Op: op, Args: [3]fixed.Point26_6{fixed.P(x, y)}}
	}
	return sfnt.Segments{
		at(sfnt.SegmentOpMoveTo, x, y), at(sfnt.SegmentOpLineTo, x+width, y),
		at(sfnt.SegmentOpLineTo, x+width, y+height), at(sfnt.SegmentOpLineTo, x, y+height),
	}
}

// circle is drawn by four curves, which are off by less than a thousandth of the radius.
func circle(x, y, radius int) sfnt.Segments {
	const kappa = 36195 // 0.5523 of 65536
	cx, cy, r := fixed.I(x), fixed.I(y), fixed.I(radius)
	k := fixed.Int26_6(int64(r) * kappa >> 16)
	curve := func(x1, y1, x2, y2, x3, y3 fixed.Int26_6) sfnt.Segment {
		return sfnt.Segment{Op: sfnt.SegmentOpCubeTo, Args: [3]fixed.Point26_6{{X: cx + x1, Y: cy + y1}, {X: cx + x2, Y: cy + y2}, {X: cx + x3, Y: cy + y3}}}
	}
	return sfnt.Segments{
		{Op: sfnt.SegmentOpMoveTo, Args: [3]fixed.Point26_6{{X: cx + r, Y: cy}}},
		curve(r, k, k, r, 0, r), curve(-k, r, -r, k, -r, 0), curve(-r, -k, -k, -r, 0, -r), curve(k, -r, r, -k, r, 0),
	}
}
