// Package rest calls JSON APIs for the channels: one call, one answer, one classified error. It never repeats a call,
// follows no redirect, and lets no address or secret into an error's text.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/fetch"
)

// Client calls one platform. Safe for concurrent use.
type Client struct {
	who   string
	base  string
	auth  func(*http.Request)
	via   http.RoundTripper
	plain bool // its servers may speak plain http: guarded, with an allow
}

// Call is one request. Body (encoded as JSON) and Raw (sent as it is, with Type) exclude each other.
type Call struct {
	Method   string
	Path     string // after the base, escaped, beginning with "/" unless empty
	Query    url.Values
	Header   http.Header
	Body     any
	Raw      []byte
	Type     string     // media type of Raw
	Into     any        // where a 2xx answer is decoded; nil: the answer's text does not matter
	Sink     io.Writer  // where the body of a 2xx answer goes as it comes, however long; Response.Body then stays empty
	Create   bool       // makes something that readers see: when nobody can tell how it ended, it is Ambiguous rather than Temporary
	Classify Classifier // the platform's own rules; nil: by status
}

// Classifier reads a complete answer, whatever its status, by the platform's own rules. Nil leaves the verdict to the
// status. After a cut answer it sees what came, and only when the status is no success.
type Classifier func(status int, header http.Header, body []byte) *announce.Error

// Response is a complete answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// New returns a client for the API at base, which must be https unless its host is this machine. who is the platform's
// name in faults. auth, when not nil, signs each request.
func New(who, base string, auth func(*http.Request)) (*Client, error) {
	if err := CheckAddress(base); err != nil {
		return nil, fmt.Errorf("API: %w", err)
	}
	return &Client{who: who, base: strings.TrimRight(base, "/"), auth: auth, via: newTransport(nil)}, nil
}

// NewGuarded is New for a server of which only its address is known: wherever its name leads, nothing is sent but to public
// addresses and those within allow. Plain http, to this machine too, needs an allow.
func NewGuarded(who, base string, auth func(*http.Request), allow ...netip.Prefix) (*Client, error) {
	c := &Client{who: who, auth: auth, via: newTransport(fetch.Guard(allow...)), plain: len(allow) > 0}
	return c.At(base)
}

// At returns the client for another server: by the same rules, over the same connections. Plain http needs a guarded client
// with an allow.
func (c *Client) At(base string) (*Client, error) {
	u, err := plain(base)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme == "http" && !c.plain:
		return nil, errors.New("must begin with https://")
	}
	d := *c
	d.base = strings.TrimRight(base, "/")
	return &d, nil
}

// Private reports whether a call of a guarded client was not made because its server is at a private address.
func Private(err error) bool {
	var e *fetch.Error
	return errors.As(err, &e) && e.Reason == fetch.Private
}

// Through returns a client whose requests pass through wrap on their way out: for signatures that a vendor's library makes.
func (c *Client) Through(wrap func(http.RoundTripper) http.RoundTripper) *Client {
	d := *c
	d.via = wrap(c.via)
	return &d
}

// Base is the API's address without a final slash.
func (c *Client) Base() string { return c.base }

// HTTP is a client for a vendor's library. Its answers come whole or with an error, and are noted in the Exchange of
// the request's context (see Watch). It neither follows redirects nor signs.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: c.via, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Do makes one call. Every error is an *announce.Error.
func (c *Client) Do(ctx context.Context, call Call) (*Response, error) {
	ctx, x := Watch(ctx)
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, &announce.Error{Outcome: announce.Permanent, Fault: c.who + ": the request could not be composed; this is a fault of the program", Err: err}
	}
	x.sink = call.Sink
	res, err := c.via.RoundTrip(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if err := c.Judge(x, err, call.Create, call.Classify); err != nil {
		return nil, err
	}
	if call.Into != nil {
		if err := json.Unmarshal(x.body, call.Into); err != nil {
			return nil, c.Judge(x, err, call.Create, nil)
		}
	}
	return &Response{Status: x.status, Header: x.header, Body: x.body}, nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	address := c.base + call.Path
	if len(call.Query) > 0 {
		address += "?" + call.Query.Encode()
	}
	body, media := call.Raw, call.Type
	if call.Body != nil {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(call.Body); err != nil {
			return nil, err
		}
		body, media = bytes.TrimSuffix(b.Bytes(), []byte("\n")), "application/json; charset=utf-8"
	}
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, address, r)
	if err != nil {
		return nil, bare(err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	req.Header.Set("Accept", "application/json")
	for k, v := range call.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if c.auth != nil {
		c.auth(req)
	}
	return req, nil
}

// CheckAddress refuses what is no base address of an API: anything but https (http on this machine), or with a user,
// a query or a fragment. The error does not quote the address, which may be a secret.
func CheckAddress(raw string) error {
	u, err := plain(raw)
	switch {
	case err != nil:
		return err
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("must begin with https://; plain http is for this machine only")
	}
	return nil
}

// plain reads an address without user, query and fragment.
func plain(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is not an address: write https://host/path")
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.ForceQuery:
		return nil, errors.New("must be a plain address, without user, query or fragment")
	}
	return u, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// bare takes the address out of an error of net/http.
func bare(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}
