// Package facebooktest is a simulated Facebook with one Page: the calls of the Graph API that a channel which posts can
// meet, with their signature, limits, rule of duplicates, forms of error and rewritten texts.
package facebooktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated Page is made of.
const (
	Page      = "104242424242424"
	Token     = "EAASimulatedPageToken0ZD"
	AppSecret = "5imu1atedappsecret0123456789abcd"
	pageName  = "Simulated Meetup"
	newest    = "v26.0"
)

// Settings is what the Page's people or Facebook could change.
type Settings struct {
	Scopes   []string
	Type     string    // of the token: PAGE, USER
	Profile  string    // the Page that the token belongs to
	Expires  time.Time // of the token; zero: never
	Dead     bool      // the token was revoked
	Mute     bool      // Facebook does not tell this token about itself
	Hidden   bool      // the Page is not published
	Used     int       // percent of the granted calls; from 100 on every call is refused
	Regain   int       // minutes until calls are taken again
	Oldest   string    // version that answers for those that have ended; empty: none has
	Foreign  bool      // posts were made by another app: they can be read, not changed
	PageSize int       // most posts in a list; 0: as asked for
}

// Platform is one simulated Facebook. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu      sync.Mutex
	set     Settings
	posts   []*post  // oldest first
	photos  []*photo // uploaded and not published
	journal []string
	last    int64
	tags    int
}

type post struct {
	id, message, link, raw string
	photos                 []*photo
	at                     time.Time
	edited                 int
	deleted                bool
}

type photo struct {
	id, kind, alt string
	data          []byte
	used          bool
}

var _ sim.Platform = (*Platform)(nil)

// New opens a Page whose token may do everything and does not end.
func New() *Platform {
	p := &Platform{set: Settings{Scopes: []string{"pages_show_list", "pages_read_engagement", "pages_manage_posts"}, Type: "PAGE", Profile: Page}, last: 1000}
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
	return map[string]string{"PAGE": Page, "TOKEN": Token, "APP_SECRET": AppSecret, "API": p.server.URL}
}

// Change lets somebody change the settings.
func (p *Platform) Change(f func(*Settings)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.set)
}

// Say lets the Page's people publish a post by hand, at a time.
func (p *Platform) Say(message string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.posts = append(p.posts, &post{id: p.number(), message: message, at: at})
}

// Mentions is how many Pages or people the posts have mentioned.
func (p *Platform) Mentions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tags
}

// Journal is every call that was signed, without its signature, oldest first.
func (p *Platform) Journal() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.journal)
}

func (p *Platform) number() string {
	p.last++
	return fmt.Sprintf("%s_%d", Page, p.last)
}

// failure is an error as the Graph API tells it.
type failure struct {
	status, code, sub int
	message           string
}

func fail(code, sub int, message string) *failure {
	return &failure{http.StatusBadRequest, code, sub, fmt.Sprintf("(#%d) %s", code, message)}
}

func (p *Platform) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	version, path, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !ok || !strings.HasPrefix(version, "v") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if p.set.Oldest != "" && version < p.set.Oldest {
		version = p.set.Oldest
	}
	w.Header().Set("facebook-api-version", version)
	a, f := read(r)
	if f == nil {
		f = p.signed(r, a)
	}
	w.Header().Set("X-Business-Use-Case-Usage", fmt.Sprintf(`{"%s":[{"type":"pages","call_count":%d,"total_cputime":1,"total_time":2,"estimated_time_to_regain_access":%d}]}`, Page, p.set.Used, p.set.Regain))
	if f == nil && p.set.Used >= 100 {
		f = fail(32, 0, "Page request limit reached")
	}
	var out any
	if f == nil {
		p.note(r, path, a)
		out, f = p.route(r.Method, path, a)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if f != nil {
		trace := fmt.Sprintf("Asimulated%d", len(p.journal))
		e := map[string]any{"message": f.message, "type": "OAuthException", "code": f.code, "fbtrace_id": trace}
		if f.sub != 0 {
			e["error_subcode"] = f.sub
		}
		w.WriteHeader(f.status)
		out = map[string]any{"error": e}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// signed checks the token and the proof that the app's secret is known.
func (p *Platform) signed(r *http.Request, a arguments) *failure {
	mac := hmac.New(sha256.New, []byte(AppSecret))
	mac.Write([]byte(Token))
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case a.fields["access_token"] != "" || strings.Contains(r.URL.RawQuery, Token):
		return fail(100, 0, "this platform takes no token in an address")
	case !bearer:
		return fail(2500, 0, "An active access token must be used to query information about the current user.")
	case p.set.Dead:
		return &failure{http.StatusBadRequest, 190, 460, "Error validating access token: The session has been invalidated because the user changed their password."}
	case token != Token:
		return &failure{http.StatusUnauthorized, 190, 0, "Malformed access token " + token}
	case a.fields["appsecret_proof"] == "":
		return fail(100, 0, "API calls from the server require an appsecret_proof argument")
	case a.fields["appsecret_proof"] != hex.EncodeToString(mac.Sum(nil)):
		return fail(100, 0, "Invalid appsecret_proof provided in the API argument")
	}
	return nil
}

// note keeps a call for Journal.
func (p *Platform) note(r *http.Request, path string, a arguments) {
	p.journal = append(p.journal, r.Method+" /"+path+" "+a.raw())
}

func (p *Platform) route(method, path string, a arguments) (any, *failure) {
	switch {
	case method == http.MethodPost && path == Page+"/feed":
		return p.feed(a)
	case method == http.MethodPost && path == Page+"/photos":
		return p.upload(a)
	case method == http.MethodGet && path == Page+"/published_posts":
		return p.list(a)
	case method == http.MethodGet && path == Page:
		return map[string]any{"id": Page, "name": pageName, "is_published": !p.set.Hidden}, a.only("fields")
	case method == http.MethodPost && path == "":
		return p.batch(a)
	case strings.HasSuffix(path, "/feed"), strings.HasSuffix(path, "/photos"), strings.HasSuffix(path, "/published_posts"):
		_, f := p.find("", strings.ToLower(method))
		return nil, f
	case strings.Contains(path, "/"):
		return nil, fail(2500, 0, "Unknown path components: /"+path)
	case method == http.MethodGet:
		return p.show(path, a)
	case method == http.MethodPost:
		return p.edit(path, a)
	case method == http.MethodDelete:
		return p.remove(path, a)
	}
	return nil, fail(100, 0, "Unsupported request method")
}

func (p *Platform) may(scope string) *failure {
	if slices.Contains(p.set.Scopes, scope) && p.set.Type == "PAGE" && p.set.Profile == Page {
		return nil
	}
	return &failure{http.StatusForbidden, 200, 0, "(#200) If posting to a page, requires both pages_read_engagement and pages_manage_posts as an admin with sufficient administrative permission"}
}
