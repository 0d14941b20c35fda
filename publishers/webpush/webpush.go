// Package webpush sends notifications to the browsers of subscribers, through the push service of each browser's vendor
// (RFC 8030), encrypted so that only the browser can read them (RFC 8291), and signed with our key (RFC 8292).
package webpush

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const (
	name = "webpush"
	who  = "the push service" // its addresses are secrets: whoever knows one can send to it
)

// Config is the key that browsers subscribe with. A subscription holds for the key that it was made with, and for no other.
type Config struct {
	Key          announce.Secret `env:"KEY,notEmpty" doc:"Private key (VAPID), as crieur webpush keys makes it. Keep it: with another one every subscription is lost."`
	Contact      string          `env:"CONTACT,notEmpty" doc:"Where push services reach who sends: mailto:organisers@example.org, or an https address."`
	Keep         time.Duration   `env:"KEEP" envDefault:"72h" doc:"How long a push service keeps a notification for a device that is off, at most 672h. One of an event is kept no longer than the event lasts."`
	Services     []string        `env:"SERVICES" doc:"Hosts of push services that are heeded beside those of Google, Mozilla, Apple and Microsoft, as push.example.org."`
	AllowPrivate bool            `env:"ALLOW_PRIVATE" envDefault:"false" doc:"Push services may be on a private network or this machine, and their addresses may begin with http://."`
}

const (
	mostKeep = 28 * 24 * time.Hour // of FCM; other services keep less without a word
	nowhere  = "https://push.invalid"
)

var (
	mailto   = regexp.MustCompile(`^mailto:[^\s@<>"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
)

// New returns the publisher.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	key, err := parseKey(c.Key)
	if err != nil {
		return nil, errors.New("KEY: " + err.Error())
	}
	contact, err := url.Parse(c.Contact)
	switch {
	case err != nil, !mailto.MatchString(c.Contact) && (contact.Scheme != "https" || !strings.Contains(contact.Hostname(), ".")):
		return nil, errors.New("CONTACT: is neither mailto:name@example.org, without a blank or brackets, nor an https address: Apple refuses others")
	case c.Keep < 0, c.Keep > mostKeep:
		return nil, errors.New("KEEP: must be between 0s (devices that are on) and 672h")
	}
	for _, host := range c.Services {
		if !hostName.MatchString(host) {
			return nil, errors.New("SERVICES: holds names of hosts, as push.example.org, without https:// and in lower case")
		}
	}
	var allow []netip.Prefix
	if c.AllowPrivate {
		allow = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	client, err := rest.NewGuarded(who, nowhere, nil, allow...) // each call goes to the service of its subscription
	if err != nil {
		return nil, err
	}
	return &channel{client: client, key: key, contact: c.Contact, keep: c.Keep, services: c.Services, site: site, now: time.Now}, nil
}

// channel cannot take back: that takes the subscription, which is a person's and is not kept in receipts. It cannot look either.
type channel struct {
	client   *rest.Client
	key      *key
	contact  string
	keep     time.Duration
	services []string
	site     announce.Site
	now      func() time.Time
	tokens   tokens
}

var (
	_ announce.Amender = (*channel)(nil)
	_ announce.Checker = (*channel)(nil)
)

func (c *channel) Name() string { return name }

// Publish sends one notification to one browser. The receipt's ID is the notification's tag.
func (c *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	return c.send(ctx, m, tag(m.Key), true)
}

// Amend sends the notification again under its tag: a push service puts it in the place of one that was not delivered
// yet, and a browser in the place of the one that it shows, without another sound.
func (c *channel) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	if !topic.MatchString(r.ID) {
		r.ID = tag(m.Key)
	}
	return c.send(ctx, m, r.ID, false)
}

func (c *channel) send(ctx context.Context, m announce.Message, tag string, create bool) (announce.Receipt, error) {
	to, err := parse(m.To)
	if err != nil {
		return announce.Receipt{}, dead("the subscription is not one that can be sent to: " + err.Error())
	}
	body, err := compose(m, tag)
	if err != nil {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Field: "link", Err: err, Fault: "the links of the notification leave no room for its text: shorten them"}
	}
	sealed, err := seal(to, body)
	if err != nil {
		return announce.Receipt{}, dead("the subscription's key is not one that can be encrypted for")
	}
	server, err := c.client.At(to.origin)
	if err != nil {
		return announce.Receipt{}, dead("the subscription's address " + err.Error())
	}
	now := c.now()
	token, err := c.tokens.at(to.origin, now, func(claims claims) (string, error) { claims.Subject = c.contact; return c.key.sign(claims) })
	if err != nil {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "the notification could not be signed; this is a fault of the program", Err: err}
	}
	_, err = server.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: to.path, Raw: sealed, Type: "application/octet-stream", Create: create, Classify: classify(c.heeded(to.host)),
		Header: http.Header{
			"Content-Encoding": {"aes128gcm"}, "Authorization": {"vapid t=" + token + ", k=" + c.key.public},
			"Ttl": {strconv.Itoa(int(c.kept(m, now).Seconds()))}, "Topic": {tag}, "Urgency": {urgency(m.Kind)},
		},
	})
	switch {
	case rest.Private(err):
		return announce.Receipt{}, dead("the subscription leads to a private address, where nothing is sent")
	case err != nil:
		return announce.Receipt{}, err
	}
	return announce.Receipt{ID: tag, At: now.UTC()}, nil
}

// dead is a subscription that nothing can be sent to.
func dead(why string) *announce.Error {
	return &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Fault: why + ". It is taken off; the person can subscribe again"}
}

// kept is how long a push service shall keep m for a device that is off: not until after the event that it tells of.
func (c *channel) kept(m announce.Message, now time.Time) time.Duration {
	if m.Event == nil {
		return c.keep
	}
	if left := m.Event.Over().Sub(now); left > 0 {
		return min(c.keep, left)
	}
	return c.keep // a recap
}

// heeded reports whether what the service at host says of limits and of our key is true of every subscription. An address
// comes from a stranger: a server of theirs must not be able to stop the account, or to let it wait.
func (c *channel) heeded(host string) bool {
	known := []string{"fcm.googleapis.com", "push.services.mozilla.com", "push.apple.com", "notify.windows.com"}
	return slices.Contains(c.services, host) || slices.ContainsFunc(known, func(k string) bool { return host == k || strings.HasSuffix(host, "."+k) })
}

// Check signs as for a notification and verifies it. Push services know no accounts, so nobody is asked.
func (c *channel) Check(context.Context) (announce.Report, error) {
	r := announce.Report{Identity: "public key " + c.key.public + ", " + c.contact}
	token, err := c.key.sign(claims{Audience: nowhere, Expires: c.now().Add(tokenLife).Unix(), Subject: c.contact})
	if err != nil || !c.key.verifies(token) {
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: "nothing can be signed with KEY", Do: "make a new one: crieur webpush keys"})
	}
	if u, err := url.Parse(c.site.URL); err != nil || u.Scheme != "https" {
		r.Findings = append(r.Findings, announce.Finding{What: "browsers let people subscribe only on pages at an https address", Do: "set CRIEUR_PUBLIC_URL to one"})
	}
	return r, nil
}
