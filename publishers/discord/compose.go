package discord

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/textproto"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// post is a message as Discord takes it.
type post struct {
	content  string
	pictures []announce.Picture
	key      string
}

// compose writes the message. Pictures show large below the text, with no preview of what it links to; without a picture the
// announcement's own link is previewed.
func (a api) compose(m announce.Message) post {
	p := post{pictures: m.Images, key: m.Key}
	w := pen{}
	if len(p.pictures) == 0 {
		w.preview = m.Link
	}
	p.content = w.write(a.markdown.Read(m.Text))
	return p
}

const suppressEmbeds = 4 // of a message's flags: no previews of links

// fields are those of a new message. Nothing in it calls anybody, whatever its words.
func (p post) fields() map[string]any {
	f := p.whole()
	if f["flags"] == 0 {
		delete(f, "flags")
	}
	if len(p.pictures) == 0 {
		delete(f, "attachments")
	}
	return f
}

// whole are the fields of an edit, which replaces everything: pictures that it does not list go away.
func (p post) whole() map[string]any {
	f := map[string]any{
		"content":          p.content,
		"allowed_mentions": map[string]any{"parse": []string{}, "replied_user": false},
		"attachments":      []any{},
		"flags":            0,
	}
	if len(p.pictures) > 0 {
		f["flags"] = suppressEmbeds
		var list []any
		for i, x := range p.pictures {
			list = append(list, map[string]any{"id": i, "filename": filename(i, x), "description": clip(x.Alt, maxAlt)})
		}
		f["attachments"] = list
	}
	return f
}

func filename(i int, p announce.Picture) string {
	ending := map[string]string{"image/png": ".png", "image/gif": ".gif", "image/webp": ".webp"}[p.Type]
	if ending == "" {
		ending = ".jpg"
	}
	return fmt.Sprintf("image%d%s", i+1, ending)
}

// fill puts the fields into a call, beside the pictures if there are any. The same post always gives the same bytes.
func (p post) fill(c *rest.Call, fields map[string]any) {
	if len(p.pictures) == 0 {
		c.Body = fields
		return
	}
	var b, payload bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("crieur-" + nonce(p.key)) // 31 letters and digits: a valid one
	enc := json.NewEncoder(&payload)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(fields) // maps, numbers and words, into memory
	part := func(name, file, media string, data []byte) {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + name + `"` + file}, "Content-Type": {media}}
		out, _ := w.CreatePart(h)
		_, _ = out.Write(data)
	}
	part("payload_json", "", "application/json", bytes.TrimSpace(payload.Bytes()))
	for i, x := range p.pictures {
		part(fmt.Sprintf("files[%d]", i), `; filename="`+filename(i, x)+`"`, x.Type, x.Data)
	}
	_ = w.Close()
	c.Raw, c.Type = b.Bytes(), w.FormDataContentType()
}
