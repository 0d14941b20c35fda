package twitter

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"strconv"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// upload hands X the pictures of m with their text alternatives, and returns X's numbers for them. No reader sees
// anything of it, so it may be repeated.
func (c *channel) upload(ctx context.Context, m announce.Message) ([]int64, error) {
	var ids []int64
	for _, p := range pictures(m) {
		id, err := c.picture(ctx, p)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (c *channel) picture(ctx context.Context, p announce.Picture) (int64, error) {
	body, media, err := form(p)
	if err != nil {
		return 0, &announce.Error{Outcome: announce.Permanent, Field: "images", Fault: "the picture could not be prepared for X; this is a fault of the program", Err: err}
	}
	var answer struct{ Data struct{ ID string } }
	_, err = c.api.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/2/media/upload", Raw: body, Type: media, Into: &answer, Classify: refusal(uploading),
	})
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseInt(answer.Data.ID, 10, 64)
	if err != nil {
		return 0, &announce.Error{Outcome: announce.Temporary, Fault: "X took a picture and does not say how it is called: it will be tried again", Err: errNoID}
	}
	if p.Alt == "" {
		return id, nil
	}
	type words struct {
		Text string `json:"text"`
	}
	type metadata struct {
		Alt words `json:"alt_text"`
	}
	_, err = c.api.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/2/media/metadata", Classify: refusal(uploading),
		Body: struct {
			ID       string   `json:"id"`
			Metadata metadata `json:"metadata"`
		}{answer.Data.ID, metadata{words{p.Alt}}},
	})
	return id, err
}

// form is a picture as a form of several parts.
func form(p announce.Picture) (body []byte, media string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("media_category", "tweet_image"); err != nil {
		return nil, "", err
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="media"; filename="picture.` + path.Base(p.Type) + `"`},
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
