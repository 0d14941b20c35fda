package telegram

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"maps"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// What Telegram takes, in UTF-16 units of what readers see.
const (
	maxText    = 4096
	maxCaption = 1024
	maxAlt     = 300    // ours: it stands below the text
	maxSides   = 10_000 // pixels of width and height together
	maxRatio   = 20     // of one to the other
)

// post is a message as Telegram takes it.
type post struct {
	text    string         // as a message of its own
	preview map[string]any // of what it links to
	photo   bool           // it is to be a picture with its caption, not a text
	picture *announce.Picture
	print   string // what the picture is known by
	caption string // below the picture; empty when the text is too long for that
}

func (p post) asText() map[string]any {
	return map[string]any{"text": p.text, "parse_mode": "HTML", "link_preview_options": p.preview}
}

func noPreview() map[string]any { return map[string]any{"is_disabled": true} }

// compose decides what readers get: a picture with the whole text as its caption when that is short enough; else the text
// with the picture as a large preview above it when the picture has an address; else the text with a preview of its link.
// The picture's words stand below the text wherever the picture is shown.
func (r *room) compose(m announce.Message) post {
	blocks := r.markdown.Read(m.Text)
	html := pen{html: true, mentions: m.Mentions}.write(blocks)
	length := units(pen{mentions: m.Mentions}.write(blocks))
	p := post{text: html, preview: noPreview()}
	if m.Link != "" {
		p.preview = map[string]any{"url": m.Link}
	}
	if len(m.Images) == 0 || !sendable(m.Images[0]) {
		return p
	}
	p.picture = &m.Images[0]
	p.print = fingerprint(p.picture.Data)
	described, added := describe(html, p.picture.Alt, m.Language)
	switch {
	case length+added <= maxCaption:
		p.caption, p.photo = described, true
	case length+added <= maxText && p.picture.URL != "":
		p.text = described
		p.preview = map[string]any{"url": p.picture.URL, "prefer_large_media": true, "show_above_text": true}
	}
	if p.caption == "" && length <= maxCaption {
		p.caption = html
	}
	return p
}

// describe adds the words of a picture to a text, and tells how many units they are.
func describe(html, alt string, l announce.Language) (string, int) {
	if alt = strings.TrimSpace(alt); alt == "" {
		return html, 0
	}
	said := "[" + in(l, "Image\u00a0: ", "Picture: ") + alt + "]"
	p := pen{html: true}
	return html + "\n\n" + p.wrap("i", p.say(said)), units(pen{}.say(said)) + 2
}

// in picks the words for a reader of l.
func in(l announce.Language, french, english string) string {
	if l.Base() == "fr" {
		return french
	}
	return english
}

func sendable(p announce.Picture) bool {
	return len(p.Data) > 0 && p.Width+p.Height <= maxSides && p.Width <= maxRatio*max(p.Height, 1) && p.Height <= maxRatio*max(p.Width, 1)
}

// fingerprint knows a picture again.
func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// blank is a picture of nothing, for a post that must have one.
func blank() announce.Picture {
	i := image.NewPaletted(image.Rect(0, 0, 320, 180), color.Palette{color.Gray{Y: 0xcc}})
	var b bytes.Buffer
	_ = png.Encode(&b, i) // into memory
	return announce.Picture{Data: b.Bytes(), Type: "image/png"}
}

// form is a call with a picture. The same call always gives the same bytes.
func form(args map[string]any, picture announce.Picture) (body []byte, media string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("crieur-" + fingerprint(picture.Data)) // a valid one
	for _, k := range slices.Sorted(maps.Keys(args)) {
		_ = w.WriteField(k, field(args[k])) // into memory, as all of this
	}
	name := "image" + map[string]string{"image/png": ".png", "image/gif": ".gif"}[picture.Type]
	if picture.Type == "image/jpeg" {
		name = "image.jpg"
	}
	part, _ := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="photo"; filename="` + name + `"`},
		"Content-Type":        {picture.Type},
	})
	_, _ = part.Write(picture.Data)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// field is an argument as a form holds it: words as they are, all else as JSON.
func field(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // maps, numbers and words
	return strings.TrimSpace(b.String())
}
