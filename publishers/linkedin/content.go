package linkedin

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const (
	mostTitle       = 400
	mostDescription = 4000
)

// content is what a post shows below its text: one of the three.
type content struct {
	Article *article `json:"article,omitempty"`
	Media   *media   `json:"media,omitempty"`
	Several *several `json:"multiImage,omitempty"`
}

// article is a card that leads to a page. LinkedIn does not look at the page itself.
type article struct {
	Source       string `json:"source"`
	Title        string `json:"title"`
	Description  string `json:"description,omitempty"`
	Thumbnail    string `json:"thumbnail,omitempty"`
	ThumbnailAlt string `json:"thumbnailAltText,omitempty"`
}

type media struct {
	ID  string `json:"id"`
	Alt string `json:"altText,omitempty"`
}

type several struct {
	Images []media `json:"images"`
}

// content uploads the pictures of m, which may be repeated, and says how they are shown.
func (c *channel) content(ctx context.Context, m announce.Message) (*content, error) {
	var images []media
	for _, p := range m.Images[:min(len(m.Images), mostImages)] {
		urn, err := c.upload(ctx, p)
		if err != nil {
			return nil, err
		}
		images = append(images, media{urn, p.Alt})
	}
	switch {
	case len(images) > 1:
		return &content{Several: &several{images}}, nil
	case c.article && reachable(m.Link):
		a := &article{Source: m.Link, Title: m.Subject, Description: m.Summary}
		if n := utf8.RuneCountInString(a.Title); n == 0 || n > mostTitle {
			a.Title = m.Link[:min(len(m.Link), mostTitle)]
		}
		if utf8.RuneCountInString(a.Description) > mostDescription {
			a.Description = ""
		}
		if len(images) == 1 {
			a.Thumbnail, a.ThumbnailAlt = images[0].ID, images[0].Alt
		}
		return &content{Article: a}, nil
	case len(images) == 1:
		return &content{Media: &images[0]}, nil
	}
	return nil, nil
}

// reachable reports whether readers could follow the address.
func reachable(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

var imageURN = regexp.MustCompile(`^urn:li:image:[A-Za-z0-9_-]+$`)

// upload hands LinkedIn a picture and waits until it can be shown.
func (c *channel) upload(ctx context.Context, p announce.Picture) (string, error) {
	type owner struct {
		Owner string `json:"owner"`
	}
	var slot struct {
		Value struct {
			Upload string `json:"uploadUrl"`
			Image  string `json:"image"`
		} `json:"value"`
	}
	_, err := c.api.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/images", Query: url.Values{"action": {"initializeUpload"}}, Into: &slot, Classify: c.classify(uploading),
		Body: struct {
			Request owner `json:"initializeUploadRequest"`
		}{owner{c.organization}},
	})
	if err != nil {
		return "", err
	}
	if !imageURN.MatchString(slot.Value.Image) {
		return "", again("LinkedIn takes a picture and does not name it")
	}
	if err := c.put(ctx, slot.Value.Upload, p); err != nil {
		return "", err
	}
	return slot.Value.Image, c.await(ctx, slot.Value.Image)
}

// put sends the picture where LinkedIn wants it. The token goes to LinkedIn only.
func (c *channel) put(ctx context.Context, to string, p announce.Picture) error {
	u, err := url.Parse(to)
	own, _ := url.Parse(c.api.Base())
	if err != nil || u.User != nil || u.Scheme != "https" && (own == nil || u.Scheme != own.Scheme || u.Host != own.Host) {
		return again("LinkedIn wants the picture at an address that cannot be used")
	}
	watched, x := rest.Watch(ctx)
	req, err := http.NewRequestWithContext(watched, http.MethodPut, u.String(), bytes.NewReader(p.Data))
	if err != nil {
		return again("LinkedIn wants the picture at an address that cannot be used")
	}
	req.Header.Set("Content-Type", p.Type)
	if h := strings.ToLower(u.Hostname()); own != nil && u.Host == own.Host || h == "linkedin.com" || strings.HasSuffix(h, ".linkedin.com") {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	res, err := c.api.HTTP().Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	return c.api.Judge(x, err, false, c.classify(uploading))
}

const (
	firstLook = 100 * time.Millisecond
	nextLook  = 2 * time.Second
	mostLooks = 15
)

// await waits until LinkedIn has made the picture ready, half a minute at most. When LinkedIn does not say, it takes the
// post all the same.
func (c *channel) await(ctx context.Context, urn string) error {
	pause := firstLook
	for range mostLooks {
		var image struct {
			Status string `json:"status"`
		}
		_, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/images/" + url.QueryEscape(urn), Into: &image, Classify: c.classify(reading)})
		if forbidden(err) || errors.Is(err, errGone) {
			return nil
		}
		if err != nil {
			return err
		}
		switch image.Status {
		case "AVAILABLE":
			return nil
		case "PROCESSING_FAILED":
			return &announce.Error{Outcome: announce.Permanent, Field: "images", Fault: "LinkedIn cannot read a picture: JPEG, PNG or GIF"}
		}
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return again("LinkedIn is still working on a picture")
		case <-wait.C:
		}
		pause = min(2*pause, nextLook)
	}
	return again("LinkedIn is still working on a picture")
}

// again is a failure that made nothing which readers see.
func again(what string) *announce.Error {
	return &announce.Error{Outcome: announce.Temporary, Fault: what + ": it will be tried again"}
}
