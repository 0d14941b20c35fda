package facebook

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

// request is one call to the Graph API. form goes into the body of a POST, else into the query.
type request struct {
	what         doing
	method, path string
	form         url.Values
	raw          []byte // instead of the form, with kind
	kind         string
	into         any
}

// call makes one call, signed. While the Page has used up what Facebook grants, nothing leaves.
func (c *channel) call(ctx context.Context, r request) (*rest.Response, error) {
	if wait := c.pause(); wait > 0 {
		return nil, &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait, Fault: "the Page has used up the calls that Facebook grants: the account waits, nothing is lost"}
	}
	call := rest.Call{Method: r.method, Path: r.path, Into: r.into, Create: r.what == creating, Classify: c.classify(r.what)}
	form := url.Values{"appsecret_proof": {c.proof.Reveal()}}
	for k, v := range r.form {
		form[k] = v
	}
	switch {
	case r.raw != nil:
		call.Raw, call.Type = r.raw, r.kind
	case r.method == http.MethodPost:
		call.Raw, call.Type = []byte(form.Encode()), "application/x-www-form-urlencoded"
	default:
		call.Query = form
	}
	return c.api.Do(ctx, call)
}

func (c *channel) pause() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, time.Until(c.until))
}

// photo uploads a picture: creating publishes it as a post with a caption, uploading keeps it for a later post.
func (c *channel) photo(ctx context.Context, what doing, p announce.Picture, caption string) (made, error) {
	fields := [][2]string{{"appsecret_proof", c.proof.Reveal()}}
	if what == creating {
		fields = append(fields, [2]string{"caption", caption}, [2]string{"published", "true"})
	} else {
		fields = append(fields, [2]string{"published", "false"})
	}
	if p.Alt != "" {
		fields = append(fields, [2]string{"alt_text_custom", p.Alt})
	}
	raw, kind, err := form(fields, p)
	if err != nil {
		return made{}, &announce.Error{Outcome: announce.Permanent, Field: "images", Fault: "the picture could not be prepared for Facebook; this is a fault of the program", Err: err}
	}
	var x made
	_, err = c.call(ctx, request{what: what, method: http.MethodPost, path: "/" + c.page + "/photos", raw: raw, kind: kind, into: &x})
	if err == nil && what == uploading && !postID.MatchString(x.ID) {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Facebook took a picture and does not name it: it will be tried again"}
	}
	return x, err
}

// form is a picture as a form of several parts.
func form(fields [][2]string, p announce.Picture) (body []byte, media string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			return nil, "", err
		}
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="source"; filename="picture.` + path.Base(p.Type) + `"`},
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
