package media

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// headed is a PNG that says it has a size, and has nothing.
func headed(width, height uint32, depth, colour, interlaced byte) []byte {
	body := []byte("IHDR")
	body = binary.BigEndian.AppendUint32(body, width)
	body = binary.BigEndian.AppendUint32(body, height)
	body = append(body, depth, colour, 0, 0, interlaced)
	b := slices.Concat([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), body, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
	return append(b, "\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e"...)
}

// framedJPEG is a JPEG that says it has a size, begins a number of scans, and has nothing.
func framedJPEG(marker byte, width, height uint16, scans int, sampling ...byte) []byte {
	body := []byte{8}
	body = binary.BigEndian.AppendUint16(body, height)
	body = binary.BigEndian.AppendUint16(body, width)
	body = append(body, byte(len(sampling)))
	for i, s := range sampling {
		body = append(body, byte(i+1), s, 0)
	}
	b := slices.Concat([]byte{0xff, 0xd8, 0xff, marker}, binary.BigEndian.AppendUint16(nil, uint16(len(body)+2)), body)
	for range scans {
		b = append(b, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0)
	}
	return append(b, 0xff, 0xd9)
}

func TestTakeRefuses(t *testing.T) {
	photo := asJPEG(t, scenery(60, 40), 85)
	drawing := asPNG(t, corners(60, 40))
	moving := append([]byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00"), make([]byte, 40)...)
	broken := slices.Clone(drawing)
	broken[len(broken)-20] ^= 0x55
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                     {[]byte{0xff}, "not a picture"},
		"SVG":                         {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), "is an SVG drawing: give a PNG"},
		"SVG behind a declaration":    {[]byte("\ufeff<?xml version='1.0'?>\n<!-- x -->\n<svg/>"), "is an SVG drawing"},
		"a page":                      {[]byte("\n<!DOCTYPE html><html>"), "a web page"},
		"PDF":                         {[]byte("%PDF-1.7"), "a PDF"},
		"BMP":                         {append([]byte("BM"), make([]byte, 40)...), "a BMP"},
		"TIFF":                        {[]byte("II*\x00aaaaaaaa"), "a TIFF"},
		"AVIF":                        {[]byte("\x00\x00\x00\x1cftypavif\x00\x00"), "an AVIF"},
		"HEIC":                        {[]byte("\x00\x00\x00\x1cftypheic\x00\x00"), "an HEIC"},
		"MP4":                         {[]byte("\x00\x00\x00\x1cftypisom\x00\x00"), "a film"},
		"an animated WebP":            {moving, "animated WebP"},
		"a PNG that ends early":       {drawing[:len(drawing)/2], "damaged"},
		"a PNG that is wrong":         {broken, "damaged"},
		"a PNG of a few bytes":        {drawing[:20], "damaged"},
		"a JPEG that ends early":      {photo[:len(photo)/2], "damaged"},
		"a JPEG of a few bytes":       {photo[:5], "damaged"},
		"a JPEG with rubbish inside":  {slices.Concat(photo[:20], []byte("rubbish"), photo[20:]), "damaged"},
		"a GIF that ends early":       {[]byte("GIF89a\x05\x00\x05\x00"), "damaged"},
		"a GIF of a few bytes":        {[]byte("GIF89a\x05"), "damaged"},
		"a GIF of no size":            {append([]byte("GIF89a"), make([]byte, 20)...), "damaged"},
		"a WebP of a few bytes":       {[]byte("RIFF\x04\x00\x00\x00WEBP"), "damaged"},
		"a PNG of no size":            {headed(0, 10, 8, 2, 0), "damaged"},
		"a PNG beyond all size":       {headed(1<<31, 1<<31, 8, 2, 0), "damaged"},
		"a huge PNG":                  {headed(60000, 60000, 8, 2, 0), "has 60000 × 60000 pixels; the most is 40 million"},
		"the largest PNG":             {headed(1<<31-1, 1<<31-1, 16, 6, 1), "the most is 40 million"},
		"a long PNG":                  {headed(1<<31-1, 1, 8, 2, 0), "the most is 40 million"},
		"a PNG that takes much":       {headed(6000, 6000, 16, 6, 0), "too much memory"},
		"a PNG in passes":             {headed(6000, 6000, 8, 6, 1), "too much memory"},
		"a huge JPEG":                 {framedJPEG(0xc0, 65500, 65500, 1, 0x11), "the most is 40 million"},
		"a JPEG in steps, huge":       {framedJPEG(0xc2, 6000, 6000, 1, 0x11, 0x11, 0x11), "too much memory"},
		"a JPEG of four inks, huge":   {framedJPEG(0xc0, 6300, 6300, 1, 0x11, 0x11, 0x11, 0x11), "too much memory"},
		"a JPEG in very many steps":   {framedJPEG(0xc2, 600, 600, 400, 0x11, 0x11, 0x11), "in 400 steps"},
		"a JPEG with two frames":      {append(framedJPEG(0xc0, 60, 60, 0, 0x11)[:15], framedJPEG(0xc2, 60, 60, 1, 0x11)[2:]...), "damaged"},
		"a JPEG without a scan":       {framedJPEG(0xc0, 60, 60, 0, 0x11), "damaged"},
		"a JPEG frame that is cut":    {[]byte("\xff\xd8\xff\xc0\x00\x04\x08\x00\xff\xd9"), "damaged"},
		"a huge GIF":                  {append([]byte("GIF89a\xff\xff\xff\xff"), make([]byte, 20)...), "the most is 40 million"},
		"a huge WebP":                 {append([]byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\x3f\x00\xff\x3f\x00"), make([]byte, 20)...), "the most is 40 million"},
		"a WebP that hides its size":  {append([]byte("RIFF\x20\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f\xff\xff\xff\x0f"), make([]byte, 20)...), "the most is 40 million"},
		"more bytes than are allowed": {make([]byte, 11<<20), "is 11.0 MB; the most is 10.0 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(Options{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := l.Take(t.Context(), announce.Image{Data: c.data})
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q: %v", c.want, err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Errorf("it took %d bytes of memory to say so", n)
			}
		})
	}
}

// The most that a JPEG may take is judged by what it holds: half the colours are a quarter of their samples.
func TestMemoryIsJudgedByTheSamples(t *testing.T) {
	for _, c := range []struct {
		data []byte
		want int64 // hundredths of a byte for a pixel
	}{
		{framedJPEG(0xc0, 6400, 6400, 1, 0x11, 0x11, 0x11), 300}, {framedJPEG(0xc0, 6400, 6400, 1, 0x22, 0x11, 0x11), 150},
		{framedJPEG(0xc2, 6400, 6400, 1, 0x22, 0x11, 0x11), 750}, {framedJPEG(0xc1, 6400, 6400, 1, 0x11), 100},
		{headed(6400, 6400, 8, 6, 0), 400}, {headed(6400, 6400, 8, 3, 0), 100}, {headed(6400, 6400, 16, 0, 1), 1600},
	} {
		h, err := examine(c.data)
		if got := h.memory * 100 / (6400 * 6400); err != nil || got < c.want || got > c.want*104/100 {
			t.Errorf("%d hundredths, want %d: %v", got, c.want, err)
		}
	}
}

func TestOrientation(t *testing.T) {
	for _, c := range []struct {
		exif string
		want int
	}{
		{"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 6},
		{"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00", 8},
		{"MM\x00*\x00\x00\x00\x0a??\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00", 3}, // the directory begins later
		{"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00", 1},   // no such orientation
		{"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00", 1},
		{"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x04\x00\x00\x00\x01\x00\x00\x00\x06", 1}, // not a short
		{"MM\x00*\x00\x00\x00\x08\xff\xff\x01\x0f\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00", 1}, // fewer entries than it says
		{"MM\x00*\xff\xff\xff\xff\x00\x01", 1}, {"MM\x00*\x00\x00\x00\x09\x00", 1}, {"MM\x00*", 1}, {"XX\x00*\x00\x00\x00\x08", 1}, {"", 1},
	} {
		if got := orientation([]byte(c.exif)); got != c.want {
			t.Errorf("%q is %d, want %d", c.exif, got, c.want)
		}
	}
}

func FuzzTake(f *testing.F) {
	for _, data := range [][]byte{
		asPNG(f, corners(20, 10)), asPNG(f, scenery(20, 10)), asJPEG(f, scenery(20, 10), 85), withExif(asJPEG(f, corners(20, 10), 95), 6),
		asGIF(f, flat(image.Rect(10, 10, 20, 30), red)), withExif(asPNG(f, corners(20, 10)), 3), headed(60000, 60000, 8, 2, 0),
		framedJPEG(0xc2, 600, 600, 3, 0x22, 0x11, 0x11), file(f, "lossless.webp"), file(f, "lossy.webp"), withExif(file(f, "lossless.webp"), 5),
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := Options{MaxPixels: 1 << 18, MaxBytes: 1 << 20, MaxSide: 100}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := New(o).Take(t.Context(), announce.Image{Data: data})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
			t.Fatalf("it took %d bytes of memory", n)
		}
		if err != nil {
			return
		}
		b := decoded(t, got.Data).Bounds()
		if max(b.Dx(), b.Dy()) > o.MaxSide || got.Type != "image/png" && got.Type != "image/jpeg" {
			t.Fatalf("%s %v", got.Type, b)
		}
		if again := take(t, New(o), got.Data); !bytes.Equal(again.Data, got.Data) {
			t.Fatalf("what was taken is taken again as something else")
		}
		p, err := New(o).Fit(t.Context(), got.Data, announce.PictureLimits{Bytes: 2000, Side: 40, Types: []string{"image/jpeg"}})
		if err != nil || len(p.Data) > 2000 || p.Width > 40 || p.Height > 40 || p.Type != "image/jpeg" {
			t.Fatalf("%s of %d bytes, %d × %d: %v", p.Type, len(p.Data), p.Width, p.Height, err)
		}
	})
}
