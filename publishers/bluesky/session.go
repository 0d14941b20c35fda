package bluesky

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// session is a signed-in account. It does not change.
type session struct {
	did, handle     string
	access, refresh string
	scope           string
	until           time.Time // from then on the access token is renewed before it is used
	server          *rest.Client
}

// receipt names a post with its version, as answers to it must.
func (s *session) receipt(k kept, created string) announce.Receipt {
	at, _ := time.Parse(time.RFC3339, created)
	who := s.handle
	if !handleForm.MatchString(who) || strings.HasSuffix(who, ".invalid") {
		who = s.did
	}
	return announce.Receipt{ID: k.URI + " " + k.CID, URL: "https://bsky.app/profile/" + who + "/post/" + k.URI[strings.LastIndexByte(k.URI, '/')+1:], At: at.UTC()}
}

var postAddress = regexp.MustCompile(`^/profile/([^/]+)/post/([2-7a-z]{13})/?$`)

// key is the name of the post of a receipt, which must be one of this account; empty: it is not. A person's receipt has
// only the post's address in Bluesky's own app.
func (s *session) key(r announce.Receipt) string {
	if r.ID != "" {
		uri, _, _ := strings.Cut(r.ID, " ")
		key, ok := strings.CutPrefix(uri, "at://"+s.did+"/"+collection+"/")
		if !ok {
			return ""
		}
		return key
	}
	u, err := url.Parse(strings.TrimSpace(r.URL))
	if err != nil || u.Host != "bsky.app" {
		return ""
	}
	parts := postAddress.FindStringSubmatch(u.Path)
	if parts == nil || parts[1] != s.did && !strings.EqualFold(parts[1], s.handle) {
		return ""
	}
	return parts[2]
}

// sessions keeps the one session of an account, in memory: signing in is limited to 300 times a day.
type sessions struct {
	entry    *rest.Client
	signer   func(*http.Request)
	handle   string
	password announce.Secret

	turn chan struct{} // held by who signs in

	mu      sync.Mutex
	current *session
}

func newSessions(entry *rest.Client, signer func(*http.Request), handle string, password announce.Secret) *sessions {
	return &sessions{entry: entry, signer: signer, handle: handle, password: password, turn: make(chan struct{}, 1)}
}

func (ss *sessions) peek() *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.current
}

// renewSoon is how long before its end an access token is renewed.
const renewSoon = time.Minute

// open returns a session whose access token is good: the current one, else renewed, else by signing in anew.
func (ss *sessions) open(ctx context.Context) (*session, error) {
	select {
	case ss.turn <- struct{}{}:
		defer func() { <-ss.turn }()
	case <-ctx.Done():
		return nil, &announce.Error{Outcome: announce.Temporary, Fault: "Bluesky was not asked: the call was given up while another one signed in. It will be tried again", Err: ctx.Err()}
	}
	s := ss.peek()
	if s != nil && time.Now().Before(s.until) {
		return s, nil
	}
	var next *session
	var err error
	if s != nil {
		next, err = ss.enter(ctx, "refreshSession", s.refresh, nil)
	}
	if refused := errors.Is(err, errToken); s == nil || refused {
		next, err = ss.enter(ctx, "createSession", "", map[string]string{"identifier": ss.handle, "password": ss.password.Reveal()})
	}
	if err != nil {
		return nil, err
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.current = next
	return next, nil
}

// enter asks for tokens where the account signs in.
func (ss *sessions) enter(ctx context.Context, method, token string, body any) (*session, error) {
	var a struct {
		Access   string   `json:"accessJwt"`
		Refresh  string   `json:"refreshJwt"`
		DID      string   `json:"did"`
		Handle   string   `json:"handle"`
		Document document `json:"didDoc"`
	}
	call := rest.Call{Method: http.MethodPost, Path: "/xrpc/com.atproto.server." + method, Body: body, Into: &a, Classify: refusal(entering)}
	if token != "" {
		call.Header = http.Header{"Authorization": {"Bearer " + token}}
	}
	if _, err := ss.entry.Do(ctx, call); err != nil {
		return nil, err
	}
	if a.Access == "" || !strings.HasPrefix(a.DID, "did:") {
		return nil, &announce.Error{Outcome: announce.Temporary, Fault: "Bluesky's answer to signing in cannot be understood: it will be tried again"}
	}
	server, err := ss.server(a.Document.server())
	if err != nil {
		return nil, err
	}
	s := &session{did: a.DID, handle: a.Handle, access: a.Access, refresh: a.Refresh, server: server}
	var life time.Duration
	s.scope, life = claims(a.Access)
	s.until = time.Now().Add(life - renewSoon)
	return s, nil
}

// server is the client of the server that keeps the account: the one its document names, else the one it signed in at.
func (ss *sessions) server(address string) (*rest.Client, error) {
	if address == "" || address == ss.entry.Base() {
		return ss.entry, nil
	}
	if s := ss.peek(); s != nil && s.server.Base() == address {
		return s.server, nil
	}
	client, err := rest.New(platform, address, ss.signer)
	if err != nil {
		return nil, &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: "the account's document names a server that cannot be called: correct it, then resume the account", Err: err}
	}
	return client, nil
}

// document says which server keeps an account.
type document struct {
	Service []struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Endpoint any    `json:"serviceEndpoint"`
	} `json:"service"`
}

func (d document) server() string {
	for _, s := range d.Service {
		if address, ok := s.Endpoint.(string); ok && strings.HasSuffix(s.ID, "#atproto_pds") && s.Type == "AtprotoPersonalDataServer" {
			return strings.TrimRight(address, "/")
		}
	}
	return ""
}

// usualLife is how long an access token is taken to live when it does not say.
const usualLife = 30 * time.Minute

// claims reads what an access token says of itself. Its signature is the server's business.
func claims(token string) (scope string, life time.Duration) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", usualLife
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return "", usualLife
	}
	var c struct {
		Scope   string `json:"scope"`
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
	}
	if json.Unmarshal(payload, &c) != nil || c.Expires <= c.Issued || c.Issued == 0 {
		return c.Scope, usualLife
	}
	return c.Scope, time.Duration(c.Expires-c.Issued) * time.Second // by one clock, whatever this machine's says
}

// call makes a call in a session. When the server says that its token is over, the next call renews it.
func (ss *sessions) call(ctx context.Context, s *session, call rest.Call, of purpose) (*rest.Response, error) {
	call.Header = http.Header{"Authorization": {"Bearer " + s.access}}
	call.Classify = refusal(of)
	res, err := s.server.Do(ctx, call)
	if errors.Is(err, errToken) {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		if ss.current == s {
			over := *s
			over.until = time.Time{}
			ss.current = &over
		}
	}
	return res, err
}
