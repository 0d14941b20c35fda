package twittertest

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

const (
	mostBytes = 5 << 20
	mostAlt   = 1000
)

// media is an uploaded picture.
type media struct {
	key  string
	kind string
	data []byte
	alt  string
}

func (p *Platform) upload(w http.ResponseWriter, r *http.Request, _ string, now time.Time) {
	form, err := r.MultipartReader()
	if err != nil {
		invalid(w, "the body is not multipart/form-data")
		return
	}
	fields := map[string][]byte{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tooMuch(w, err)
			return
		}
		if !known(part, fields) {
			invalid(w, "unknown or repeated field ["+part.FormName()+"]")
			return
		}
		if fields[part.FormName()], err = io.ReadAll(part); err != nil {
			tooMuch(w, err)
			return
		}
	}
	data := fields["media"]
	kind := http.DetectContentType(data)
	switch {
	case string(fields["media_category"]) != "tweet_image":
		invalid(w, "media_category is not one of [tweet_image]")
		return
	case len(data) > mostBytes:
		invalid(w, fmt.Sprintf("The media is %d bytes; the maximum is %d", len(data), mostBytes))
		return
	case !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, kind):
		invalid(w, "The media type ["+kind+"] is not supported")
		return
	}
	id := p.number(now)
	m := &media{key: "3_" + id, kind: kind, data: data}
	p.media[id] = m
	reply(w, http.StatusOK, map[string]any{"data": map[string]any{
		"id": id, "media_key": m.key, "size": len(data), "expires_after_secs": 86400, "image": map[string]string{"image_type": kind},
	}})
}

func known(part *multipart.Part, fields map[string][]byte) bool {
	_, twice := fields[part.FormName()]
	return !twice && slices.Contains([]string{"media", "media_category", "media_type"}, part.FormName())
}

func tooMuch(w http.ResponseWriter, err error) {
	var e *http.MaxBytesError
	if errors.As(err, &e) {
		edge(w, http.StatusRequestEntityTooLarge, "413 Request Entity Too Large")
		return
	}
	invalid(w, "the body is not multipart/form-data")
}

func (p *Platform) describe(w http.ResponseWriter, r *http.Request, _ string, _ time.Time) {
	var d struct {
		ID       string `json:"id"`
		Metadata struct {
			Alt struct {
				Text string `json:"text"`
			} `json:"alt_text"`
		} `json:"metadata"`
	}
	if _, ok := told(w, r, &d); !ok {
		return
	}
	m := p.media[d.ID]
	n := utf8.RuneCountInString(d.Metadata.Alt.Text)
	switch {
	case m == nil:
		invalid(w, "$.id: no such media")
		return
	case n < 1 || n > mostAlt:
		invalid(w, fmt.Sprintf("$.metadata.alt_text.text: has %d characters; 1 to %d are allowed", n, mostAlt))
		return
	}
	m.alt = d.Metadata.Alt.Text
	reply(w, http.StatusOK, map[string]any{"data": map[string]any{"id": d.ID, "associated_metadata": map[string]any{"alt_text": map[string]string{"text": m.alt}}}})
}
