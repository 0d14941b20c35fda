package facebooktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

const (
	mostText  = 63_206
	mostBytes = 4 << 20
	mostAlt   = 1000
)

// arguments are those of one call, from its address, form or parts.
type arguments struct {
	fields map[string]string
	file   []byte
	kind   string // of the file
}

func read(r *http.Request) (arguments, *failure) {
	a := arguments{fields: map[string]string{}}
	invalid := fail(100, 0, "Invalid parameter")
	values := r.URL.Query()
	if r.Method == http.MethodPost {
		if len(values) > 0 {
			return a, invalid
		}
		media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch media {
		case "multipart/form-data":
			return a, a.parts(multipart.NewReader(io.LimitReader(r.Body, 8<<20), params["boundary"]))
		case "application/x-www-form-urlencoded":
		default:
			return a, invalid
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return a, invalid
		}
		if values, err = url.ParseQuery(string(body)); err != nil {
			return a, invalid
		}
	}
	for k, v := range values {
		if len(v) != 1 {
			return a, invalid
		}
		a.fields[k] = v[0]
	}
	return a, nil
}

func (a *arguments) parts(form *multipart.Reader) *failure {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fail(100, 0, "Invalid multipart form")
		}
		value, err := io.ReadAll(part)
		switch name := part.FormName(); {
		case err != nil:
			return fail(100, 0, "Invalid multipart form")
		case name == "source" && part.FileName() != "":
			a.file, a.kind = value, http.DetectContentType(value)
		default:
			a.fields[name] = string(value)
		}
	}
}

// raw is the call as JSON, without its signature.
func (a arguments) raw() string {
	out := map[string]string{}
	for k, v := range a.fields {
		switch k {
		case "appsecret_proof":
		case "batch":
			out[k] = strings.ReplaceAll(v, Token, "***")
		default:
			out[k] = v
		}
	}
	if a.file != nil {
		out["source"] = fmt.Sprintf("%s, %d bytes", a.kind, len(a.file))
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(out)
	return strings.TrimSpace(b.String())
}

// only refuses every argument but those and the signature.
func (a arguments) only(names ...string) *failure {
	for k := range a.fields {
		if k != "appsecret_proof" && !slices.Contains(names, k) {
			return fail(100, 0, "Unexpected parameter "+k)
		}
	}
	return nil
}

var mention = regexp.MustCompile(`@\[[0-9]+`)

// said checks a text and returns it as Facebook keeps it.
func said(s string) (string, *failure) {
	if len(utf16.Encode([]rune(s))) > mostText {
		return "", fail(100, 0, "Param message must be less than 63206 characters")
	}
	return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")), nil
}

// add publishes x, unless the post before it says the same.
func (p *Platform) add(x *post) *failure {
	for _, old := range slices.Backward(p.posts) {
		if old.deleted {
			continue
		}
		if old.message == x.message {
			return &failure{http.StatusBadRequest, 506, 0, "(#506) Duplicate status message"}
		}
		break
	}
	x.id, x.at = p.number(), time.Now().UTC()
	p.posts = append(p.posts, x)
	p.tags += len(mention.FindAllString(x.message, -1))
	return nil
}

func (p *Platform) feed(a arguments) (any, *failure) {
	if f := p.may("pages_manage_posts"); f != nil {
		return nil, f
	}
	if f := a.only("message", "link", "published", "attached_media", "fields"); f != nil {
		return nil, f
	}
	message, f := said(a.fields["message"])
	if f != nil {
		return nil, f
	}
	x := &post{message: message, link: a.fields["link"], raw: a.raw()}
	if media := a.fields["attached_media"]; media != "" {
		if x.photos, f = p.attached(media); f != nil {
			return nil, f
		}
	}
	if x.link != "" {
		u, err := url.Parse(x.link)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || !strings.Contains(u.Hostname(), "."):
			return nil, fail(100, 1609005, "The link could not be read")
		case x.photos != nil:
			return nil, fail(100, 0, "link and attached_media exclude each other")
		}
	}
	if message == "" && x.link == "" && x.photos == nil {
		return nil, fail(100, 0, "Missing message or attachment")
	}
	if a.fields["published"] != "true" {
		return nil, fail(100, 0, "this platform publishes at once")
	}
	if f := p.add(x); f != nil {
		return nil, f
	}
	for _, ph := range x.photos {
		ph.used = true
	}
	return x.fields(a.fields["fields"]), nil
}

func (p *Platform) attached(media string) ([]*photo, *failure) {
	var list []struct {
		ID string `json:"media_fbid"`
	}
	if json.Unmarshal([]byte(media), &list) != nil || len(list) == 0 {
		return nil, fail(100, 0, "Invalid parameter attached_media")
	}
	var out []*photo
	for _, m := range list {
		i := slices.IndexFunc(p.photos, func(x *photo) bool { return x.id == m.ID })
		if i < 0 {
			return nil, fail(100, subGone, "Object with ID '"+m.ID+"' does not exist")
		}
		if p.photos[i].used || slices.Contains(out, p.photos[i]) {
			return nil, fail(324, 1366051, "These photos were already posted.")
		}
		out = append(out, p.photos[i])
	}
	return out, nil
}

func (p *Platform) upload(a arguments) (any, *failure) {
	if f := p.may("pages_manage_posts"); f != nil {
		return nil, f
	}
	if f := a.only("caption", "alt_text_custom", "published"); f != nil {
		return nil, f
	}
	if len(a.file) >= mostBytes || !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/bmp"}, a.kind) {
		return nil, fail(324, 1366046, "Your photos couldn't be uploaded. Photos should be less than 4 MB and saved as JPG, PNG, GIF or TIFF files.")
	}
	if len([]rune(a.fields["alt_text_custom"])) > mostAlt {
		return nil, fail(100, 0, "Param alt_text_custom is too long")
	}
	caption, f := said(a.fields["caption"])
	if f != nil {
		return nil, f
	}
	p.last++
	ph := &photo{id: strconv.FormatInt(p.last, 10), kind: a.kind, alt: a.fields["alt_text_custom"], data: a.file}
	switch a.fields["published"] {
	case "false":
		if caption != "" {
			return nil, fail(100, 0, "an unpublished photo needs no caption here")
		}
		p.photos = append(p.photos, ph)
		return map[string]string{"id": ph.id}, nil
	case "true":
		x := &post{message: caption, photos: []*photo{ph}, raw: a.raw()}
		if f := p.add(x); f != nil {
			return nil, f
		}
		return map[string]string{"id": ph.id, "post_id": x.id}, nil
	}
	return nil, fail(100, 0, "Invalid parameter published")
}

const timeLayout = "2006-01-02T15:04:05-0700"

func (x *post) url() string {
	return "https://www.facebook.com/" + Page + "/posts/" + strings.TrimPrefix(x.id, Page+"_")
}

// fields are those of x that were asked for.
func (x *post) fields(names string) map[string]any {
	all := map[string]any{"message": x.message, "permalink_url": x.url(), "created_time": x.at.Format(timeLayout)}
	out := map[string]any{"id": x.id}
	for n := range strings.SplitSeq(names, ",") {
		if v, ok := all[n]; ok {
			out[n] = v
		}
	}
	return out
}

const subGone = 33

// find is the post of an ID, as far as the app sees it.
func (p *Platform) find(id, verb string) (*post, *failure) {
	for _, x := range p.posts {
		if x.id == id && !x.deleted {
			return x, nil
		}
	}
	f := fail(100, subGone, "Unsupported "+verb+" request. Object with ID '"+id+"' does not exist, cannot be loaded due to missing permissions, or does not support this operation.")
	return nil, f
}

func (p *Platform) show(id string, a arguments) (any, *failure) {
	x, f := p.find(id, "get")
	if f == nil {
		f = a.only("fields")
	}
	if f == nil {
		f = p.may("pages_read_engagement")
	}
	if f != nil {
		return nil, f
	}
	return x.fields(a.fields["fields"]), nil
}

func (p *Platform) edit(id string, a arguments) (any, *failure) {
	x, f := p.changeable(id, "post")
	if f == nil {
		f = a.only("message")
	}
	if f != nil {
		return nil, f
	}
	message, f := said(a.fields["message"])
	if f != nil {
		return nil, f
	}
	x.message = message
	x.edited++
	p.tags += len(mention.FindAllString(message, -1))
	return map[string]bool{"success": true}, nil
}

func (p *Platform) remove(id string, a arguments) (any, *failure) {
	x, f := p.changeable(id, "delete")
	if f == nil {
		f = a.only()
	}
	if f != nil {
		return nil, f
	}
	x.deleted = true
	return map[string]bool{"success": true}, nil
}

func (p *Platform) changeable(id, verb string) (*post, *failure) {
	if f := p.may("pages_manage_posts"); f != nil {
		return nil, f
	}
	x, f := p.find(id, verb)
	if f == nil && p.set.Foreign {
		_, f = p.find("", verb) // Facebook hides from the app what it may not change
	}
	return x, f
}

func (p *Platform) list(a arguments) (any, *failure) {
	if f := p.may("pages_read_engagement"); f != nil {
		f.code, f.message = 10, "(#10) This endpoint requires the 'pages_read_engagement' permission."
		return nil, f
	}
	if f := a.only("fields", "limit", "after"); f != nil {
		return nil, f
	}
	limit, err := strconv.Atoi(a.fields["limit"])
	if err != nil || limit < 1 || limit > 100 {
		return nil, fail(100, 0, "Invalid parameter limit")
	}
	if p.set.PageSize > 0 {
		limit = min(limit, p.set.PageSize)
	}
	skip := 0
	if after := a.fields["after"]; after != "" {
		if skip, err = strconv.Atoi(strings.TrimPrefix(after, "cursor")); err != nil {
			return nil, fail(100, 0, "Invalid cursors values")
		}
	}
	posts := slices.DeleteFunc(slices.Clone(p.posts), func(x *post) bool { return x.deleted })
	slices.SortStableFunc(posts, func(x, y *post) int { return y.at.Compare(x.at) })
	data := []map[string]any{}
	for _, x := range posts[min(skip, len(posts)):min(skip+limit, len(posts))] {
		data = append(data, x.fields(a.fields["fields"]))
	}
	paging := map[string]any{"cursors": map[string]string{"before": "cursor" + strconv.Itoa(skip), "after": "cursor" + strconv.Itoa(skip+len(data))}}
	if skip+len(data) < len(posts) {
		paging["next"] = "https://graph.facebook.com/" + newest + "/" + Page + "/published_posts?access_token=" + Token
	}
	return map[string]any{"data": data, "paging": paging}, nil
}

// batch answers the one call that may be put in a body instead of an address.
func (p *Platform) batch(a arguments) (any, *failure) {
	if f := a.only("batch", "include_headers"); f != nil {
		return nil, f
	}
	var calls []struct {
		Method  string `json:"method"`
		Address string `json:"relative_url"`
	}
	if json.Unmarshal([]byte(a.fields["batch"]), &calls) != nil || len(calls) != 1 || calls[0].Method != http.MethodGet {
		return nil, fail(100, 0, "Invalid batch")
	}
	u, err := url.Parse(calls[0].Address)
	if err != nil || u.Path != "debug_token" || u.Query().Get("input_token") != Token {
		return nil, fail(100, 0, "Invalid batch")
	}
	if p.set.Mute {
		return []any{map[string]any{"code": 400, "body": `{"error":{"message":"(#100) You must provide an app access token, or a user access token that is an owner or developer of the app","type":"OAuthException","code":100}}`}}, nil
	}
	var expires int64
	if !p.set.Expires.IsZero() {
		expires = p.set.Expires.Unix()
	}
	data := map[string]any{"app_id": "1042", "type": p.set.Type, "is_valid": true, "expires_at": expires, "scopes": p.set.Scopes, "profile_id": p.set.Profile}
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return nil, fail(1, 0, "An unknown error has occurred.")
	}
	return []any{map[string]any{"code": 200, "body": string(body)}}, nil
}
