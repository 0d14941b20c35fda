// Package media takes pictures in and gives them out: whatever an author gave becomes one plain, upright picture without
// metadata, which is then fitted to what each channel takes. It also draws the card of an event that has no picture.
package media

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/semaphore"

	"github.com/crieur/crieur/internal/announce"
)

// Fetcher gets what an address that an author gave holds, at most most bytes and of any type when none is named. Its errors are
// written for the author and go after the name of a field.
type Fetcher interface {
	Get(ctx context.Context, url string, most int64, types ...string) (body []byte, mediaType string, err error)
}

// Options say what a Library takes. A zero number stands for its default.
type Options struct {
	Fetch     Fetcher // nil: pictures that are only an address are refused
	MaxBytes  int64   // of a picture as it is given, and as it is kept; 10 MiB
	MaxPixels int     // of a picture as it is given; 40 million
	MaxSide   int     // longer side of a picture as it is kept; 2560
}

// Library takes and fits pictures. Safe for concurrent use.
type Library struct {
	options Options
	memory  int64 // most bytes that decoded pictures take at once
	room    *semaphore.Weighted
	taken   *shelf[digest]
	fitted  *shelf[wish]
}

const (
	shelfBytes    = 16 << 20 // of each shelf
	bytesPerPixel = 6        // a picture of MaxPixels may take so many each while it is decoded: progressive JPEG and PNG of 16 bits take more
)

// New returns a library that holds to the options.
func New(o Options) *Library {
	if o.MaxBytes == 0 {
		o.MaxBytes = 10 << 20
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = 40_000_000
	}
	if o.MaxSide == 0 {
		o.MaxSide = 2560
	}
	memory := int64(o.MaxPixels) * bytesPerPixel
	return &Library{
		options: o, memory: memory, room: semaphore.NewWeighted(memory),
		taken: newShelf[digest](shelfBytes), fitted: newShelf[wish](shelfBytes),
	}
}

// Take returns i with Data and Type in the form in which pictures are kept: upright, without metadata, at most MaxSide, JPEG
// or PNG. What is only an address is fetched. An animation becomes its first frame. The same bytes always give the same
// bytes, and what Take returned is taken unchanged. Unless ctx is over, the error tells the author what the picture "is" or
// what to give instead; it goes after the name of a field. Pictures are shared: nobody writes to their bytes.
func (l *Library) Take(ctx context.Context, i announce.Image) (announce.Image, error) {
	data := i.Data
	if len(data) == 0 {
		if l.options.Fetch == nil {
			return announce.Image{}, errors.New("cannot be fetched by this server: upload the picture instead")
		}
		var err error
		if data, _, err = l.options.Fetch.Get(ctx, i.URL, l.options.MaxBytes); err != nil {
			return announce.Image{}, err
		}
	}
	if n := int64(len(data)); n > l.options.MaxBytes {
		return announce.Image{}, fmt.Errorf("is %s; the most is %s", megabytes(n), megabytes(l.options.MaxBytes))
	}
	sum := hash(data)
	p, ok := l.taken.get(sum)
	if !ok {
		var err error
		if p, err = l.canonical(ctx, data); err != nil {
			return announce.Image{}, err
		}
		l.taken.put(sum, p)
		l.taken.put(hash(p.Data), p)
	}
	i.Data, i.Type = p.Data, p.Type
	return i, nil
}

func (l *Library) canonical(ctx context.Context, data []byte) (announce.Picture, error) {
	h, p, err := l.decode(ctx, data, l.options.MaxSide)
	if err != nil {
		return announce.Picture{}, err
	}
	if h.shown(p) && written(data, h) {
		return announce.Picture{Data: data, Type: h.mediaType, Width: h.width, Height: h.height}, nil
	}
	likes := []string{typeJPEG}
	if !p.opaque || !h.lossy && p.drawn() {
		likes = []string{typePNG, typeJPEG}
	}
	return p.within(int(l.options.MaxBytes), likes, quality)
}

// decode reads a picture, upright and with no side longer than side. It never takes more than its share of memory.
func (l *Library) decode(ctx context.Context, data []byte, side int) (header, *pixels, error) {
	h, err := examine(data)
	if err != nil {
		return header{}, nil, err
	}
	if int64(h.width)*int64(h.height) > int64(l.options.MaxPixels) {
		return header{}, nil, fmt.Errorf("has %d × %d pixels; the most is %.4g million in all", h.width, h.height, float64(l.options.MaxPixels)/1e6)
	}
	if h.memory > l.memory {
		return header{}, nil, fmt.Errorf("has %d × %d pixels in a form that takes too much memory: save it smaller, as an ordinary JPEG or as a PNG of 8 bits without interlacing", h.width, h.height)
	}
	if err := l.room.Acquire(ctx, h.memory); err != nil {
		return header{}, nil, err
	}
	defer l.room.Release(h.memory)
	img, err := h.decode(ctx, data)
	if err != nil {
		return header{}, nil, err
	}
	return h, read(img, side).turned(h.orientation), nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
