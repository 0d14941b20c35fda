package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/crieur/crieur/internal/announce"
)

const (
	quality     = 85 // of a JPEG as it is kept
	lowQuality  = 72 // of one that would be too large otherwise
	leastSide   = 32 // no picture is made smaller than this
	mostColours = 256
)

// Fit returns the picture within what a channel takes: as it is when it can be, else smaller or in another form. It knows what
// it fitted last. URL and Alt are left to the caller. The error tells a person what stands in the way.
func (l *Library) Fit(ctx context.Context, data []byte, limits announce.PictureLimits) (announce.Picture, error) {
	types := limits.Types
	if len(types) == 0 {
		types = []string{typeJPEG, typePNG, typeGIF}
	}
	h, err := examine(data)
	if err != nil {
		return announce.Picture{}, fmt.Errorf("the picture %w", err)
	}
	if slices.Contains(types, h.mediaType) && h.orientation == 1 && (limits.Bytes <= 0 || len(data) <= limits.Bytes) && (limits.Side <= 0 || max(h.width, h.height) <= limits.Side) {
		return announce.Picture{Data: data, Type: h.mediaType, Width: h.width, Height: h.height}, nil
	}
	want := wish{hash(data), limits.Bytes, limits.Side, strings.Join(types, " ")}
	if p, ok := l.fitted.get(want); ok {
		return p, nil
	}
	p, err := l.fit(ctx, data, limits, types)
	if err != nil {
		return announce.Picture{}, fmt.Errorf("the picture %w", err)
	}
	l.fitted.put(want, p)
	return p, nil
}

func (l *Library) fit(ctx context.Context, data []byte, limits announce.PictureLimits, types []string) (announce.Picture, error) {
	h, p, err := l.decode(ctx, data, limits.Side)
	if err != nil {
		return announce.Picture{}, err
	}
	likes := []string{typeJPEG, typePNG}
	if !p.opaque || h.mediaType != typeJPEG {
		likes = []string{typePNG, typeJPEG}
	}
	likes = slices.DeleteFunc(likes, func(s string) bool { return !slices.Contains(types, s) })
	if len(likes) == 0 {
		return announce.Picture{}, fmt.Errorf("cannot be written as %s", strings.Join(types, " or "))
	}
	if p.opaque && likes[0] == typeJPEG {
		likes = likes[:1]
	}
	return p.within(limits.Bytes, likes, quality, lowQuality)
}

// within writes p in the first form, and as JPEG in the first quality, that gives at most so many bytes. When none does, p is
// made smaller until one does. most 0 sets no limit.
func (p *pixels) within(most int, forms []string, qualities ...int) (announce.Picture, error) {
	for {
		least := math.MaxInt
		for _, form := range forms {
			for i, q := range qualities {
				if form == typePNG && i > 0 {
					break
				}
				data, err := p.write(form, q)
				if err != nil {
					return announce.Picture{}, err
				}
				if most <= 0 || len(data) <= most {
					return announce.Picture{Data: data, Type: form, Width: p.width, Height: p.height}, nil
				}
				least = min(least, len(data))
			}
		}
		side := max(p.width, p.height)
		next := int(float64(side) * min(0.9, 0.95*math.Sqrt(float64(most)/float64(least))))
		if next < leastSide {
			return announce.Picture{}, fmt.Errorf("cannot be made as small as %d bytes", most)
		}
		p = p.smaller(next)
	}
}

func (p *pixels) write(form string, quality int) ([]byte, error) {
	var b bytes.Buffer
	if form == typeJPEG {
		err := jpeg.Encode(&b, p.onPaper().rgba(), &jpeg.Options{Quality: quality})
		return b.Bytes(), err
	}
	var img image.Image = p.nrgba()
	if few, ok := p.palette(); ok {
		img = few
	} else if p.opaque {
		img = p.rgba()
	}
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// palette is p with a table of its colours, in the order in which they appear; false when there are more than a table holds.
func (p *pixels) palette() (*image.Paletted, bool) {
	out := image.NewPaletted(image.Rect(0, 0, p.width, p.height), nil)
	places := map[[4]byte]uint8{}
	var last [4]byte
	index, known := uint8(0), false
	for i := range out.Pix {
		c := [4]byte(p.pix[4*i:])
		if c != last || !known {
			if index, known = places[c]; !known {
				if len(out.Palette) == mostColours {
					return nil, false
				}
				index, known = uint8(len(out.Palette)), true
				places[c] = index
				out.Palette = append(out.Palette, color.NRGBA{c[0], c[1], c[2], c[3]})
			}
			last = c
		}
		out.Pix[i] = index
	}
	return out, true
}

// drawn reports whether most pixels are as their left neighbours: screens, plans and logos are, photographs are not.
func (p *pixels) drawn() bool {
	same := 0
	for y := range p.height {
		line := p.pix[4*p.width*y : 4*p.width*(y+1)]
		for i := 4; i < len(line); i += 4 {
			if [4]byte(line[i:]) == [4]byte(line[i-4:]) {
				same++
			}
		}
	}
	return 2*same > p.width*p.height
}

// onPaper is p without transparency: on white, or on a dark ground when nearly all that can be seen is nearly white.
func (p *pixels) onPaper() *pixels {
	if p.opaque {
		return p
	}
	light, seen := 0, 0
	for i := 0; i < len(p.pix); i += 4 {
		a := int(p.pix[i+3])
		light += a * (int(p.pix[i])*2 + int(p.pix[i+1])*5 + int(p.pix[i+2])) / 8
		seen += a
	}
	paper := [3]int{255, 255, 255}
	if light > seen*235 {
		paper = [3]int{32, 36, 44}
	}
	q := blank(p.width, p.height)
	q.opaque = true
	for i := 0; i < len(p.pix); i += 4 {
		a := int(p.pix[i+3])
		for k := range 3 {
			q.pix[i+k] = byte((int(p.pix[i+k])*a + paper[k]*(255-a) + 127) / 255)
		}
		q.pix[i+3] = 255
	}
	return q
}

// written reports whether a JPEG is what write gives, to the last byte of its frame and with nothing after it. To write it
// again would only make it worse.
func written(b []byte, h header) bool {
	if h.mediaType != typeJPEG {
		return false
	}
	start := jpegStart(h.width, h.height)
	if !bytes.HasPrefix(b, start) {
		return false
	}
	end, err := scanned(b, len(start))
	return err == nil && string(b[end:]) == "\xff\xd9"
}

var smallestJPEG = sync.OnceValue(func() []byte {
	p := blank(1, 1)
	p.opaque = true
	b, err := p.write(typeJPEG, quality)
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return b
})

// jpegStart is how write begins a JPEG of a size, up to its entropy-coded bytes.
func jpegStart(width, height int) []byte {
	small := smallestJPEG()
	scan := bytes.LastIndex(small, []byte("\xff\xda"))
	start := bytes.Clone(small[:scan+2+int(binary.BigEndian.Uint16(small[scan+2:]))])
	size := start[bytes.Index(start, []byte("\xff\xc0\x00\x11"))+5:]
	binary.BigEndian.PutUint16(size, uint16(height))
	binary.BigEndian.PutUint16(size[2:], uint16(width))
	return start
}
