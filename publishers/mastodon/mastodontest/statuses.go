package mastodontest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// draft is a status as it comes in.
type draft struct {
	Status     string   `json:"status"`
	MediaIDs   []string `json:"media_ids"`
	Warning    string   `json:"spoiler_text"`
	Sensitive  bool     `json:"sensitive"`
	Language   string   `json:"language"`
	Visibility string   `json:"visibility"`
	InReplyTo  string   `json:"in_reply_to_id"`
}

type post struct {
	draft
	id       string
	key      string
	raw      string
	pictures []*media
	at       time.Time
	edited   int
	deleted  bool
}

var languageCode = regexp.MustCompile(`^[a-z]{2,3}$`)

// read takes a draft that the server would take; else it answers. of is the post that is edited.
func (p *Platform) read(w http.ResponseWriter, r *http.Request, of *post) (*post, bool) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		p.refuse(w, http.StatusUnprocessableEntity, "the body is not JSON")
		return nil, false
	}
	var raw bytes.Buffer
	n := &post{}
	if _, err := raw.ReadFrom(r.Body); err != nil {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(raw.Bytes()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&n.draft); err != nil {
		p.refuse(w, http.StatusBadRequest, "Error occurred while parsing request parameters")
		return nil, false
	}
	n.raw = raw.String()
	fault := ""
	switch most := p.host.Characters; {
	case strings.TrimSpace(n.Status) == "" && len(n.MediaIDs) == 0:
		fault = "Validation failed: Text can't be blank"
	case p.counted(n.draft) > most:
		fault = "Validation failed: Text character limit of " + strconv.Itoa(most) + " exceeded"
	case !slices.Contains([]string{"", "public", "unlisted", "private", "direct"}, n.Visibility) || of != nil && n.Visibility != "":
		fault = "Validation failed: Visibility is not included in the list"
	case n.Language != "" && !languageCode.MatchString(n.Language):
		fault = "Validation failed: Language is invalid"
	case len(n.MediaIDs) > p.host.Pictures:
		fault = "Cannot attach more than " + strconv.Itoa(p.host.Pictures) + " files"
	}
	if fault == "" {
		fault = p.attach(n, of)
	}
	if fault != "" {
		p.refuse(w, http.StatusUnprocessableEntity, fault)
		return nil, false
	}
	return n, true
}

// attach gives n its pictures, each of which must be ready and on no other post.
func (p *Platform) attach(n, of *post) string {
	for _, id := range n.MediaIDs {
		m := p.media[id]
		switch {
		case m == nil:
			return "Media " + id + " not found or already attached to another post"
		case m.slow > 0:
			return "Cannot attach files that have not finished processing. Try again in a moment!"
		case m.on != nil && m.on != of && p.host.Ignores:
			return "media already attached to status: " + id
		case m.on != nil && m.on != of:
			return "Media " + id + " not found or already attached to another post"
		}
		n.pictures = append(n.pictures, m)
	}
	return ""
}

// counted is the length of a draft as the server counts it: Mastodon in what readers see as one character, a link as
// 23 of them and a mention without its server; GoToSocial in code points.
func (p *Platform) counted(d draft) int {
	if p.host.Ignores {
		return utf8.RuneCountInString(d.Status) + utf8.RuneCountInString(d.Warning)
	}
	var b strings.Builder
	for _, e := range entities(d.Status) {
		switch e.kind {
		case link:
			b.WriteString(strings.Repeat("x", p.host.Link))
		case mention:
			local, _, _ := strings.Cut(e.text[1:], "@")
			b.WriteString("@" + local)
		default:
			b.WriteString(e.text)
		}
	}
	return uniseg.GraphemeClusterCount(d.Warning + b.String())
}

func (p *Platform) create(w http.ResponseWriter, r *http.Request, _ time.Time) {
	key := r.Header.Get("Idempotency-Key")
	if id := p.keys[key]; key != "" && id != "" && !p.host.Ignores {
		if p.host.Repeats != 0 {
			refuse(w, p.host.Repeats, "We're sorry, but something went wrong on our end.")
			return
		}
		reply(w, http.StatusOK, p.shown(p.find(id)))
		return
	}
	n, ok := p.read(w, r, nil)
	if !ok {
		return
	}
	if n.InReplyTo != "" && p.find(n.InReplyTo) == nil {
		p.refuse(w, http.StatusNotFound, "The post you are trying to reply to does not appear to exist.")
		return
	}
	if n.Visibility == "" {
		n.Visibility = "public"
	}
	n.key = key
	p.add(n)
	p.keys[key] = n.id
	reply(w, http.StatusOK, p.shown(n))
}

// add publishes a post, and tells whom it mentions.
func (p *Platform) add(n *post) {
	n.at = time.Now().UTC()
	n.id = p.number(n.at)
	p.posts = append(p.posts, n)
	for _, m := range n.pictures {
		m.on = n
	}
	for _, e := range entities(n.Status) {
		if e.kind == mention {
			p.pings++
		}
	}
}

// find is a post that is there, or nil.
func (p *Platform) find(id string) *post {
	i := slices.IndexFunc(p.posts, func(n *post) bool { return n.id == id && !n.deleted })
	if i < 0 {
		return nil
	}
	return p.posts[i]
}

func (p *Platform) show(w http.ResponseWriter, r *http.Request, _ time.Time) {
	if n := p.find(r.PathValue("id")); n != nil && (!p.host.Other || n.Visibility != "private") {
		reply(w, http.StatusOK, p.shown(n))
		return
	}
	p.refuse(w, http.StatusNotFound, "Record not found")
}

func (p *Platform) edit(w http.ResponseWriter, r *http.Request, _ time.Time) {
	of := p.find(r.PathValue("id"))
	if of == nil || p.host.Other {
		p.refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	n, ok := p.read(w, r, of)
	if !ok {
		return
	}
	same := n.Status == of.Status && n.Warning == of.Warning && n.Sensitive == of.Sensitive && slices.Equal(n.MediaIDs, of.MediaIDs)
	n.Visibility, n.InReplyTo = of.Visibility, of.InReplyTo
	of.draft, of.pictures, of.raw = n.draft, n.pictures, n.raw
	for _, m := range of.pictures {
		m.on = of
	}
	if !same {
		of.edited++
	}
	reply(w, http.StatusOK, p.shown(of))
}

func (p *Platform) delete(w http.ResponseWriter, r *http.Request, _ time.Time) {
	n := p.find(r.PathValue("id"))
	if n == nil || p.host.Other {
		p.refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	n.deleted = true
	v := p.shown(n)
	v["text"] = n.Status
	reply(w, http.StatusOK, v)
}

// list is the account's posts, the newest first.
func (p *Platform) list(w http.ResponseWriter, r *http.Request, _ time.Time) {
	q := r.URL.Query()
	most, err := strconv.Atoi(q.Get("limit"))
	if err != nil || most < 1 {
		most = 20
	}
	if r.PathValue("id") != accountID {
		p.refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	shown := []any{}
	for _, n := range slices.Backward(p.posts) {
		if before := q.Get("max_id"); n.deleted || before != "" && n.id >= before || len(shown) == min(most, 40) {
			continue
		}
		shown = append(shown, p.shown(n))
	}
	reply(w, http.StatusOK, shown)
}

func (p *Platform) shown(n *post) map[string]any {
	var pictures []any
	for _, m := range n.pictures {
		pictures = append(pictures, m.shown())
	}
	optional := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	v := map[string]any{
		"id": n.id, "created_at": n.at.Format("2006-01-02T15:04:05.000Z"), "in_reply_to_id": optional(n.InReplyTo), "sensitive": n.Sensitive || n.Warning != "",
		"spoiler_text": n.Warning, "visibility": n.Visibility, "language": optional(n.Language), "url": p.url(n), "content": content(n.Status),
		"media_attachments": pictures, "edited_at": nil, "account": map[string]string{"id": accountID, "acct": user},
	}
	if n.edited > 0 {
		v["edited_at"] = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return v
}

func (p *Platform) url(n *post) string { return p.server.URL + "/@" + user + "/" + n.id }
