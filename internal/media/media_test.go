package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

var (
	red   = color.NRGBA{200, 30, 40, 255}
	blue  = color.NRGBA{20, 90, 200, 255}
	green = color.NRGBA{10, 160, 60, 255}
	grey  = color.NRGBA{230, 230, 225, 255}
)

// corners is a picture with a colour of its own in each corner: red and blue above, green and grey below.
func corners(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := [2][2]color.NRGBA{{red, blue}, {green, grey}}[2*y/h][2*x/w]
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// scenery is a picture with many colours, as a photograph has.
func scenery(w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			n := r.IntN(12)
			m.SetNRGBA(x, y, color.NRGBA{byte(40 + 180*x/w + n), byte(60 + 150*y/h + n), byte(200 - 120*(x+y)/(w+h) + n), 255})
		}
	}
	return m
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asGIF(t testing.TB, frames ...*image.Paletted) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: frames, Delay: make([]int, len(frames)), Config: image.Config{Width: 40, Height: 30}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func flat(r image.Rectangle, c color.Color) *image.Paletted {
	return image.NewPaletted(r, color.Palette{c, color.Black})
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withExif puts an EXIF block that says o, and a secret, in a picture.
func withExif(b []byte, o int) []byte {
	exif := []byte("MM\x00*\x00\x00\x00\x08\x00\x02\x01\x0f\x00\x02\x00\x00\x00\x04abc\x00\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00SECRET")
	exif[31] = byte(o)
	switch {
	case b[0] == 0xff:
		body := append([]byte("Exif\x00\x00"), exif...)
		return slices.Concat(b[:2], []byte{0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(body)+2)), body, b[2:])
	case b[0] == 0x89:
		body := append([]byte("eXIf"), exif...)
		chunk := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(exif))), 0)
		chunk = slices.Concat(chunk[:4], body, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
		return slices.Concat(b[:33], chunk, b[33:])
	}
	extended := []byte("VP8X\x0a\x00\x00\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00") // with alpha and EXIF
	extended[12], extended[15] = 23, 15
	end := append([]byte("EXIF\x00\x00\x00\x00"), exif...)
	binary.LittleEndian.PutUint32(end[4:], uint32(len(exif)))
	out := slices.Concat(b[:12], extended, b[12:], end)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

func take(t testing.TB, l *Library, data []byte) announce.Image {
	t.Helper()
	i, err := l.Take(t.Context(), announce.Image{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func decoded(t testing.TB, b []byte) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func near(a, b color.Color, most int) bool {
	x, y := color.NRGBAModel.Convert(a).(color.NRGBA), color.NRGBAModel.Convert(b).(color.NRGBA)
	for _, d := range []int{int(x.R) - int(y.R), int(x.G) - int(y.G), int(x.B) - int(y.B), int(x.A) - int(y.A)} {
		if max(d, -d) > most {
			return false
		}
	}
	return true
}

func TestTakeMakesOneForm(t *testing.T) {
	clear := scenery(60, 40)
	clear.Pix[3] = 0
	wide := image.NewNRGBA64(image.Rect(0, 0, 60, 40))
	for i, b := range corners(60, 40).Pix {
		wide.Pix[2*i], wide.Pix[2*i+1] = b, b
	}
	for name, c := range map[string]struct {
		data          []byte
		want          string
		width, height int
	}{
		"a drawing":                     {asPNG(t, corners(60, 40)), "image/png", 60, 40},
		"a drawing of 16 bits":          {asPNG(t, wide), "image/png", 60, 40},
		"a photograph as PNG":           {asPNG(t, scenery(60, 40)), "image/jpeg", 60, 40},
		"a photograph with a hole":      {asPNG(t, clear), "image/png", 60, 40},
		"a photograph":                  {asJPEG(t, scenery(60, 40), 95), "image/jpeg", 60, 40},
		"a drawing as JPEG":             {asJPEG(t, corners(60, 40), 95), "image/jpeg", 60, 40},
		"a grey photograph":             {asJPEG(t, image.NewGray(image.Rect(0, 0, 60, 40)), 95), "image/jpeg", 60, 40},
		"a GIF":                         {asGIF(t, flat(image.Rect(0, 0, 40, 30), red)), "image/png", 40, 30},
		"a GIF that moves":              {asGIF(t, flat(image.Rect(0, 0, 40, 30), red), flat(image.Rect(0, 0, 40, 30), blue)), "image/png", 40, 30},
		"a GIF that begins in a corner": {asGIF(t, flat(image.Rect(10, 10, 20, 30), red)), "image/png", 40, 30},
		"a WebP":                        {file(t, "lossless.webp"), "image/png", 24, 16},
		"a WebP photograph":             {file(t, "lossy.webp"), "image/jpeg", 150, 100},
		"a large drawing":               {asPNG(t, corners(400, 100)), "image/png", 200, 50},
		"a large photograph":            {asJPEG(t, scenery(100, 400), 95), "image/jpeg", 50, 200},
		"a line":                        {asPNG(t, corners(1000, 2)), "image/png", 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(Options{MaxSide: 200})
			got := take(t, l, c.data)
			m := decoded(t, got.Data)
			if b := m.Bounds(); got.Type != c.want || b.Dx() != c.width || b.Dy() != c.height {
				t.Errorf("%s %v, want %s %d × %d", got.Type, b, c.want, c.width, c.height)
			}
			again := New(Options{MaxSide: 200})
			if !bytes.Equal(take(t, again, c.data).Data, got.Data) {
				t.Error("the same bytes gave other bytes")
			}
			if b := take(t, New(Options{MaxSide: 200}), got.Data); !bytes.Equal(b.Data, got.Data) || b.Type != got.Type {
				t.Errorf("what was taken is taken again as something else: %d bytes, then %d", len(got.Data), len(b.Data))
			}
		})
	}
}

func TestTakeKeepsWhatIsSeen(t *testing.T) {
	m := decoded(t, take(t, New(Options{}), file(t, "lossless.webp")).Data)
	for at, want := range map[image.Point]color.NRGBA{{1, 1}: {}, {8, 2}: red, {20, 2}: blue, {8, 12}: {red.R, red.G, red.B, 128}} {
		if !near(m.At(at.X, at.Y), want, 1) {
			t.Errorf("%v is %v, want %v", at, m.At(at.X, at.Y), want)
		}
	}
	m = decoded(t, take(t, New(Options{}), asGIF(t, flat(image.Rect(10, 10, 20, 30), red), flat(image.Rect(0, 0, 40, 30), blue))).Data)
	if !near(m.At(12, 12), red, 0) || !near(m.At(2, 2), color.Transparent, 0) || !near(m.At(30, 12), color.Transparent, 0) {
		t.Error("the first frame is not where it was")
	}
	hidden := corners(20, 20)
	hidden.SetNRGBA(3, 3, color.NRGBA{1, 2, 3, 0})
	if c := decoded(t, take(t, New(Options{}), asPNG(t, hidden)).Data).At(3, 3); c != (color.NRGBA{}) {
		t.Errorf("what cannot be seen still has a colour: %v", c)
	}
}

func TestTakeDropsMetadata(t *testing.T) {
	text := []byte("\x00\x00\x00\x0etEXtSECRET\x00SECRET\x00")
	text = binary.BigEndian.AppendUint32(text, crc32.ChecksumIEEE(text[4:]))
	drawing, photo := asPNG(t, corners(60, 40)), asJPEG(t, scenery(60, 40), 85)
	for name, data := range map[string][]byte{
		"EXIF in a JPEG":   withExif(photo, 1),
		"EXIF in a PNG":    withExif(drawing, 1),
		"EXIF in a WebP":   withExif(file(t, "lossless.webp"), 1),
		"text in a PNG":    slices.Concat(drawing[:33], text, drawing[33:]),
		"a comment":        slices.Concat(photo[:2], []byte("\xff\xfe\x00\x08SECRET"), photo[2:]),
		"after a PNG":      append(slices.Clone(drawing), "SECRET"...),
		"after a JPEG":     append(slices.Clone(photo), "SECRET"...),
		"after a GIF":      append(asGIF(t, flat(image.Rect(0, 0, 40, 30), red)), "SECRET"...),
		"two ends of JPEG": append(slices.Clone(photo), "SECRET\xff\xd9"...),
	} {
		got := take(t, New(Options{}), data)
		if !bytes.Contains(data, []byte("SECRET")) || bytes.Contains(got.Data, []byte("SECRET")) {
			t.Errorf("%s: it is still there", name)
		}
	}
}

func TestTakeTurnsUpright(t *testing.T) {
	// Where red, blue, green and grey, which the camera saw in the corners, belong: top left, top right, bottom left, bottom right.
	want := [9][4]color.NRGBA{
		1: {red, blue, green, grey}, 2: {blue, red, grey, green}, 3: {grey, green, blue, red}, 4: {green, grey, red, blue},
		5: {red, green, blue, grey}, 6: {green, red, grey, blue}, 7: {grey, blue, green, red}, 8: {blue, grey, red, green},
	}
	for o := 1; o <= 8; o++ {
		for name, data := range map[string][]byte{
			"JPEG": asJPEG(t, corners(64, 32), 95), "PNG": asPNG(t, corners(64, 32)), "large": asJPEG(t, corners(640, 320), 95),
		} {
			m := decoded(t, take(t, New(Options{MaxSide: 64}), withExif(data, o)).Data)
			b := m.Bounds()
			w, h := 64, 32
			if o >= 5 {
				w, h = h, w
			}
			if b.Dx() != w || b.Dy() != h {
				t.Fatalf("%s turned %d is %v", name, o, b)
			}
			for i, at := range []image.Point{{4, 4}, {w - 5, 4}, {4, h - 5}, {w - 5, h - 5}} {
				if !near(m.At(at.X, at.Y), want[o][i], 12) {
					t.Errorf("%s turned %d: %v is %v, want %v", name, o, at, m.At(at.X, at.Y), want[o][i])
				}
			}
		}
	}
	if b := decoded(t, take(t, New(Options{}), withExif(file(t, "lossless.webp"), 6)).Data).Bounds(); b.Dx() != 16 || b.Dy() != 24 {
		t.Errorf("a WebP is not turned: %v", b)
	}
}

// server answers every address with the same bytes.
type server struct {
	body  []byte
	err   error
	mu    sync.Mutex
	asked []string
	most  int64
}

func (s *server) Get(_ context.Context, url string, most int64, _ ...string) ([]byte, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.most = append(s.asked, url), most
	return s.body, "application/octet-stream", s.err
}

func TestTakeFetchesOnce(t *testing.T) {
	s := &server{body: asPNG(t, corners(60, 40))}
	l := New(Options{Fetch: s, MaxBytes: 5000})
	alt := map[announce.Language]string{"fr": "Quatre couleurs"}
	got, err := l.Take(t.Context(), announce.Image{URL: "https://example.org/a.png", Alt: alt})
	if err != nil || got.Type != "image/png" || got.URL != "https://example.org/a.png" || got.Alt["fr"] == "" {
		t.Fatalf("%+v %v", got, err)
	}
	if again, err := l.Take(t.Context(), got); err != nil || !bytes.Equal(again.Data, got.Data) || len(s.asked) != 1 || s.most != 5000 {
		t.Errorf("asked for %v, at most %d: %v", s.asked, s.most, err)
	}
	s.err = errors.New("leads to a private address")
	if _, err := l.Take(t.Context(), announce.Image{URL: "https://10.0.0.1/"}); !errors.Is(err, s.err) {
		t.Errorf("its error is lost: %v", err)
	}
	if _, err := New(Options{}).Take(t.Context(), announce.Image{URL: "https://example.org/a.png"}); err == nil || !strings.Contains(err.Error(), "upload") {
		t.Errorf("without a fetcher: %v", err)
	}
}

func TestTakeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, data := range [][]byte{asPNG(t, scenery(60, 40)), asJPEG(t, scenery(60, 40), 95), asGIF(t, flat(image.Rect(0, 0, 40, 30), red)), file(t, "lossy.webp")} {
		if _, err := New(Options{}).Take(ctx, announce.Image{Data: data}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	l := New(Options{MaxPixels: 8000}) // room for one
	data := asJPEG(t, scenery(60, 40), 95)
	want := take(t, New(Options{}), data).Data
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			got, err := l.Take(t.Context(), announce.Image{Data: data})
			if err != nil || !bytes.Equal(got.Data, want) {
				t.Error("another picture", err)
			}
			if p, err := l.Fit(t.Context(), want, announce.PictureLimits{Side: 20 + i%2}); err != nil || p.Width != 20+i%2 {
				t.Error(p.Width, err)
			}
		})
	}
	wait.Wait()
}
