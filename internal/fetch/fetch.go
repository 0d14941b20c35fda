// Package fetch is the only client for addresses that a user gave. It reaches public addresses alone, whatever a name
// resolves to, and takes no more than it was asked for.
package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Reason is why nothing was fetched.
type Reason string

// The reasons. After Timeout and Unavailable another try may help.
const (
	Address     Reason = "address"      // not a web address
	Private     Reason = "private"      // the address, or one that it redirects to, is not public
	NotFound    Reason = "not found"    // 404 or 410
	TooLarge    Reason = "too large"    // more than was asked for
	WrongType   Reason = "wrong type"   // none of the media types that were asked for
	Timeout     Reason = "timeout"      // no complete answer in time
	Unavailable Reason = "unavailable"  // no connection, or another answer than 200
	Redirected  Reason = "redirections" // more than three
)

// Error says why nothing was fetched. Its text goes after the name of what was to be fetched; it names no address.
type Error struct {
	Reason Reason
	cause  error // of a context
}

func refuse(r Reason) error { return &Error{Reason: r} }

func (e *Error) Error() string {
	switch e.Reason {
	case Address:
		return "is not a web address: write https://example.org/page, without user name or password"
	case Private:
		return "leads to a private address, which is not fetched: give one that can be reached from everywhere"
	case NotFound:
		return "is not there: its server knows no such page"
	case TooLarge:
		return "is too large"
	case WrongType:
		return "is not of a type that can be used here"
	case Timeout:
		return "took too long to answer"
	case Redirected:
		return "is redirected again and again: give the address where it ends"
	}
	return "could not be fetched: its server cannot be reached, or refuses"
}

// Unwrap is context.Canceled or context.DeadlineExceeded, when that is why.
func (e *Error) Unwrap() error { return e.cause }

// Options are what a Client keeps to.
type Options struct {
	Allow   []netip.Prefix // reached although they are not public
	Timeout time.Duration  // for all of a Get; zero: 15 seconds
}

// Client fetches from public addresses. Safe for concurrent use.
type Client struct {
	http    *http.Client
	timeout time.Duration
}

const (
	usualTimeout  = 15 * time.Second
	mostRedirects = 3
	mostHeader    = 64 << 10
)

// New returns a client that takes no proxy from the environment, keeps no cookie and no connection.
func New(o Options) *Client { return build(o, nil) }

// build resolves names with names; nil: as the system does.
func build(o Options, names *net.Resolver) *Client {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: Guard(o.Allow...), Resolver: names}
	c := &Client{timeout: o.Timeout, http: &http.Client{
		Transport: &http.Transport{
			DialContext:            d.DialContext,
			DisableKeepAlives:      true,
			TLSHandshakeTimeout:    10 * time.Second,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			MaxResponseHeaderBytes: mostHeader,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			r.Header.Del("Referer") // the address that was given may be a secret between its server and the author
			switch {
			case len(via) > mostRedirects:
				return refuse(Redirected)
			case !usable(r.URL):
				return refuse(Address)
			}
			return nil
		},
	}}
	if c.timeout <= 0 {
		c.timeout = usualTimeout
	}
	return c
}

func usable(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}

// Get returns what is at an address, and its media type in lower case without parameters. It reads at most most bytes,
// and when types are given takes only these. Every error is an *Error. Nothing but the address is sent.
func (c *Client) Get(ctx context.Context, address string, most int64, types ...string) (body []byte, mediaType string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.ask(ctx, address, types)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, "", refused(res)
	}
	mediaType, _, err = mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		mediaType = ""
	}
	if len(types) > 0 && !slices.Contains(types, mediaType) {
		return nil, "", refuse(WrongType)
	}
	if res.ContentLength > most {
		return nil, "", refuse(TooLarge)
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, most+1))
	if int64(len(body)) > most {
		return nil, "", refuse(TooLarge)
	}
	if err != nil {
		return nil, "", explain(ctx, err)
	}
	return body, mediaType, nil
}

// Answers tells whether a page can be read at an address, whatever it is: an answer below 400, after redirections. Every
// error is an *Error. Nothing but the address is sent.
func (c *Client) Answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.ask(ctx, address, nil)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return refused(res)
	}
	return nil
}

// ask sends a GET: servers that answer readers well refuse HEAD.
func (c *Client) ask(ctx context.Context, address string, types []string) (*http.Response, error) {
	u, err := url.Parse(address)
	if err != nil || !usable(u) {
		return nil, refuse(Address)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, refuse(Address)
	}
	req.Header.Set("User-Agent", "crieur")
	if len(types) > 0 {
		req.Header.Set("Accept", strings.Join(types, ", "))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, explain(ctx, err)
	}
	return res, nil
}

// refused is why an answer has nothing to read.
func refused(res *http.Response) error {
	if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone {
		return refuse(NotFound)
	}
	return refuse(Unavailable)
}

// explain keeps of an error of net/http what a person may see.
func explain(ctx context.Context, err error) error {
	var known *Error
	var slow net.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(ctx.Err(), context.Canceled):
		return &Error{Reason: Unavailable, cause: context.Canceled}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Reason: Timeout, cause: context.DeadlineExceeded}
	case errors.As(err, &slow) && slow.Timeout():
		return refuse(Timeout)
	}
	return refuse(Unavailable)
}
