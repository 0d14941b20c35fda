package media

import (
	"image"
	"image/color"
	"image/draw"
)

// pixels are a decoded picture: four bytes each, the colour not multiplied by alpha.
type pixels struct {
	width, height int
	pix           []byte
	opaque        bool
}

func blank(width, height int) *pixels {
	return &pixels{width: width, height: height, pix: make([]byte, 4*width*height)}
}

// rgba and nrgba are the same pixels as images of the standard library. The first is true of opaque ones only.
func (p *pixels) rgba() *image.RGBA {
	return &image.RGBA{Pix: p.pix, Stride: 4 * p.width, Rect: image.Rect(0, 0, p.width, p.height)}
}

func (p *pixels) nrgba() *image.NRGBA {
	return &image.NRGBA{Pix: p.pix, Stride: 4 * p.width, Rect: image.Rect(0, 0, p.width, p.height)}
}

// read converts a picture, made smaller where a side is longer than side. What cannot be seen has no colour afterwards.
func read(img image.Image, side int) *pixels {
	line := liner(img)
	b := img.Bounds()
	w, h := fit(b.Dx(), b.Dy(), side)
	p := blank(w, h)
	if w == b.Dx() && h == b.Dy() {
		for y := range h {
			line(y, p.pix[4*w*y:4*w*(y+1)])
		}
	} else {
		shrink(p, line, b.Dx(), b.Dy(), opaque(img))
	}
	p.clean()
	return p
}

// smaller is p with no side longer than side; p itself when it is so already.
func (p *pixels) smaller(side int) *pixels {
	w, h := fit(p.width, p.height, side)
	if w == p.width && h == p.height {
		return p
	}
	q := blank(w, h)
	stride := 4 * p.width
	shrink(q, func(y int, to []byte) { copy(to, p.pix[y*stride:]) }, p.width, p.height, p.opaque)
	q.clean()
	return q
}

// fit is the size of a picture whose longer side is side; its own when that is shorter. side 0 sets no limit.
func fit(w, h, side int) (int, int) {
	long := max(w, h)
	if side <= 0 || long <= side {
		return w, h
	}
	part := func(n int) int { return max(1, int((int64(n)*int64(side)+int64(long)/2)/int64(long))) }
	return part(w), part(h)
}

// clean finds out whether the picture is opaque, and takes the colour from what cannot be seen: it may be a secret.
func (p *pixels) clean() {
	p.opaque = true
	for i := 3; i < len(p.pix); i += 4 {
		if p.pix[i] == 255 {
			continue
		}
		p.opaque = false
		if p.pix[i] == 0 {
			p.pix[i-3], p.pix[i-2], p.pix[i-1] = 0, 0, 0
		}
	}
}

func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// liner returns a function that writes line y of img, counted from its top, exactly: bytes of eight bits stay as they are.
func liner(img image.Image) func(y int, to []byte) {
	b := img.Bounds()
	switch m := img.(type) {
	case *image.NRGBA:
		return func(y int, to []byte) { copy(to, m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):][:4*b.Dx()]) }
	case *image.NRGBA64:
		return func(y int, to []byte) {
			from := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			for i := range 4 * b.Dx() {
				to[i] = from[2*i]
			}
		}
	case *image.Paletted:
		table := make([]color.NRGBA, 256)
		for i, c := range m.Palette {
			table[i] = straight(c)
		}
		return func(y int, to []byte) {
			for x, index := range m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):][:b.Dx()] {
				c := table[index]
				to[4*x], to[4*x+1], to[4*x+2], to[4*x+3] = c.R, c.G, c.B, c.A
			}
		}
	case *image.NYCbCrA:
		return func(y int, to []byte) {
			for x := range b.Dx() {
				c := m.NYCbCrAAt(b.Min.X+x, b.Min.Y+y)
				to[4*x], to[4*x+1], to[4*x+2] = color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
				to[4*x+3] = c.A
			}
		}
	}
	// The rest is opaque: what is multiplied by alpha is then what is not.
	return func(y int, to []byte) {
		row := &image.RGBA{Pix: to, Stride: 4 * b.Dx(), Rect: image.Rect(0, 0, b.Dx(), 1)}
		draw.Draw(row, row.Rect, img, b.Min.Add(image.Pt(0, y)), draw.Src)
	}
}

func straight(c color.Color) color.NRGBA {
	if n, ok := c.(color.NRGBA); ok {
		return n
	}
	return color.NRGBAModel.Convert(c).(color.NRGBA)
}

// framed puts the first frame of a GIF in its place.
func framed(frame *image.Paletted, width, height int) image.Image {
	whole := image.NewNRGBA(image.Rect(0, 0, width, height))
	line, b := liner(frame), frame.Bounds()
	for y := range b.Dy() {
		line(y, whole.Pix[whole.PixOffset(b.Min.X, b.Min.Y+y):][:4*b.Dx()])
	}
	return whole
}

// span is what one target pixel covers of a source line: pixels from first on, with weights that add up to 1<<16.
type span struct {
	first   int
	weights []uint32
}

func spans(from, to int) []span {
	all := make([]span, to)
	n := int64(from)
	for i := range all {
		begin, end := int64(i)*n, int64(i+1)*n // in parts of a source pixel, of which there are to
		first, last := begin/int64(to), (end-1)/int64(to)
		s := span{int(first), make([]uint32, last-first+1)}
		before := int64(0)
		for x := first; x <= last; x++ {
			sum := (min((x+1)*int64(to), end) - begin) << 16 / n
			s.weights[x-first] = uint32(sum - before)
			before = sum
		}
		all[i] = s
	}
	return all
}

// shrink fills p with the averages of what its pixels cover of the source. Its memory is that of a few lines, and its
// arithmetic is of whole numbers, so that every machine gives the same bytes.
func shrink(p *pixels, line func(y int, to []byte), width, height int, opaque bool) {
	across := spans(width, p.width)
	source, row, sums := make([]byte, 4*width), make([]uint32, 4*p.width), make([]uint64, 4*p.width)
	at := -1
	for i, down := range spans(height, p.height) {
		clear(sums)
		for k, weight := range down.weights {
			if y := down.first + k; y != at {
				line(y, source)
				squeeze(row, source, across, opaque)
				at = y
			}
			for x, v := range row {
				sums[x] += uint64(weight) * uint64(v)
			}
		}
		settle(p.pix[4*p.width*i:4*p.width*(i+1)], sums, opaque)
	}
}

// squeeze averages a line. Unless it is opaque, colours are multiplied by alpha.
func squeeze(to []uint32, from []byte, across []span, opaque bool) {
	for i, s := range across {
		var r, g, b, a uint32
		px := from[4*s.first:]
		px = px[:4*len(s.weights)]
		for _, w := range s.weights {
			if opaque {
				r, g, b = r+w*uint32(px[0]), g+w*uint32(px[1]), b+w*uint32(px[2])
			} else {
				wa := w * uint32(px[3])
				r, g, b, a = r+wa*uint32(px[0]), g+wa*uint32(px[1]), b+wa*uint32(px[2]), a+wa
			}
			px = px[4:]
		}
		to[4*i], to[4*i+1], to[4*i+2], to[4*i+3] = r, g, b, a
	}
}

// settle turns sums into bytes.
func settle(to []byte, sums []uint64, opaque bool) {
	const half = 1 << 31
	for i := 0; i < len(to); i += 4 {
		if opaque {
			to[i], to[i+1], to[i+2], to[i+3] = byte((sums[i]+half)>>32), byte((sums[i+1]+half)>>32), byte((sums[i+2]+half)>>32), 255
			continue
		}
		a := sums[i+3]
		to[i+3] = byte((a + half) >> 32)
		if a == 0 {
			a = 1
		}
		to[i], to[i+1], to[i+2] = byte((sums[i]+a/2)/a), byte((sums[i+1]+a/2)/a), byte((sums[i+2]+a/2)/a)
	}
}

// turned is p as it was seen by a camera that was held as the EXIF orientation says.
func (p *pixels) turned(orientation int) *pixels {
	if orientation <= 1 {
		return p
	}
	w, h := p.width, p.height
	if orientation >= 5 {
		w, h = h, w
	}
	q := blank(w, h)
	q.opaque = p.opaque
	for y := range h {
		for x := range w {
			sx, sy := x, y
			switch orientation {
			case 2:
				sx = p.width - 1 - x
			case 3:
				sx, sy = p.width-1-x, p.height-1-y
			case 4:
				sy = p.height - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, p.height-1-x
			case 7:
				sx, sy = p.width-1-y, p.height-1-x
			case 8:
				sx, sy = p.width-1-y, x
			}
			copy(q.pix[4*(y*w+x):][:4], p.pix[4*(sy*p.width+sx):])
		}
	}
	return q
}
