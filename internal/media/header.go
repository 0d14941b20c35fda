package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"

	"golang.org/x/image/webp"
)

const (
	typePNG  = "image/png"
	typeJPEG = "image/jpeg"
	typeGIF  = "image/gif"
	typeWebP = "image/webp"
)

// header is what is known of a picture before it is decoded.
type header struct {
	mediaType     string
	width, height int
	memory        int64 // most bytes that decoding takes
	orientation   int   // by EXIF, 1 to 8
	lossy         bool  // JPEG, or WebP of that kind
}

var errDamaged = errors.New("is damaged: it cannot be read to its end")

// shown reports whether the picture is as large and as upright as p, which was read from it.
func (h header) shown(p *pixels) bool {
	return h.orientation == 1 && h.width == p.width && h.height == p.height
}

// examine finds type, size and orientation from the first bytes, and refuses what is no picture. It allocates next to nothing.
func examine(b []byte) (header, error) {
	h := header{orientation: 1}
	switch s := string(b[:min(len(b), 32)]); {
	case strings.HasPrefix(s, "\x89PNG\r\n\x1a\n"):
		h.mediaType = typePNG
		return h, h.examinePNG(b)
	case strings.HasPrefix(s, "\xff\xd8\xff"):
		h.mediaType, h.lossy = typeJPEG, true
		return h, h.examineJPEG(b)
	case strings.HasPrefix(s, "GIF87a"), strings.HasPrefix(s, "GIF89a"):
		h.mediaType = typeGIF
		if len(b) < 10 {
			return h, errDamaged
		}
		h.width, h.height = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
		h.memory = int64(h.width) * int64(h.height) * 5 // a frame, and what is around it
		return h, h.sized()
	case len(s) >= 12 && s[:4] == "RIFF" && s[8:12] == "WEBP":
		h.mediaType = typeWebP
		return h, h.examineWebP(b)
	}
	return h, fmt.Errorf("is %s: give a PNG, JPEG, GIF or WebP picture", stranger(b))
}

func (h *header) sized() error {
	if h.width < 1 || h.height < 1 {
		return errDamaged
	}
	return nil
}

func (h *header) examinePNG(b []byte) error {
	if len(b) < 33 || string(b[12:16]) != "IHDR" {
		return errDamaged
	}
	w, tall := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])
	if w > 1<<31-1 || tall > 1<<31-1 {
		return errDamaged
	}
	h.width, h.height = int(w), int(tall)
	depth, colour, interlaced := b[24], b[25], b[28] != 0
	each := int64(4)
	switch {
	case depth == 16:
		each = 8
	case colour == 3:
		each = 1
	}
	if interlaced {
		each *= 2
	}
	if area := int64(h.width) * int64(h.height); area < 1<<58 {
		h.memory = area * each
	}
	for at := 8; at+12 <= len(b); {
		n := int(binary.BigEndian.Uint32(b[at:]))
		name := string(b[at+4 : at+8])
		if n > len(b)-at-12 || name == "IDAT" {
			break
		}
		if name == "eXIf" {
			h.orientation = orientation(b[at+8 : at+8+n])
		}
		at += 12 + n
	}
	return h.sized()
}

const mostScans = 100 // each scan of a progressive JPEG visits the whole picture, however few bytes it has

func (h *header) examineJPEG(b []byte) error {
	scans, frames := 0, 0
	_, err := segments(b, func(marker byte, body []byte) error {
		switch {
		case marker == 0xe1 && scans == 0:
			if exif, ok := bytes.CutPrefix(body, []byte("Exif\x00\x00")); ok {
				h.orientation = orientation(exif)
			}
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			frames++
			return h.frame(marker, body)
		case marker == 0xda:
			scans++
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case frames != 1 || scans == 0:
		return errDamaged
	case scans > mostScans:
		return fmt.Errorf("is a JPEG in %d steps; the most is %d: save it as an ordinary JPEG", scans, mostScans)
	}
	return h.sized()
}

// frame reads the size of a JPEG, and how much memory it takes.
func (h *header) frame(marker byte, body []byte) error {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return errDamaged
	}
	h.height, h.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	parts := int(body[5])
	most, sum := 1, 0
	for i := range parts {
		sampling := body[6+3*i+1]
		here := int(sampling>>4) * int(sampling&15)
		most, sum = max(most, here), sum+here
	}
	area := (int64(h.width) + 63) * (int64(h.height) + 63)
	h.memory = area * int64(sum) / int64(most)
	if marker == 0xc2 {
		h.memory *= 5 // beside each sample a coefficient of 4 bytes
	}
	if parts == 4 {
		h.memory += area * 4
	}
	return nil
}

// segments visits the segments of a JPEG, stops at its end, and returns what follows. It is strict: what it cannot follow is damaged.
func segments(b []byte, visit func(marker byte, body []byte) error) (rest []byte, err error) {
	at := 2
	for {
		for at+1 < len(b) && b[at] == 0xff && b[at+1] == 0xff {
			at++
		}
		if at+1 >= len(b) || b[at] != 0xff {
			return nil, errDamaged
		}
		marker := b[at+1]
		if marker == 0xd9 {
			return b[at+2:], nil
		}
		if marker < 0xc0 || marker >= 0xd0 && marker <= 0xd8 || at+4 > len(b) {
			return nil, errDamaged
		}
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		if n < 2 || at+2+n > len(b) {
			return nil, errDamaged
		}
		if err := visit(marker, b[at+4:at+2+n]); err != nil {
			return nil, err
		}
		at += 2 + n
		if marker == 0xda {
			if at, err = scanned(b, at); err != nil {
				return nil, err
			}
		}
	}
}

// scanned is where the entropy-coded bytes from at end: at the next marker that is no restart.
func scanned(b []byte, at int) (int, error) {
	for {
		i := bytes.IndexByte(b[at:], 0xff)
		if i < 0 || at+i+1 >= len(b) {
			return 0, errDamaged
		}
		at += i
		if next := b[at+1]; next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7) {
			return at, nil
		}
		at++
	}
}

func (h *header) examineWebP(b []byte) error {
	c, err := webp.DecodeConfig(bytes.NewReader(b))
	if err != nil || len(b) < 21 {
		return errDamaged
	}
	h.width, h.height = c.Width, c.Height
	each := int64(8)
	switch string(b[12:16]) {
	case "VP8 ":
		h.lossy, each = true, 2
	case "VP8X":
		if b[20]&2 != 0 {
			return errors.New("is an animated WebP, which cannot be read here: give a still picture, or a GIF, of which the first frame is shown")
		}
	}
	h.memory = int64(h.width) * int64(h.height) * each
	for at := 12; at+8 <= len(b); {
		n := int64(binary.LittleEndian.Uint32(b[at+4:]))
		if n > int64(len(b)-at-8) {
			break
		}
		switch body := b[at+8 : at+8+int(n)]; string(b[at : at+4]) {
		case "EXIF":
			exif, _ := bytes.CutPrefix(body, []byte("Exif\x00\x00"))
			h.orientation = orientation(exif)
		case "VP8 ":
			h.lossy = true
		}
		at += 8 + int(n) + int(n&1)
	}
	return h.sized()
}

// decode reads the picture, of a GIF the first frame. A context that is over stops it.
func (h header) decode(ctx context.Context, data []byte) (img image.Image, err error) {
	whole := bytes.NewReader(data)
	r := reading(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return whole.Read(p)
	})
	switch h.mediaType {
	case typePNG:
		img, err = png.Decode(r)
	case typeJPEG:
		img, err = jpeg.Decode(r)
	case typeGIF:
		img, err = gif.Decode(r)
	default:
		img, err = webp.Decode(r)
	}
	if over := ctx.Err(); over != nil {
		return nil, over
	}
	if err != nil {
		return nil, errDamaged
	}
	if b := img.Bounds(); h.mediaType == typeGIF && (b.Dx() != h.width || b.Dy() != h.height) {
		return framed(img.(*image.Paletted), h.width, h.height), nil
	}
	if b := img.Bounds(); b.Dx() != h.width || b.Dy() != h.height {
		return nil, errDamaged
	}
	return img, nil
}

type reading func([]byte) (int, error)

func (r reading) Read(p []byte) (int, error) { return r(p) }

// stranger names what is not a picture that can be read.
func stranger(b []byte) string {
	s := string(b[:min(len(b), 512)])
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(s, "\ufeff")))
	brand := ""
	if len(s) >= 12 && s[4:8] == "ftyp" {
		brand = s[8:12]
	}
	switch {
	case len(b) == 0:
		return "empty"
	case strings.HasPrefix(text, "<svg"), strings.HasPrefix(text, "<?xml") && strings.Contains(text, "<svg"):
		return "an SVG drawing"
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "a web page, not a picture"
	case strings.HasPrefix(s, "%PDF-"):
		return "a PDF document"
	case strings.HasPrefix(s, "BM") && len(s) > 14:
		return "a BMP picture"
	case strings.HasPrefix(s, "II*\x00"), strings.HasPrefix(s, "MM\x00*"):
		return "a TIFF picture"
	case brand == "avif" || brand == "avis":
		return "an AVIF picture"
	case brand == "heic" || brand == "heix" || brand == "mif1" || brand == "msf1":
		return "an HEIC picture"
	case brand != "":
		return "a film"
	}
	return "not a picture that can be read"
}
