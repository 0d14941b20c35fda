package media

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"math"
	"regexp"
	"strconv"
)

// theme is the colours of a card. What is written with ink, soft or mark stands out from ground and from wave by contrast or more.
type theme struct {
	ground, wave    color.RGBA // wave is what the ground fades to
	ink, soft, mark color.RGBA
}

const contrast = 7 // WCAG 2.2, success criterion 1.4.6

// grounds are what communities get who chose no colour: a dark ground, and a mark that suits it.
var grounds = [...][2]uint32{
	{0x123f75, 0xffcf5c}, {0x6a1b4a, 0xffc2a8}, {0x0d5142, 0xd8ef8a}, {0x40298a, 0xffd166},
	{0x84202b, 0xffd9a0}, {0x064357, 0xffd27a}, {0x14425c, 0x8fe3cf}, {0x323a52, 0xffcf5c},
	{0x67207a, 0xffd3ec}, {0x1c5230, 0xffe08a}, {0x22408c, 0xa9e8ff}, {0x7d2e12, 0xffe3b3},
}

var (
	white = color.RGBA{255, 255, 255, 255}
	black = color.RGBA{17, 20, 26, 255}
	hex   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

func rgb(n uint32) color.RGBA { return color.RGBA{byte(n >> 16), byte(n >> 8), byte(n), 255} }

// themeOf is the theme of a community: of its own colour, else of one that is chosen by its name.
func themeOf(community, accent string) (theme, error) {
	if accent == "" {
		h := fnv.New32a()
		_, _ = h.Write([]byte(community)) // never fails
		pair := grounds[h.Sum32()%uint32(len(grounds))]
		return themed(rgb(pair[0]), rgb(pair[1])), nil
	}
	if !hex.MatchString(accent) {
		return theme{}, fmt.Errorf("%q is not a colour: write #rrggbb", accent)
	}
	n, err := strconv.ParseUint(accent[1:], 16, 32)
	if err != nil {
		return theme{}, err
	}
	ground := rgb(uint32(n))
	return themed(ground, mixed(ground, readable(ground), 0.7)), nil
}

// readable is white or black, white while a darker ground would still be the same colour to the eye.
func readable(ground color.RGBA) color.RGBA {
	if ratio(white, ground)*1.8 >= ratio(black, ground) {
		return white
	}
	return black
}

// themed makes the ground darker, or lighter under black ink, until the ink stands out from it.
func themed(ground, mark color.RGBA) theme {
	t := theme{ground: ground, ink: readable(ground)}
	away := black
	if t.ink == black {
		away = white
	}
	for ratio(t.ink, t.ground) < contrast+0.5 {
		t.ground = mixed(t.ground, away, 0.04)
	}
	t.wave = mixed(t.ground, away, 0.36)
	t.soft = strong(mixed(t.ground, t.ink, 0.86), t)
	t.mark = strong(mark, t)
	return t
}

// strong moves a colour towards the ink until it stands out from the ground.
func strong(c color.RGBA, t theme) color.RGBA {
	for from, part := c, 0.05; part <= 1 && ratio(c, t.ground) < contrast; part += 0.05 {
		c = mixed(from, t.ink, part)
	}
	if ratio(c, t.ground) < contrast {
		return t.ink
	}
	return c
}

func mixed(a, b color.RGBA, part float64) color.RGBA {
	mix := func(x, y byte) byte { return byte(math.Round(float64(float64(x)*(1-part)) + float64(float64(y)*part))) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// ratio is the contrast of two colours by WCAG: from 1 to 21.
func ratio(a, b color.RGBA) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c color.RGBA) float64 {
	part := func(b byte) float64 {
		v := float64(b) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(c.R) + 0.7152*part(c.G) + 0.0722*part(c.B)
}
