package linkedintest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	mostText   = 3000 // LinkedIn does not say whether backslashes count; here they do
	mostTitle  = 400
	mostWords  = 4086 // of descriptions and text alternatives
	mostBytes  = 8 << 20
	mostImages = 20
)

type content struct {
	Article *struct {
		Source       string `json:"source"`
		Title        string `json:"title"`
		Description  string `json:"description"`
		Thumbnail    string `json:"thumbnail"`
		ThumbnailAlt string `json:"thumbnailAltText"`
	} `json:"article"`
	Media   *media `json:"media"`
	Several *struct {
		Images []media `json:"images"`
	} `json:"multiImage"`
}

type media struct {
	ID  string `json:"id"`
	Alt string `json:"altText"`
}

// pictures are those that a post shows.
func (c content) pictures() []media {
	switch {
	case c.Article != nil && c.Article.Thumbnail != "":
		return []media{{c.Article.Thumbnail, c.Article.ThumbnailAlt}}
	case c.Media != nil:
		return []media{*c.Media}
	case c.Several != nil:
		return c.Several.Images
	}
	return nil
}

func (p *Platform) checked(c content) *failure {
	kinds := 0
	for _, there := range []bool{c.Article != nil, c.Media != nil, c.Several != nil} {
		if there {
			kinds++
		}
	}
	if kinds > 1 {
		return invalid("content is a union: one member only")
	}
	if a := c.Article; a != nil {
		u, err := url.Parse(a.Source)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return invalid("/content/article/source :: is not a valid URL")
		case a.Title == "" || utf8.RuneCountInString(a.Title) > mostTitle:
			return invalid("/content/article/title :: length is out of range")
		case utf8.RuneCountInString(a.Description) > mostWords:
			return invalid("/content/article/description :: length is out of range")
		}
	}
	if s := c.Several; s != nil && (len(s.Images) < 2 || len(s.Images) > mostImages) {
		return invalid("/content/multiImage/images :: takes 2 to 20 images")
	}
	for _, m := range c.pictures() {
		x := p.images[m.ID]
		if x == nil || x.data == nil || p.set.Broken || x.looks < p.set.Slow {
			return &failure{status: http.StatusBadRequest, code: "MEDIA_ASSET_PROCESSING", message: "The media " + m.ID + " is not available"}
		}
		if utf8.RuneCountInString(m.Alt) > mostWords {
			return invalid("altText :: length is out of range")
		}
	}
	return nil
}

func (p *Platform) create(w http.ResponseWriter, c call) (int, any, *failure) {
	if f := p.mayWrite(); f != nil {
		return 0, nil, f
	}
	var in struct {
		Author       string `json:"author"`
		Commentary   string `json:"commentary"`
		Visibility   string `json:"visibility"`
		Distribution struct {
			Feed     string   `json:"feedDistribution"`
			Targets  []string `json:"targetEntities"`
			Channels []string `json:"thirdPartyDistributionChannels"`
		} `json:"distribution"`
		State     string  `json:"lifecycleState"`
		NoReshare *bool   `json:"isReshareDisabledByAuthor"`
		Content   content `json:"content"`
	}
	if f := c.decode(&in); f != nil {
		return 0, nil, f
	}
	switch {
	case in.Author != author:
		return 0, nil, p.denied(true)
	case in.Visibility != "PUBLIC" || in.Distribution.Feed != "MAIN_FEED" || in.State != "PUBLISHED" || in.NoReshare == nil:
		return 0, nil, invalid("a field is required but not found and has no default value")
	case in.Distribution.Targets == nil || in.Distribution.Channels == nil:
		return 0, nil, invalid("/distribution :: field is required but not found")
	}
	if f := p.checked(in.Content); f != nil {
		return 0, nil, f
	}
	if f := commented(in.Commentary); f != nil {
		return 0, nil, f
	}
	for _, old := range slices.Backward(p.posts) { // a deleted one is remembered for a while
		if shown(old.commentary) == shown(in.Commentary) {
			f := &failure{status: http.StatusUnprocessableEntity, message: "Content is a duplicate of " + old.urn}
			if p.set.Nameless {
				f.message = "Content is a duplicate"
			}
			f.details = map[string]any{"inputErrors": []any{map[string]any{"code": "DUPLICATE_POST", "description": f.message, "input": map[string]any{"inputPath": map[string]any{"fieldPath": "post"}}}}}
			return 0, nil, f
		}
	}
	now := time.Now().UTC()
	x := &post{urn: p.number("share"), commentary: in.Commentary, content: in.Content, at: now, changed: now, raw: raw(c.body)}
	p.posts = append(p.posts, x)
	p.tags += mentions(in.Commentary)
	w.Header().Set("x-restli-id", x.urn)
	return http.StatusCreated, nil, nil
}

func commented(s string) *failure {
	if n := len(utf16.Encode([]rune(s))); n > mostText {
		return invalid(fmt.Sprintf("/commentary :: length %d exceeds the maximum of %d", n, mostText))
	}
	return nil
}

func (p *Platform) one(c call, urn string) (int, any, *failure) {
	i := slices.IndexFunc(p.posts, func(x *post) bool { return x.urn == urn && !x.deleted })
	missing := &failure{status: http.StatusNotFound, code: "NOT_FOUND", message: "Could not find entity"}
	switch c.method {
	case http.MethodGet:
		if f := p.denied(!p.set.Read); f != nil {
			return 0, nil, f
		}
		if i < 0 {
			return 0, nil, missing
		}
		return http.StatusOK, p.element(p.posts[i]), nil
	case http.MethodDelete:
		if f := p.mayWrite(); f != nil {
			return 0, nil, f
		}
		if i >= 0 {
			p.posts[i].deleted = true
		}
		return http.StatusNoContent, nil, nil
	case http.MethodPost:
		if f := p.mayWrite(); f != nil {
			return 0, nil, f
		}
		if i < 0 {
			return 0, nil, missing
		}
		return p.edit(c, p.posts[i])
	}
	return 0, nil, &failure{status: http.StatusMethodNotAllowed, message: "Method not allowed"}
}

func (p *Platform) edit(c call, x *post) (int, any, *failure) {
	var in struct {
		Patch struct {
			Set struct {
				Commentary *string `json:"commentary"`
			} `json:"$set"`
		} `json:"patch"`
	}
	if c.header.Get("X-RestLi-Method") != "PARTIAL_UPDATE" {
		return 0, nil, invalid("Invalid Rest.li method")
	}
	if f := c.decode(&in); f != nil {
		return 0, nil, f
	}
	if in.Patch.Set.Commentary == nil {
		return 0, nil, invalid("/patch/$set/commentary :: is required")
	}
	if f := commented(*in.Patch.Set.Commentary); f != nil {
		return 0, nil, f
	}
	x.commentary, x.changed = *in.Patch.Set.Commentary, time.Now().UTC()
	x.edited++
	p.tags += mentions(x.commentary)
	return http.StatusNoContent, nil, nil
}

// element is a post as LinkedIn gives it.
func (p *Platform) element(x *post) map[string]any {
	commentary := x.commentary
	if p.set.Plain {
		commentary = shown(commentary)
	}
	return map[string]any{
		"id": x.urn, "author": author, "commentary": commentary, "lifecycleState": "PUBLISHED", "visibility": "PUBLIC",
		"createdAt": x.at.UnixMilli(), "publishedAt": x.at.UnixMilli(), "lastModifiedAt": x.changed.UnixMilli(),
	}
}

func (p *Platform) list(c call) (int, any, *failure) {
	if f := p.denied(!p.set.Read || c.query.Get("author") != author); f != nil {
		return 0, nil, f
	}
	count, err1 := strconv.Atoi(c.query.Get("count"))
	start, err2 := strconv.Atoi(c.query.Get("start"))
	if c.query.Get("q") != "author" || c.query.Get("sortBy") != "LAST_MODIFIED" || err1 != nil || err2 != nil || count < 1 || count > 100 || start < 0 {
		return 0, nil, invalid("Invalid query parameters passed to request")
	}
	posts := slices.DeleteFunc(slices.Clone(p.posts), func(x *post) bool { return x.deleted })
	slices.SortStableFunc(posts, func(x, y *post) int {
		return cmp.Or(y.changed.Compare(x.changed), cmp.Compare(y.urn, x.urn))
	})
	elements := []any{}
	for _, x := range posts[min(start, len(posts)):min(start+count, len(posts))] {
		elements = append(elements, p.element(x))
	}
	return http.StatusOK, map[string]any{"elements": elements, "paging": map[string]any{"start": start, "count": count, "links": []any{}}}, nil
}

func (p *Platform) initialize(c call) (int, any, *failure) {
	var in struct {
		Request struct {
			Owner string `json:"owner"`
		} `json:"initializeUploadRequest"`
	}
	if f := p.mayWrite(); f != nil {
		return 0, nil, f
	}
	if c.query.Get("action") != "initializeUpload" {
		return 0, nil, invalid("Invalid action")
	}
	if f := c.decode(&in); f != nil {
		return 0, nil, f
	}
	if in.Request.Owner != author {
		return 0, nil, p.denied(true)
	}
	p.last++
	id := fmt.Sprintf("C4D22AQ%d", p.last)
	p.images["urn:li:image:"+id] = &image{}
	return http.StatusOK, map[string]any{"value": map[string]any{
		"uploadUrlExpiresAt": time.Now().Add(time.Hour).UnixMilli(), "image": "urn:li:image:" + id, "uploadUrl": p.server.URL + "/dms-uploads/" + id + "/uploaded-image/0?ca=vector_ads&cn=uploads&sync=0&v=beta",
	}}, nil
}

// put takes the bytes of a picture.
func (p *Platform) put(w http.ResponseWriter, r *http.Request, body []byte) {
	x := p.images["urn:li:image:"+strings.Split(r.URL.Path, "/")[2]]
	kind := http.DetectContentType(body)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+Token:
		w.WriteHeader(http.StatusUnauthorized)
	case x == nil || r.Method != http.MethodPut || len(body) > mostBytes || !slices.Contains([]string{"image/jpeg", "image/png", "image/gif"}, kind):
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": 400, "message": "The picture is not taken"})
	default:
		x.kind, x.data = kind, body
		p.journal = append(p.journal, fmt.Sprintf("PUT %s, %d bytes", kind, len(body)))
		w.WriteHeader(http.StatusCreated)
	}
}

func (p *Platform) look(urn string) (int, any, *failure) {
	x := p.images[urn]
	if f := p.denied(!p.set.Read); f != nil {
		return 0, nil, f
	}
	if x == nil {
		return 0, nil, &failure{status: http.StatusNotFound, code: "NOT_FOUND", message: "Could not find entity"}
	}
	status := "AVAILABLE"
	switch {
	case x.data == nil:
		status = "WAITING_UPLOAD"
	case p.set.Broken:
		status = "PROCESSING_FAILED"
	case x.looks < p.set.Slow:
		x.looks++
		status = "PROCESSING"
	}
	return http.StatusOK, map[string]any{"id": urn, "owner": author, "status": status}, nil
}
