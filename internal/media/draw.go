package media

import (
	"bytes"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// Card draws a card as PNG. The same text always gives the same bytes.
func Card(t CardText) ([]byte, error) {
	s, err := lay(t)
	if err != nil {
		return nil, err
	}
	c := newCanvas(s.theme)
	for _, x := range s.shapes {
		c.fill(x)
	}
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	err = e.Encode(&b, c.Paletted)
	return b.Bytes(), err
}

// CardSVG is the card that Card draws, as a picture that can be made any size: its letters are shapes and need no typeface.
func CardSVG(t CardText) (string, error) {
	s, err := lay(t)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	label := html.EscapeString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, s.label))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-label="%s">`, cardWidth, cardHeight, label)
	fmt.Fprintf(&b, `<path fill="%s" d="M0 0H%dV%dH0z"/>`, css(s.theme.ground), cardWidth, cardHeight)
	for i, r := range waves {
		fmt.Fprintf(&b, `<circle fill="%s" cx="%d" cy="%d" r="%d"/>`, css(s.theme.shade((i+1)*steps)), waveX, waveY, r)
	}
	for _, x := range s.shapes {
		fmt.Fprintf(&b, `<path fill="%s" d="`, css(s.theme.inks()[x.ink]))
		for _, segment := range x.path {
			count := 1
			switch segment.Op {
			case sfnt.SegmentOpMoveTo:
				b.WriteByte('M')
			case sfnt.SegmentOpLineTo:
				b.WriteByte('L')
			case sfnt.SegmentOpQuadTo:
				b.WriteByte('Q')
				count = 2
			case sfnt.SegmentOpCubeTo:
				b.WriteByte('C')
				count = 3
			}
			for i, p := range segment.Args[:count] {
				if i > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(number(p.X) + " " + number(p.Y))
			}
		}
		b.WriteString(`"/>`)
	}
	b.WriteString(`</svg>`)
	return b.String(), nil
}

func css(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

func number(n fixed.Int26_6) string {
	return strconv.FormatFloat(math.Round(float64(n)/64*100)/100, 'f', -1, 64)
}

const (
	steps  = 4                          // shades from one wave to the next, so that their edges are smooth
	shades = len(waves)*steps + 1       // of the ground
	tints  = len(waves) + 1             // shades that are told apart under the edge of a letter
	levels = 15                         // of an ink that covers a pixel in part
	full   = shades + inks*tints*levels // the inks themselves
)

// shade is the ground, n steps towards the wave.
func (t theme) shade(n int) color.RGBA { return mixed(t.ground, t.wave, float64(n)/float64(shades-1)) }

func (t theme) inks() [inks]color.RGBA { return [...]color.RGBA{t.ink, t.soft, t.mark} }

// canvas is a picture whose colours are numbered: shades of the ground, each ink over each tint in levels, then the inks.
type canvas struct {
	*image.Paletted
	brush vector.Rasterizer
	mask  *image.Alpha
}

func newCanvas(t theme) *canvas {
	var colours color.Palette
	for n := range shades {
		colours = append(colours, t.shade(n))
	}
	for _, ink := range t.inks() {
		for tint := range tints {
			for level := range levels {
				colours = append(colours, mixed(t.shade(tint*steps), ink, float64(level+1)/(levels+1)))
			}
		}
	}
	for _, ink := range t.inks() {
		colours = append(colours, ink)
	}
	c := &canvas{Paletted: image.NewPaletted(image.Rect(0, 0, cardWidth, cardHeight), colours), mask: image.NewAlpha(image.Rect(0, 0, cardWidth, cardHeight))}
	copy(c.Pix, ground())
	return c
}

// ground is the waves in numbers of shades, which are the same for every theme.
var ground = sync.OnceValue(func() []byte {
	out := make([]byte, cardWidth*cardHeight)
	for y := range cardHeight {
		for x := range cardWidth {
			dx, dy := 2*(x-waveX)+1, 2*(y-waveY)+1
			distance, sum := math.Sqrt(float64(dx*dx+dy*dy))/2, 0.0
			for _, r := range waves {
				sum += min(max(float64(r)-distance+0.5, 0), 1)
			}
			out[y*cardWidth+x] = byte(math.Round(sum * steps))
		}
	}
	return out
})

// fill draws a shape over what is there.
func (c *canvas) fill(s shape) {
	box := bounds(s.path).Intersect(c.Rect)
	if box.Empty() {
		return
	}
	c.brush.Reset(box.Dx(), box.Dy())
	c.brush.DrawOp = draw.Src
	at := func(p fixed.Point26_6) (x, y float32) {
		return float32(p.X)/64 - float32(box.Min.X), float32(p.Y)/64 - float32(box.Min.Y)
	}
	for _, segment := range s.path {
		x, y := at(segment.Args[0])
		x2, y2 := at(segment.Args[1])
		x3, y3 := at(segment.Args[2])
		switch segment.Op {
		case sfnt.SegmentOpMoveTo:
			c.brush.ClosePath()
			c.brush.MoveTo(x, y)
		case sfnt.SegmentOpLineTo:
			c.brush.LineTo(x, y)
		case sfnt.SegmentOpQuadTo:
			c.brush.QuadTo(x, y, x2, y2)
		case sfnt.SegmentOpCubeTo:
			c.brush.CubeTo(x, y, x2, y2, x3, y3)
		}
	}
	c.brush.ClosePath()
	c.brush.Draw(c.mask, box, image.Opaque, image.Point{})
	for y := box.Min.Y; y < box.Max.Y; y++ {
		line := c.Pix[c.PixOffset(0, y):]
		for x, m := range c.mask.Pix[c.mask.PixOffset(box.Min.X, y):][:box.Dx()] {
			if m != 0 {
				line[box.Min.X+x] = over(line[box.Min.X+x], s.ink, m)
			}
		}
	}
}

// over is the number of the colour of ink that covers a pixel of colour below, in as many parts of 255.
func over(below byte, ink int, cover byte) byte {
	level := (int(cover)*(levels+1) + 127) / 255
	tint := (int(below) + steps/2) / steps
	switch was := int(below) - shades; {
	case level == 0, was >= inks*tints*levels && level <= levels:
		return below
	case was >= 0 && level <= levels: // two letters touch
		tint = was / levels % tints
		level += was%levels + 1
	}
	if level > levels {
		return byte(full + ink)
	}
	return byte(shades + (ink*tints+tint)*levels + level - 1)
}

// bounds is the smallest box of whole pixels around a path.
func bounds(path sfnt.Segments) image.Rectangle {
	box := path.Bounds()
	return image.Rect(box.Min.X.Floor(), box.Min.Y.Floor(), box.Max.X.Ceil(), box.Max.Y.Ceil())
}
