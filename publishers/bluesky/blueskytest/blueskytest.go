// Package blueskytest is a simulated Bluesky: an entryway where accounts sign in, and apart from it the server (PDS) that
// keeps the one account, with the AT Protocol's names of errors, strict records and dropped uploads.
package blueskytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// The account that posts, and another one that can be mentioned.
const (
	Handle   = "rencontre.test"
	Password = "simu-late-dapp-pass"
	Friend   = "club.example.test"
	did      = "did:plc:simulated22rencontre2222"
	friend   = "did:plc:simulated2222222club2222"
	display  = "Rencontre simulée"
)

// Server is what an administrator, or the owner of the account, could change.
type Server struct {
	Password string        // of the app; the account's own is "own-" before it
	Status   string        // of an account that is not active: takendown, suspended, deactivated
	Life     time.Duration // of an access token
	Factor   bool          // the account's own password needs a code by mail
	Limits   bool          // counts points as Bluesky does
	Points   int           // granted in an hour
	Handle   string        // what the account is called; handle.invalid when its name leads nowhere
	Homeless bool          // the account's document is not told at signing in
}

// Platform is one simulated Bluesky with one account. Safe for concurrent use.
type Platform struct {
	script          sim.Script
	entry, pds      *httptest.Server
	mu              sync.Mutex
	host            Server
	serial          int
	access, refresh map[string]time.Time // tokens and their ends
	used            int
	resets          time.Time
	records         []*post
	blobs           map[string]*upload
	pings           int
	signed          int
}

var _ sim.Platform = (*Platform)(nil)

// New opens a Bluesky where all is well.
func New() *Platform {
	p := &Platform{
		host:   Server{Password: Password, Life: 2 * time.Hour, Points: 5000, Handle: Handle},
		access: map[string]time.Time{}, refresh: map[string]time.Time{}, blobs: map[string]*upload{},
	}
	p.entry = httptest.NewServer(p.script.Wrap(p.handler("com.atproto.server.createSession", "com.atproto.server.refreshSession")))
	p.pds = httptest.NewServer(p.script.Wrap(p.handler()))
	return p
}

// Script is how both servers misbehave next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends it. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.entry.Close()
	p.pds.Close()
}

// Environ configures the account.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"HANDLE": Handle, "APP_PASSWORD": Password, "API": p.entry.URL}
}

// Change lets the administrator change the server.
func (p *Platform) Change(f func(*Server)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.host)
}

// Expire ends every access token, and every refresh token when all is true.
func (p *Platform) Expire(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := range p.access {
		p.access[t] = time.Now()
	}
	if all {
		clear(p.refresh)
	}
}

// Signed is how often the account has signed in with its password.
func (p *Platform) Signed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signed
}

// Pings is how many accounts were told that a post mentions them.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

type answer struct {
	code int
	body any
}

func refusal(code int, name, message string) answer {
	return answer{code, map[string]string{"error": name, "message": message}}
}

func fine(body any) answer { return answer{http.StatusOK, body} }

type method struct {
	verb   string
	signed bool
	points int
	run    func(*http.Request, []byte) answer
}

func (p *Platform) methods() map[string]method {
	return map[string]method{
		"com.atproto.server.createSession":   {http.MethodPost, false, 0, p.createSession},
		"com.atproto.server.refreshSession":  {http.MethodPost, false, 0, p.refreshSession},
		"com.atproto.server.getSession":      {http.MethodGet, true, 0, p.getSession},
		"com.atproto.identity.resolveHandle": {http.MethodGet, false, 0, p.resolveHandle},
		"com.atproto.repo.uploadBlob":        {http.MethodPost, true, 0, p.uploadBlob},
		"com.atproto.repo.putRecord":         {http.MethodPost, true, 3, p.putRecord},
		"com.atproto.repo.getRecord":         {http.MethodGet, false, 0, p.getRecord},
		"com.atproto.repo.deleteRecord":      {http.MethodPost, true, 1, p.deleteRecord},
	}
}

// handler serves the named methods, or all.
func (p *Platform) handler(only ...string) http.Handler {
	all := p.methods()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/xrpc/")
		m, ok := all[name]
		body, err := readAll(r)
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case err != nil:
			return
		case !ok || len(only) > 0 && !slices.Contains(only, name):
			write(w, refusal(http.StatusNotFound, "XRPCNotSupported", "XRPCNotSupported"))
		case r.Method != m.verb:
			write(w, refusal(http.StatusMethodNotAllowed, "InvalidRequest", "Incorrect HTTP method ("+r.Method+") expected "+m.verb))
		default:
			if m.signed {
				if refused, bad := p.authorize(r); bad {
					write(w, refused)
					return
				}
			}
			if !p.granted(w, m.points) {
				write(w, refusal(http.StatusTooManyRequests, "RateLimitExceeded", "Rate Limit Exceeded"))
				return
			}
			write(w, m.run(r, body))
		}
	})
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.code)
	if a.body == nil {
		return
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(a.body)
}

// granted counts points and tells in the header what is left.
func (p *Platform) granted(w http.ResponseWriter, points int) bool {
	if points == 0 {
		return true
	}
	now := time.Now()
	if !now.Before(p.resets) {
		p.resets, p.used = now.Add(time.Hour), 0
	}
	if p.used += points; !p.host.Limits {
		p.used = min(p.used, p.host.Points)
	}
	w.Header().Set("RateLimit-Limit", strconv.Itoa(p.host.Points))
	w.Header().Set("RateLimit-Remaining", strconv.Itoa(max(0, p.host.Points-p.used)))
	w.Header().Set("RateLimit-Reset", strconv.FormatInt(p.resets.Unix(), 10))
	w.Header().Set("RateLimit-Policy", strconv.Itoa(p.host.Points)+";w=3600")
	return p.used <= p.host.Points
}

// authorize judges the access token as the PDS does: a bad one is a 400.
func (p *Platform) authorize(r *http.Request) (answer, bool) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	end, known := p.access[token]
	switch {
	case !bearer:
		return refusal(http.StatusUnauthorized, "AuthMissing", "Authentication Required"), true
	case !known:
		return refusal(http.StatusBadRequest, "InvalidToken", "Token could not be verified"), true
	case !time.Now().Before(end):
		return refusal(http.StatusBadRequest, "ExpiredToken", "Token has expired"), true
	case p.host.Status == "takendown":
		return refusal(http.StatusUnauthorized, "AccountTakedown", "Account has been taken down"), true
	case p.host.Status == "deactivated" && r.Method == http.MethodPost:
		return refusal(http.StatusUnauthorized, "AccountDeactivated", "Account is deactivated"), true
	}
	return answer{}, false
}

// token makes one in the form of a JSON Web Token.
func (p *Platform) token(scope string, life time.Duration) string {
	p.serial++
	now := time.Now()
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(map[string]string{"typ": "at+jwt", "alg": "HS256"}) + "." + part(map[string]any{
		"scope": scope, "sub": did, "iat": now.Unix(), "exp": now.Add(life).Unix(), "jti": p.serial,
	}) + "." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "simulated-signature-%06d", p.serial))
}

func (p *Platform) session(scope string) answer {
	access, refresh := p.token(scope, p.host.Life), p.token("com.atproto.refresh", 90*24*time.Hour)
	p.access[access], p.refresh[refresh] = time.Now().Add(p.host.Life), time.Now().Add(90*24*time.Hour)
	a := map[string]any{"accessJwt": access, "refreshJwt": refresh, "did": did, "handle": p.host.Handle, "active": p.host.Status == "", "didDoc": p.document()}
	if p.host.Homeless {
		delete(a, "didDoc")
	}
	return fine(a)
}

func (p *Platform) document() any {
	return map[string]any{
		"@context": []string{"https://www.w3.org/ns/did/v1"}, "id": did, "alsoKnownAs": []string{"at://" + Handle},
		"service": []any{map[string]any{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": p.pds.URL}},
	}
}

func (p *Platform) createSession(_ *http.Request, body []byte) answer {
	var in struct {
		Identifier string `json:"identifier"`
		Password   string `json:"password"`
	}
	if json.Unmarshal(body, &in) != nil || in.Identifier == "" || in.Password == "" {
		return refusal(http.StatusBadRequest, "InvalidRequest", "Input must have the property \"identifier\"")
	}
	scope := "com.atproto.appPass"
	own := in.Password == "own-"+p.host.Password
	switch {
	case in.Identifier != Handle && in.Identifier != did || in.Password != p.host.Password && !own:
		return refusal(http.StatusUnauthorized, "AuthenticationRequired", "Invalid identifier or password")
	case p.host.Status == "takendown":
		return refusal(http.StatusUnauthorized, "AccountTakedown", "Account has been taken down")
	case own && p.host.Factor:
		return refusal(http.StatusUnauthorized, "AuthFactorTokenRequired", "A sign in code has been sent to your email address")
	case own:
		scope = "com.atproto.access"
	}
	p.signed++
	return p.session(scope)
}

func (p *Platform) refreshSession(r *http.Request, _ []byte) answer {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if end, known := p.refresh[token]; !known || !time.Now().Before(end) {
		return refusal(http.StatusBadRequest, "ExpiredToken", "Token has been revoked")
	}
	delete(p.refresh, token)
	return p.session("com.atproto.appPass")
}

func (p *Platform) getSession(*http.Request, []byte) answer {
	a := map[string]any{"did": did, "handle": p.host.Handle, "active": p.host.Status == "", "didDoc": p.document()}
	if p.host.Status != "" {
		a["status"] = p.host.Status
	}
	return fine(a)
}

func (p *Platform) resolveHandle(r *http.Request, _ []byte) answer {
	switch strings.ToLower(r.URL.Query().Get("handle")) {
	case Handle:
		return fine(map[string]string{"did": did})
	case Friend:
		return fine(map[string]string{"did": friend})
	}
	return refusal(http.StatusBadRequest, "InvalidRequest", "Unable to resolve handle")
}
