package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	team     = "T0CRIEUR"
	mostFile = 20 << 20 // that this workspace takes
	mostAlt  = 1000
)

// file is what was uploaded, or is being.
type file struct {
	id, team, ticket string
	name, alt, title string
	length           int
	data             []byte
	complete         bool
	looks            int // how often it was asked for since
}

// kind is the media type by what the bytes are.
func (f *file) kind() string { return http.DetectContentType(f.data) }

// File is an upload of the app.
type File struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`
	Alt   string `json:"alt_txt"`
	Type  string `json:"mimetype"`
	Bytes int    `json:"bytes"`
}

// Files are the uploads that were completed, in the order in which they were begun.
func (p *Platform) Files() []File {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []File
	for _, f := range p.uploads {
		if f.complete {
			out = append(out, File{f.id, f.name, f.title, f.alt, f.kind(), len(f.data)})
		}
	}
	return out
}

// ready reports whether Slack has looked into the file. p.mu is held.
func (p *Platform) ready(f *file) bool {
	return f.complete && p.space.Slow >= 0 && f.looks >= p.space.Slow
}

// viewable gives the files that the app may show in a message: its own pictures, once they are looked into. p.mu is held.
func (p *Platform) viewable(app bool) func(id string) *file {
	return func(id string) *file {
		f := p.files[id]
		if !app || f == nil || f.team != team || !p.ready(f) || !slices.Contains([]string{"image/png", "image/jpeg", "image/gif"}, f.kind()) {
			return nil
		}
		return f
	}
}

// place gives an address for the bytes of a file.
func (p *Platform) place(w http.ResponseWriter, a arguments) {
	length, err := strconv.Atoi(a["length"])
	switch {
	case a["filename"] == "", a["length"] == "", err == nil && length == 0:
		answer(w, refusal("missing_argument"))
		return
	case err != nil, length < 0:
		answer(w, refusal("invalid_arguments"))
		return
	case !p.space.Uploads:
		answer(w, refusal("file_uploads_disabled"))
		return
	case length > mostFile:
		answer(w, refusal("file_upload_size_restricted"))
		return
	case len([]rune(a["alt_txt"])) > mostAlt:
		answer(w, refusal("alt_txt_too_large"))
		return
	}
	n := len(p.uploads) + 1
	f := &file{id: fmt.Sprintf("F0CRIEUR%03d", n), team: team, ticket: fmt.Sprintf("ticket%d", n), name: a["filename"], alt: a["alt_txt"], length: length}
	p.files[f.id], p.uploads = f, append(p.uploads, f)
	answer(w, reply{"ok": true, "upload_url": p.server.URL + "/upload/v1/" + f.ticket, "file_id": f.id})
}

// upload takes the bytes of a file, as they are or as the first part of a form.
func (p *Platform) upload(w http.ResponseWriter, r *http.Request) {
	data, err := bytesOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.uploads, func(f *file) bool { return f.ticket == r.PathValue("ticket") })
	switch {
	case r.Method != http.MethodPost:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	case i < 0:
		http.Error(w, "Not Found", http.StatusNotFound)
	case err != nil, len(data) != p.uploads[i].length, p.uploads[i].data != nil:
		http.Error(w, "Bad Request", http.StatusBadRequest)
	default:
		p.uploads[i].data = data
		_, _ = fmt.Fprintf(w, "OK - %d", len(data))
	}
}

func bytesOf(r *http.Request) ([]byte, error) {
	body := io.LimitReader(r.Body, mostFile+1<<20)
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); !strings.HasPrefix(media, "multipart/") {
		return io.ReadAll(body)
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	part, err := parts.NextPart()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(part)
	if err != nil {
		return nil, err
	}
	if _, err := parts.NextPart(); err != io.EOF {
		return nil, fmt.Errorf("more than one part: %w", err)
	}
	return data, nil
}

// complete ends uploads. A channel that is named gets the files as a message.
func (p *Platform) complete(w http.ResponseWriter, a arguments) {
	var list []struct{ ID, Title string }
	if json.Unmarshal([]byte(a["files"]), &list) != nil || len(list) == 0 {
		answer(w, refusal("invalid_arguments"))
		return
	}
	for _, x := range list {
		if f := p.files[x.ID]; f == nil || f.team != team || f.data == nil || f.complete {
			answer(w, refusal("file_not_found"))
			return
		}
	}
	shared := a["channel_id"] + a["channels"]
	if shared != "" {
		if word := p.writable(arguments{"channel": shared}); word != "" {
			answer(w, refusal(word))
			return
		}
		p.add(&message{raw: a.raw(), text: a["initial_comment"]})
	}
	answers := []reply{}
	for _, x := range list {
		f := p.files[x.ID]
		f.complete, f.title = true, x.Title
		answers = append(answers, f.shown(false))
	}
	answer(w, reply{"ok": true, "files": answers})
}

func (p *Platform) fileInfo(w http.ResponseWriter, a arguments) {
	f := p.files[a["file"]]
	if f == nil || f.team != team || !f.complete {
		answer(w, refusal("file_not_found"))
		return
	}
	f.looks++
	answer(w, reply{"ok": true, "file": f.shown(p.ready(f)), "comments": []reply{}, "response_metadata": reply{"next_cursor": ""}})
}

// shown is the file as Slack tells of it; its type is not known before it is looked into.
func (f *file) shown(ready bool) reply {
	r := reply{"id": f.id, "name": f.name, "title": f.title, "alt_txt": f.alt, "size": len(f.data), "mode": "hosted", "is_public": false, "mimetype": "", "filetype": "", "pretty_type": "", "channels": []string{}, "groups": []string{}, "ims": []string{}}
	if ready {
		r["mimetype"], r["filetype"] = f.kind(), strings.TrimPrefix(f.kind(), "image/")
	}
	return r
}
