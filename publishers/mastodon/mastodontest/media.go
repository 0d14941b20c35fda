package mastodontest

import (
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type media struct {
	id, kind, alt string
	data          []byte
	slow          int   // how often it is still being processed when asked for
	on            *post // it belongs to one post
}

func (m *media) address() string {
	return "data:" + m.kind + ";base64," + base64.StdEncoding.EncodeToString(m.data)
}

func (m *media) shown() map[string]any {
	v := map[string]any{"id": m.id, "type": "image", "url": nil, "description": m.alt}
	if m.slow == 0 {
		v["url"] = "https://files.mastodon.test/media/" + m.id
	}
	return v
}

func (p *Platform) upload(w http.ResponseWriter, r *http.Request, now time.Time) {
	reader, err := r.MultipartReader()
	if err != nil {
		p.refuse(w, http.StatusUnprocessableEntity, "Validation failed: File can't be blank")
		return
	}
	m := &media{slow: p.host.Slow}
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			p.refuse(w, http.StatusBadRequest, "Error occurred while parsing request parameters")
			return
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return
		}
		switch part.FormName() {
		case "file":
			m.kind, m.data = part.Header.Get("Content-Type"), b
		case "description":
			m.alt = string(b)
		default:
			p.refuse(w, http.StatusUnprocessableEntity, "unknown field "+part.FormName())
			return
		}
	}
	switch found := http.DetectContentType(m.data); {
	case len(m.data) == 0:
		p.refuse(w, http.StatusUnprocessableEntity, "Validation failed: File can't be blank")
		return
	case found != m.kind || !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, found):
		p.refuse(w, http.StatusUnprocessableEntity, "Validation failed: File content type is invalid")
		return
	case len(m.data) > 16<<20:
		p.refuse(w, http.StatusUnprocessableEntity, "Validation failed: File must be less than 16 MB")
		return
	case utf8.RuneCountInString(m.alt) > p.host.Alt:
		p.refuse(w, http.StatusUnprocessableEntity, "Validation failed: Description is too long (maximum is "+strconv.Itoa(p.host.Alt)+" characters)")
		return
	}
	m.id = p.number(now)
	p.media[m.id] = m
	if m.slow > 0 {
		reply(w, http.StatusAccepted, m.shown())
		return
	}
	reply(w, http.StatusOK, m.shown())
}

func (p *Platform) processed(w http.ResponseWriter, r *http.Request, _ time.Time) {
	m := p.media[r.PathValue("id")]
	switch {
	case m == nil:
		p.refuse(w, http.StatusNotFound, "Record not found")
	case strings.Contains(m.alt, "unprocessable"):
		p.refuse(w, http.StatusUnprocessableEntity, "Error processing thumbnail for uploaded media")
	case m.slow > 0:
		m.slow--
		reply(w, http.StatusPartialContent, m.shown())
	default:
		reply(w, http.StatusOK, m.shown())
	}
}
