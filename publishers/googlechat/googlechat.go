// Package googlechat publishes in a Google Chat space: as a Chat app with a service account, which can also edit, delete
// and look for its messages, or through an incoming webhook, which can only post.
package googlechat

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "googlechat"

// Config is one space: CREDENTIALS and SPACE, or WEBHOOK.
type Config struct {
	Credentials announce.Secret `env:"CREDENTIALS" doc:"JSON key of the Chat app's service account. Either this with SPACE, or WEBHOOK."`
	Space       string          `env:"SPACE" doc:"Space to post in, such as spaces/AAAAxxxxxxx. Required with CREDENTIALS."`
	Webhook     announce.Secret `env:"WEBHOOK" doc:"Address of an incoming webhook, instead of CREDENTIALS. It posts, but can neither correct nor take back nor look."`
	API         string          `env:"API" envDefault:"https://chat.googleapis.com" doc:"Where the Google Chat API is. Not used with WEBHOOK."`
}

var (
	spaceName = regexp.MustCompile(`^(?:spaces/)?([-_A-Za-z0-9]{5,})$`)
	hookPath  = regexp.MustCompile(`^/v1/spaces/([-_A-Za-z0-9]+)/messages$`)
)

// New returns the publisher of a Chat app or, with less ability, of an incoming webhook.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case c.Credentials.Empty() && c.Webhook.Empty():
		return nil, errors.New("CREDENTIALS: is required, or WEBHOOK instead")
	case !c.Credentials.Empty() && !c.Webhook.Empty():
		return nil, errors.New("WEBHOOK: is set beside CREDENTIALS: give one of them")
	case !c.Webhook.Empty():
		return newWebhook(c)
	}
	space := spaceName.FindStringSubmatch(c.Space)
	if space == nil {
		return nil, errors.New("SPACE: is required with CREDENTIALS: spaces/AAAA..., as the space's address in the browser ends (chat/u/0/#chat/space/AAAA...)")
	}
	client, err := rest.New("Google Chat", c.API, nil)
	if err != nil {
		return nil, err
	}
	k, err := readKey(c.Credentials)
	if err != nil {
		return nil, fmt.Errorf("CREDENTIALS: %w", err)
	}
	return &app{client: client, space: "spaces/" + space[1], reader: markup.NewReader(), keys: k}, nil
}

// webhook posts through an incoming webhook.
type webhook struct {
	client *rest.Client
	path   string
	space  string
	query  url.Values // the secrets
	reader *markup.Reader
}

func newWebhook(c Config) (announce.Publisher, error) {
	if c.Space != "" {
		return nil, errors.New("SPACE: goes with CREDENTIALS; a webhook posts in the space it was made for")
	}
	u, err := url.Parse(c.Webhook.Reveal())
	if err != nil || u.Host == "" {
		return nil, errors.New("WEBHOOK: is not an address: copy it from the space's settings, whole")
	}
	base, query := &url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Fragment: u.Fragment}, u.Query()
	if err := rest.CheckAddress(base.String()); err != nil {
		return nil, fmt.Errorf("WEBHOOK: %w", err)
	}
	ip, space := net.ParseIP(u.Hostname()), hookPath.FindStringSubmatch(u.EscapedPath())
	switch {
	case u.Hostname() != "chat.googleapis.com" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()), space == nil:
		return nil, errors.New("WEBHOOK: is not a Google Chat webhook: it begins with https://chat.googleapis.com/v1/spaces/")
	case query.Get("key") == "" || query.Get("token") == "":
		return nil, errors.New("WEBHOOK: lacks its key or its token: copy the address whole, with all that follows the question mark")
	}
	client, err := rest.New("Google Chat", base.String(), nil)
	if err != nil {
		return nil, err
	}
	return &webhook{client, u.EscapedPath(), "spaces/" + space[1], url.Values{"key": query["key"], "token": query["token"]}, markup.NewReader()}, nil
}

func (w *webhook) Name() string { return name }

// Limits promise nothing about repeating: Google says of Chat apps that the same request makes one message, not of webhooks.
func (w *webhook) Limits() announce.Limits { return limits(w.reader) }

// Publish posts the message once.
func (w *webhook) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	q, body := create(w.reader, m)
	for k, v := range w.query {
		q[k] = v
	}
	var made made
	_, err := w.client.Do(ctx, rest.Call{Method: http.MethodPost, Path: w.path, Query: q, Body: body, Into: &made, Create: true, Classify: classify(asWebhook)})
	if taken(err) { // a message of this delivery is there
		return announce.Receipt{ID: w.space + "/messages/" + clientID(m.Key), URL: page(w.space), At: time.Now().UTC()}, nil
	}
	return made.receipt(w.space, m, err)
}

// create is a new message as a request. Those of one announcement that answer one another are in one thread.
func create(r *markup.Reader, m announce.Message) (url.Values, message) {
	q, body := identity(m), compose(r, m)
	if of := cmp.Or(m.Of, m.Announcement); of != "" { // what corrects an announcement stands in its thread
		body.Thread = &thread{string(of)}
		q.Set("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
	}
	return q, body
}

// made is what Google Chat answers to a new message.
type made struct {
	Name    string    `json:"name"`
	Client  string    `json:"clientAssignedMessageId"`
	Created time.Time `json:"createTime"`
	Deleted time.Time `json:"deleteTime"`
}

// receipt stands for the message, by the name that was chosen for it where Google Chat took that name.
func (x made) receipt(space string, m announce.Message, err error) (announce.Receipt, error) {
	if err != nil {
		return announce.Receipt{}, err
	}
	if !strings.HasPrefix(x.Name, space+"/messages/") {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Google Chat says yes without a message: look whether it is there"}
	}
	r := announce.Receipt{ID: x.Name, URL: page(space), At: x.Created}
	if x.Client == clientID(m.Key) {
		r.ID = space + "/messages/" + x.Client
	}
	return r, nil
}

// page is where people see the space.
func page(space string) string {
	return "https://chat.google.com/room/" + strings.TrimPrefix(space, "spaces/")
}

// identity marks a request, so that Google Chat recognises a repeat: by the request's ID, and by the message's own.
func identity(m announce.Message) url.Values {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", m.Key, m.Rev))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of version 8
	h := hex.EncodeToString(sum[:16])
	return url.Values{"requestId": {h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]}, "messageId": {clientID(m.Key)}}
}

var plainKey = regexp.MustCompile(`^[a-z0-9-]{1,56}$`)

// clientID names a message for ever: at most 63 lower-case letters, digits and hyphens.
func clientID(key string) string {
	if !plainKey.MatchString(key) {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:20])
	}
	return "client-" + key
}
