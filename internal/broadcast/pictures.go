package broadcast

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/templates"
)

// take gives each image of a its bytes, as they are kept. An address that the announcement already had is not fetched again.
// The error is a Faults.
func (s *Service) take(ctx context.Context, a *announce.Announcement, before []announce.Image) error {
	var faults announce.Faults
	a.Images = slices.Clone(a.Images)
	for i := range a.Images {
		img := &a.Images[i]
		known := slices.IndexFunc(before, func(b announce.Image) bool { return img.URL != "" && b.URL == img.URL && len(b.Data) > 0 })
		if known >= 0 {
			img.Data, img.Type = before[known].Data, before[known].Type
			continue
		}
		own, err := s.kept(ctx, img)
		if err != nil {
			return err
		}
		got, err := s.Media.Take(ctx, *img)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			faults = append(faults, announce.Fault{Field: fmt.Sprintf("images[%d]", i), Say: err.Error()})
			continue
		}
		if *img = got; own {
			img.URL = "" // it was uploaded before
		}
	}
	return faults.Err()
}

// kept fills in an image that this server keeps, when its address says so.
func (s *Service) kept(ctx context.Context, img *announce.Image) (bool, error) {
	name, own := strings.CutPrefix(img.URL, s.Site.URL+"/media/")
	if !own || s.Site.URL == "" {
		return false, nil
	}
	data, err := s.Store.Picture(ctx, strings.TrimSuffix(name, path.Ext(name)))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // it is fetched, and the answer says what is wrong
	}
	img.Data = data
	return err == nil, err
}

// shared is the announcement as its author gets it back: pictures that were uploaded have an address instead of their bytes.
func (s *Service) shared(a announce.Announcement) announce.Announcement {
	a.Images = slices.Clone(a.Images)
	for i := range a.Images {
		if img := &a.Images[i]; img.URL != "" {
			img.Data, img.Type = nil, ""
		} else if s.Site.URL != "" && len(img.Data) > 0 {
			img.URL, img.Data, img.Type = s.address(img.Data, img.Type), nil, ""
		}
	}
	return a
}

// address is where a picture can be fetched.
func (s *Service) address(data []byte, mediaType string) string {
	ext := strings.TrimPrefix(mediaType, "image/")
	if ext == "jpeg" {
		ext = "jpg"
	}
	sum := sha256.Sum256(data)
	return s.Site.URL + "/media/" + hex.EncodeToString(sum[:]) + "." + ext
}

// show is the announcement with the images that a page of an account shows, as its channel takes them.
func (s *Service) show(ctx context.Context, a announce.Announcement, p page, cards *deck) (announce.Announcement, error) {
	if len(a.Images) == 0 && a.Event != nil && p.Card && p.Images > 0 && s.Cards && !a.Event.Cancelled && a.Kind != announce.KindCancellation {
		card, err := cards.draw(s, a, p)
		if err != nil {
			return a, err
		}
		a.Images = []announce.Image{card}
	}
	var faults announce.Faults
	shown := make([]announce.Image, 0, len(a.Images))
	for i, img := range a.Images[:min(len(a.Images), p.Images)] {
		got, err := s.Media.Fit(ctx, img.Data, p.Picture)
		if err != nil {
			faults = append(faults, announce.Fault{Field: fmt.Sprintf("images[%d]", i), Say: p.Name + ": " + err.Error()})
			continue
		}
		img.URL, img.Data, img.Type, img.Width, img.Height = "", got.Data, got.Type, got.Width, got.Height
		if strings.HasPrefix(s.Site.URL, "https://") {
			img.URL = s.address(got.Data, got.Type)
		}
		shown = append(shown, img)
	}
	a.Images = shown
	return a, faults.Err()
}

// deck draws each card of an announcement once.
type deck struct {
	mu    sync.Mutex
	cards map[string]announce.Image
}

func (d *deck) draw(s *Service, a announce.Announcement, p page) (announce.Image, error) {
	text := s.Templates.Card(templates.Request{Account: p.Name, Language: p.languages[0], Also: p.languages[1:], Announcement: a, Limits: p.Limits, Site: s.Site})
	key := text.Title + "\x00" + strings.Join(text.Lines, "\x00")
	d.mu.Lock()
	defer d.mu.Unlock()
	if card, ok := d.cards[key]; ok {
		return card, nil
	}
	png, err := media.Card(media.CardText{Title: text.Title, Community: s.Site.Name, Lines: text.Lines, Accent: s.CardColour})
	if err != nil {
		return announce.Image{}, fmt.Errorf("the card of the event could not be drawn: %w", err)
	}
	card := announce.Image{Data: png, Type: "image/png", Alt: map[announce.Language]string{p.languages[0]: text.Alt, a.Default: text.Alt}}
	if d.cards == nil {
		d.cards = map[string]announce.Image{}
	}
	d.cards[key] = card
	return card, nil
}
