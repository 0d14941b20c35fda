package media

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

func TestFit(t *testing.T) {
	drawing, photo := asPNG(t, corners(600, 400)), asJPEG(t, scenery(600, 400), 85)
	noisy := scenery(240, 160)
	noisy.Pix[3] = 0
	const jpeg, png = "image/jpeg", "image/png"
	for name, c := range map[string]struct {
		data          []byte
		limits        announce.PictureLimits
		want          string
		width, height int // 0: whatever it takes
	}{
		"no limit":                   {photo, announce.PictureLimits{}, jpeg, 600, 400},
		"within every limit":         {photo, announce.PictureLimits{Bytes: len(photo), Side: 600, Types: []string{jpeg}}, jpeg, 600, 400},
		"a GIF as it is":             {asGIF(t, flat(image.Rect(0, 0, 40, 30), red)), announce.PictureLimits{}, "image/gif", 40, 30},
		"a GIF where there is none":  {asGIF(t, flat(image.Rect(0, 0, 40, 30), red)), announce.PictureLimits{Types: []string{jpeg, png}}, png, 40, 30},
		"a WebP":                     {file(t, "lossless.webp"), announce.PictureLimits{}, png, 24, 16},
		"a side":                     {photo, announce.PictureLimits{Side: 300}, jpeg, 300, 200},
		"a side of a drawing":        {drawing, announce.PictureLimits{Side: 300}, png, 300, 200},
		"a type":                     {drawing, announce.PictureLimits{Types: []string{jpeg}}, jpeg, 600, 400},
		"another type":               {photo, announce.PictureLimits{Types: []string{png}}, png, 600, 400},
		"a few bytes less":           {photo, announce.PictureLimits{Bytes: len(photo) - 1}, jpeg, 600, 400},
		"many bytes less":            {photo, announce.PictureLimits{Bytes: 4000}, jpeg, 0, 0},
		"bytes of a drawing":         {asPNG(t, scenery(240, 160)), announce.PictureLimits{Bytes: 20000}, jpeg, 240, 160},
		"bytes of PNG alone":         {asPNG(t, scenery(240, 160)), announce.PictureLimits{Bytes: 50000, Types: []string{png}}, png, 0, 0},
		"transparency, if there may": {asPNG(t, noisy), announce.PictureLimits{Side: 120}, png, 120, 80},
		"a camera that was turned":   {withExif(photo, 6), announce.PictureLimits{}, jpeg, 400, 600},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(Options{}).Fit(t.Context(), c.data, c.limits)
			if err != nil {
				t.Fatal(err)
			}
			b := decoded(t, p.Data).Bounds()
			if p.Type != c.want || c.limits.Bytes > 0 && len(p.Data) > c.limits.Bytes || b.Dx() != p.Width || b.Dy() != p.Height {
				t.Errorf("%s of %d bytes, %d × %d, which says %v", p.Type, len(p.Data), p.Width, p.Height, b)
			}
			if c.width > 0 && (p.Width != c.width || p.Height != c.height) {
				t.Errorf("%d × %d, want %d × %d", p.Width, p.Height, c.width, c.height)
			}
			if d := 2*p.Width - 3*p.Height; c.width == 0 && (p.Width < 100 || d < -3 || d > 3) {
				t.Errorf("%d × %d is much too small, or has another shape", p.Width, p.Height)
			}
		})
	}
}

func TestFitRefuses(t *testing.T) {
	drawing := asPNG(t, corners(60, 40))
	for want, c := range map[string]struct {
		data   []byte
		limits announce.PictureLimits
	}{
		"the picture cannot be written as image/avif or image/webp": {drawing, announce.PictureLimits{Types: []string{"image/avif", "image/webp"}}},
		"the picture cannot be made as small as 20 bytes":           {drawing, announce.PictureLimits{Bytes: 20}},
		"the picture is an SVG drawing":                             {[]byte("<svg/>"), announce.PictureLimits{}},
		"the picture has 60000 × 60000 pixels":                      {headed(60000, 60000, 8, 2, 0), announce.PictureLimits{Side: 100}},
	} {
		if p, err := New(Options{}).Fit(t.Context(), c.data, c.limits); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %q: %v %v", want, p.Type, err)
		}
	}
}

func TestFitPutsOnPaper(t *testing.T) {
	for name, c := range map[string]struct{ ink, paper color.NRGBA }{
		"a dark logo":  {blue, color.NRGBA{255, 255, 255, 255}},
		"a white logo": {color.NRGBA{250, 252, 255, 255}, color.NRGBA{32, 36, 44, 255}},
	} {
		m := image.NewNRGBA(image.Rect(0, 0, 64, 32))
		for y := 8; y < 24; y++ {
			for x := 8; x < 24; x++ {
				m.SetNRGBA(x, y, c.ink)
			}
		}
		p, err := New(Options{}).Fit(t.Context(), asPNG(t, m), announce.PictureLimits{Types: []string{"image/jpeg"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := decoded(t, p.Data); !near(got.At(60, 28), c.paper, 16) || !near(got.At(15, 15), c.ink, 16) {
			t.Errorf("%s: %v on %v", name, got.At(15, 15), got.At(60, 28))
		}
	}
}

func TestFitRemembers(t *testing.T) {
	l := New(Options{})
	photo := asJPEG(t, scenery(600, 400), 85)
	first, err := l.Fit(t.Context(), photo, announce.PictureLimits{Side: 300})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		limits announce.PictureLimits
		same   bool
	}{
		{announce.PictureLimits{Side: 300}, true}, {announce.PictureLimits{Side: 301}, false},
		{announce.PictureLimits{Side: 300, Bytes: 1 << 20}, false}, {announce.PictureLimits{Side: 300, Types: []string{"image/png"}}, false},
	} {
		p, err := l.Fit(t.Context(), slices.Clone(photo), c.limits)
		if err != nil || (&p.Data[0] == &first.Data[0]) != c.same {
			t.Errorf("%+v: remembered is not %v: %v", c.limits, c.same, err)
		}
	}
}

func TestAShelfForgetsWhatWasAskedForLongAgo(t *testing.T) {
	s := newShelf[int](100)
	put := func(k, n int) { s.put(k, announce.Picture{Data: make([]byte, n)}) }
	holds := func() (keys []int) {
		for k := range 10 {
			if _, ok := s.places[k]; ok {
				keys = append(keys, k)
			}
		}
		return keys
	}
	put(1, 40)
	put(2, 40)
	put(1, 40) // already there
	s.get(1)
	put(3, 40) // 2 was not asked for
	put(4, 101)
	if got := fmt.Sprint(holds()); got != "[1 3]" || s.bytes != 80 || s.order.Len() != 2 {
		t.Errorf("%s, %d bytes", got, s.bytes)
	}
}

func TestShrinkAverages(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 90, 90))
	for i := range m.Pix {
		m.Pix[i] = byte(255 * (i / 4 % 90 / 30)) // black, white, and what byte makes of 510
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	p := read(m, 3)
	if got := fmt.Sprint(p.pix[:12]); got != "[0 0 0 255 255 255 255 255 254 254 254 255]" {
		t.Error(got)
	}
	if p = read(m, 2); !near(p.nrgba().At(0, 0), color.Gray{85}, 1) {
		t.Errorf("two thirds of black and a third of white are %v", p.nrgba().At(0, 0))
	}
	for x := range 90 { // a red that cannot be seen does not colour its neighbours
		for y := range 90 {
			c := color.NRGBA{255, 0, 0, 0}
			if x%2 == 0 {
				c = color.NRGBA{0, 0, 255, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	if p = read(m, 45); p.opaque || !near(p.nrgba().At(7, 7), color.NRGBA{0, 0, 255, 128}, 1) {
		t.Errorf("blue and nothing are %v", p.nrgba().At(7, 7))
	}
	one := image.NewNRGBA(image.Rect(0, 0, 997, 613))
	for i := range one.Pix {
		one.Pix[i] = []byte{200, 30, 40, 255}[i%4]
	}
	for _, side := range []int{996, 500, 333, 77, 1} {
		if p := read(one, side); !bytes.Equal(p.pix, bytes.Repeat([]byte{200, 30, 40, 255}, p.width*p.height)) || !p.opaque {
			t.Errorf("one colour is another at %d", side)
		}
	}
}

func TestFitKeepsTheShape(t *testing.T) {
	for _, c := range [][5]int{{4000, 3000, 2560, 2560, 1920}, {3000, 4000, 2560, 1920, 2560}, {2560, 10, 2560, 2560, 10}, {40_000_000, 1, 2560, 2560, 1}, {100, 50, 0, 100, 50}, {100, 50, 200, 100, 50}} {
		if w, h := fit(c[0], c[1], c[2]); w != c[3] || h != c[4] {
			t.Errorf("%v: %d × %d", c, w, h)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	for name, data := range map[string][]byte{
		"photo 12 MP": asJPEG(b, scenery(4000, 3000), 92), "photo 2 MP": asJPEG(b, scenery(1600, 1200), 92),
		"drawing 2 MP": asPNG(b, corners(1600, 1200)), "photo as PNG 2 MP": asPNG(b, scenery(1600, 1200)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				take(b, New(Options{}), data)
			}
		})
	}
	b.Run("again", func(b *testing.B) {
		l, data := New(Options{}), asJPEG(b, scenery(1600, 1200), 92)
		for b.Loop() {
			take(b, l, data)
		}
	})
}

func BenchmarkFit(b *testing.B) {
	data := take(b, New(Options{}), asJPEG(b, scenery(4000, 3000), 92)).Data
	l := New(Options{})
	for name, limits := range map[string]announce.PictureLimits{
		"as it is": {}, "side 1200": {Side: 1200}, "900 kB": {Bytes: 900_000}, "100 kB": {Bytes: 100_000},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(Options{}).Fit(b.Context(), data, limits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Fit(b.Context(), data, announce.PictureLimits{Side: 1200}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
