package mastodon

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// upload hands the server pictures with their text alternatives and returns its names for them, when it has processed
// all of them. No reader sees anything of it, so it may be repeated; each name is good for one post.
func (c *channel) upload(ctx context.Context, pictures []announce.Picture) ([]string, error) {
	var ids []string
	for _, p := range pictures {
		if len(p.Data) == 0 {
			continue
		}
		id, err := c.picture(ctx, p)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (c *channel) picture(ctx context.Context, p announce.Picture) (string, error) {
	body, media, err := form(p)
	if err != nil {
		return "", &announce.Error{Outcome: announce.Permanent, Field: "images", Fault: "the picture could not be prepared for Mastodon; this is a fault of the program", Err: err}
	}
	var answer struct {
		ID string `json:"id"`
	}
	res, err := c.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/api/v2/media", Raw: body, Type: media, Into: &answer, Classify: refusal(uploading),
	})
	switch {
	case err != nil:
		return "", err
	case answer.ID == "":
		return "", &announce.Error{Outcome: announce.Temporary, Fault: "Mastodon took a picture and does not say how it is called: it will be tried again"}
	case res.Status == http.StatusAccepted:
		return answer.ID, c.processed(ctx, answer.ID)
	}
	return answer.ID, nil
}

const (
	asksFirst   = 100 * time.Millisecond
	asksLast    = 3 * time.Second
	asksForDone = time.Minute // for one picture
)

// processed waits until the server has processed a picture.
func (c *channel) processed(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, asksForDone)
	defer cancel()
	for wait := asksFirst; ; wait = min(2*wait, asksLast) {
		select {
		case <-ctx.Done():
			return &announce.Error{Outcome: announce.Temporary, Fault: "Mastodon is still processing a picture: nothing was posted; it will be tried again", Err: ctx.Err()}
		case <-time.After(wait):
		}
		res, err := c.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/media/" + url.PathEscape(id), Classify: refusal(uploading)})
		if err != nil || res.Status != http.StatusPartialContent {
			return err
		}
	}
}

// form is a picture as a form of several parts.
func form(p announce.Picture) (body []byte, media string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if p.Alt != "" {
		if err := w.WriteField("description", p.Alt); err != nil {
			return nil, "", err
		}
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="picture.` + path.Base(p.Type) + `"`},
		"Content-Type":        {p.Type},
	})
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(p.Data); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}
