// Package linkedintest is a simulated LinkedIn with one organization page: the calls of its Posts and Images APIs that a
// channel which posts can meet, with their headers, limits, little text, rule of duplicates and forms of error.
package linkedintest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated page is made of.
const (
	Organization = "104242424"
	Token        = "AQXSimulated-LinkedIn_Token"
	pageName     = "Simulated Meetup"
	author       = "urn:li:organization:" + Organization
)

// Settings is what the page's people or LinkedIn could change.
type Settings struct {
	Oldest    string // version that is served; older ones are dead
	Write     bool   // the token has w_organization_social
	Read      bool   // the token has r_organization_social
	Admin     bool   // the token has rw_organization_admin
	Role      string // of the person who made the token
	Dead      bool   // the token has ended
	Left      int    // calls that LinkedIn still takes today; negative: as many as one likes
	Slow      int    // how often a picture is not ready yet
	Broken    bool   // no picture can be read
	Nameless, // a refused duplicate does not name the other post
	Plain bool // texts are given back without backslashes
	PageSize int // most posts in a list; 0: as asked for
}

// Platform is one simulated LinkedIn. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu      sync.Mutex
	set     Settings
	posts   []*post // oldest first
	images  map[string]*image
	journal []string
	last    int64
	tags    int
}

type post struct {
	urn, commentary, raw string
	content              content
	at, changed          time.Time
	edited               int
	deleted              bool
}

type image struct {
	kind  string
	data  []byte
	looks int
}

var _ sim.Platform = (*Platform)(nil)

// New opens a page whose token may do everything.
func New() *Platform {
	p := &Platform{
		set: Settings{Oldest: "202511", Write: true, Read: true, Admin: true, Role: "ADMINISTRATOR", Left: -1}, images: map[string]*image{}, last: 7_100_000_000_000_000_000,
	}
	p.server = httptest.NewServer(p.script.Wrap(http.HandlerFunc(p.serve)))
	return p
}

// Script is how it misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends it. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ is the configuration of a channel that posts here.
func (p *Platform) Environ() map[string]string {
	return map[string]string{
		"ORGANIZATION": Organization, "TOKEN": Token, "TOKEN_EXPIRES": time.Now().AddDate(0, 0, 50).Format(time.DateOnly), "API": p.server.URL + "/rest",
	}
}

// Change lets somebody change the settings.
func (p *Platform) Change(f func(*Settings)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.set)
}

// Say lets the page's people publish a post by hand, at a time. It returns the post's name.
func (p *Platform) Say(text string, at time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := &post{urn: p.number("share"), commentary: text, at: at, changed: at}
	p.posts = append(p.posts, x)
	return x.urn
}

// Mentions is how many people or pages the posts have mentioned.
func (p *Platform) Mentions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tags
}

// Journal is every call that was authorized, without the token, oldest first.
func (p *Platform) Journal() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.journal)
}

func (p *Platform) number(kind string) string {
	p.last++
	return fmt.Sprintf("urn:li:%s:%d", kind, p.last)
}

// failure is an error as LinkedIn tells it.
type failure struct {
	status  int
	code    string
	message string
	details map[string]any
}

func invalid(message string) *failure {
	return &failure{status: http.StatusBadRequest, code: "ILLEGAL_ARGUMENT", message: message}
}

// call is one request, read.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte
}

// decode reads the body into v and refuses fields that LinkedIn does not know.
func (c call) decode(v any) *failure {
	if t := c.header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		return &failure{status: http.StatusUnsupportedMediaType, message: "Content-Type [" + t + "] is not supported"}
	}
	d := json.NewDecoder(strings.NewReader(string(c.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil || d.More() {
		return invalid(fmt.Sprint("Unpermitted fields or syntax exception: ", err))
	}
	return nil
}

// raw is a JSON body as a person reads it.
func raw(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return fmt.Sprintf("%d bytes", len(body))
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
	return strings.TrimSpace(b.String())
}

func (p *Platform) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 12<<20))
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("x-li-uuid", fmt.Sprintf("AAY%dsimulated==", len(p.journal)))
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/rest")
	if strings.HasPrefix(r.URL.Path, "/dms-uploads/") {
		p.put(w, r, body)
		return
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<html><body>Not Found</body></html>")
		return
	}
	c := call{r.Method, path, r.URL.Query(), r.Header, body}
	f := p.admitted(c)
	var status int
	var out any
	if f == nil {
		line := r.Method + " " + path
		if r.URL.RawQuery != "" {
			line += "?" + r.URL.RawQuery
		}
		if m := r.Header.Get("X-RestLi-Method"); m != "" {
			line += " (" + m + ")"
		}
		if len(body) > 0 {
			line += " " + raw(body)
		}
		p.journal = append(p.journal, line)
		status, out, f = p.route(w, c)
	}
	if f != nil {
		status = f.status
		e := map[string]any{"status": f.status, "message": f.message}
		if f.code != "" {
			e["code"] = f.code
		}
		if f.details != nil {
			e["errorDetails"] = f.details
		}
		out = e
	}
	if out == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// admitted checks the token, the version, the protocol and the day's calls.
func (p *Platform) admitted(c call) *failure {
	version := c.header.Get("LinkedIn-Version")
	switch {
	case c.header.Get("Authorization") != "Bearer "+Token:
		return &failure{status: http.StatusUnauthorized, code: "INVALID_ACCESS_TOKEN", message: "Invalid access token"}
	case p.set.Dead:
		return &failure{status: http.StatusUnauthorized, code: "EXPIRED_ACCESS_TOKEN", message: "The token used in the request has expired"}
	case version == "":
		return &failure{status: http.StatusBadRequest, code: "VERSION_MISSING", message: "A version must be present. Please specify a version by adding the LinkedIn-Version header."}
	case version < p.set.Oldest:
		return &failure{status: http.StatusUpgradeRequired, code: "NONEXISTENT_VERSION", message: "Requested version " + version + " is not active"}
	case c.header.Get("X-Restli-Protocol-Version") != "2.0.0":
		return invalid("Invalid Rest.li protocol version")
	case p.set.Left == 0:
		return &failure{status: http.StatusTooManyRequests, code: "TOO_MANY_REQUESTS", message: "Resource level throttle APPLICATION_AND_MEMBER DAY limit for calls to this resource is reached."}
	}
	if p.set.Left > 0 {
		p.set.Left--
	}
	return nil
}

func (p *Platform) route(w http.ResponseWriter, c call) (int, any, *failure) {
	id, err := url.PathUnescape(c.path[strings.LastIndex(c.path, "/")+1:])
	if err != nil || strings.Contains(c.path, ":") { // a name in a path is escaped
		return 0, nil, invalid("Invalid path")
	}
	finder := c.header.Get("X-RestLi-Method") == "FINDER"
	switch one := strings.HasPrefix(id, "urn:li:"); {
	case c.path == "/posts" && c.method == http.MethodPost:
		return p.create(w, c)
	case c.path == "/posts" && c.method == http.MethodGet && finder:
		return p.list(c)
	case strings.HasPrefix(c.path, "/posts/") && one:
		return p.one(c, id)
	case c.path == "/images" && c.method == http.MethodPost:
		return p.initialize(c)
	case strings.HasPrefix(c.path, "/images/") && one && c.method == http.MethodGet:
		return p.look(id)
	case c.path == "/organizations/"+Organization && c.method == http.MethodGet:
		return http.StatusOK, map[string]any{"id": 104242424, "localizedName": pageName}, p.denied(!p.set.Admin)
	case c.path == "/organizationAcls" && c.method == http.MethodGet && finder:
		role := map[string]string{"role": p.set.Role, "state": "APPROVED", "organization": author, "roleAssignee": "urn:li:person:simulated"}
		return http.StatusOK, map[string]any{"elements": []any{role}}, p.denied(!p.set.Admin)
	}
	return 0, nil, &failure{status: http.StatusNotFound, code: "RESOURCE_NOT_FOUND", message: "No virtual resource found"}
}

// denied is LinkedIn's refusal of what the token may not do.
func (p *Platform) denied(it bool) *failure {
	if !it {
		return nil
	}
	return &failure{status: http.StatusForbidden, code: "ACCESS_DENIED", message: "Not enough permissions to access: partnerApiPosts.20260701"}
}

func (p *Platform) mayWrite() *failure {
	return p.denied(!p.set.Write || !slices.Contains([]string{"ADMINISTRATOR", "CONTENT_ADMIN", "DIRECT_SPONSORED_CONTENT_POSTER"}, p.set.Role))
}
