package world

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
)

// tint is a colour with room for arithmetic.
type tint struct{ r, g, b float64 }

func hex(v uint32) tint { return tint{float64(v >> 16), float64(v >> 8 & 255), float64(v & 255)} }

// to is the colour a share t of the way to o.
func (c tint) to(o tint, t float64) tint {
	t = max(0, min(1, t))
	return tint{c.r + (o.r-c.r)*t, c.g + (o.g-c.g)*t, c.b + (o.b-c.b)*t}
}

// poster draws the picture of the sample announcement: a moonrise over a fjord. It is a PNG of 1200 x 675, the same each time.
func poster() []byte {
	const width, height, shore = 1200, 675, 452.0
	var (
		night, dusk, glow = hex(0x14213d), hex(0x4a5d8f), hex(0xf2b27a)
		deep, shallow     = hex(0x101a30), hex(0xc98f6e)
		moon              = hex(0xfff1d6)
	)
	hills := []struct {
		colour            tint
		side              float64 // -1: the left shore, 1: the right one
		rise, reach, wave float64
	}{
		{hex(0x7a7ea6), -1, 150, 0.60, 0.9}, {hex(0x6f749f), 1, 170, 0.56, 2.1},
		{hex(0x4c5786), 1, 235, 0.42, 4.0}, {hex(0x434e7d), -1, 250, 0.44, 5.2},
		{hex(0x263359), -1, 330, 0.30, 7.7}, {hex(0x1f2b4f), 1, 345, 0.27, 9.4},
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		u := float64(x) / width
		crests := make([]float64, len(hills))
		for i, h := range hills {
			edge := u
			if h.side > 0 {
				edge = 1 - u
			}
			slope := max(0, 1-edge/h.reach)
			ripple := 9*math.Sin(u*13+h.wave) + 5*math.Sin(u*31+2*h.wave) + 2.5*math.Sin(u*67+3*h.wave)
			crests[i] = h.rise*math.Pow(slope, 0.8) + ripple*min(1, 3*slope)
		}
		for y := range height {
			v := float64(y)
			above := shore - v
			if above < 0 { // the water mirrors what is above it, flattened and broken by ripples
				above = -above*1.25 + 3*math.Sin(v*0.9)
			}
			c := night.to(dusk, (shore-above)/shore).to(glow, math.Pow(max(0, 1-above/230), 2)*0.85)
			d := math.Hypot(float64(x)-width*0.5, above-128)
			c = c.to(moon, 0.35*math.Exp(-d/90)).to(moon, 46-d)
			for i, h := range hills {
				c = c.to(h.colour, crests[i]-above+0.5)
			}
			if v >= shore {
				c = c.to(shallow.to(deep, (v-shore)/(height-shore)), 0.35+0.35*(v-shore)/(height-shore))
			}
			img.SetRGBA(x, y, color.RGBA{uint8(c.r), uint8(c.g), uint8(c.b), 255})
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, img); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return out.Bytes()
}
