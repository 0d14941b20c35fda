// Package client is the Go client of Crieur's API. The command line is built on it.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/web"
)

// Client talks to one server. Safe for concurrent use.
type Client struct {
	base  string
	token announce.Secret
	http  *http.Client
}

// New returns a client of the server at base. The transport decides how it is reached: a network, a Unix socket, or a handler in this process.
func New(base string, token announce.Secret, transport http.RoundTripper) *Client {
	return &Client{strings.TrimRight(base, "/"), token, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Problem is an error that the server explained (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		fmt.Fprintf(&b, "the server answered %d %s", p.Status, p.Title)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", strings.TrimPrefix(e.Location, "body."), e.Message)
	}
	return b.String()
}

// Submit announces something. The same key with the same draft is the same announcement; replayed tells that it was there.
func (c *Client) Submit(ctx context.Context, d announce.Draft, key string) (a web.Accepted, replayed bool, err error) {
	h := http.Header{}
	if key != "" {
		h.Set("Idempotency-Key", key)
	}
	answer, err := c.do(ctx, "POST", "/v1/announcements", h, d, &a)
	return a, answer.Get("Idempotency-Replayed") == "true", err
}

// Amend replaces revision rev of an announcement.
func (c *Client) Amend(ctx context.Context, id announce.ID, rev int, d announce.Draft) (a web.Accepted, err error) {
	_, err = c.do(ctx, "PUT", "/v1/announcements/"+url.PathEscape(string(id)), match(rev), d, &a)
	return a, err
}

// Retract takes revision rev of an announcement back.
func (c *Client) Retract(ctx context.Context, id announce.ID, rev int) error {
	_, err := c.do(ctx, "DELETE", "/v1/announcements/"+url.PathEscape(string(id)), match(rev), nil, nil)
	return err
}

// Status tells how an announcement stands.
func (c *Client) Status(ctx context.Context, id announce.ID) (s broadcast.Status, err error) {
	_, err = c.do(ctx, "GET", "/v1/announcements/"+url.PathEscape(string(id)), nil, nil, &s)
	return s, err
}

// List returns announcements older than before (empty: all), newest first.
func (c *Client) List(ctx context.Context, before announce.ID, limit int) ([]broadcast.Summary, error) {
	var out struct {
		Announcements []broadcast.Summary `json:"announcements"`
	}
	q := url.Values{"before": {string(before)}, "limit": {strconv.Itoa(limit)}}
	_, err := c.do(ctx, "GET", "/v1/announcements?"+q.Encode(), nil, nil, &out)
	return out.Announcements, err
}

// Preview shows how a draft would look on every channel.
func (c *Client) Preview(ctx context.Context, d announce.Draft) ([]broadcast.Preview, error) {
	var out struct {
		Previews []broadcast.Preview `json:"previews"`
	}
	_, err := c.do(ctx, "POST", "/v1/previews", nil, d, &out)
	return out.Previews, err
}

// Settle says what a person saw of a delivery.
func (c *Client) Settle(ctx context.Context, id announce.ID, delivery string, s web.Settlement) (r broadcast.Row, err error) {
	_, err = c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/deliveries/"+url.PathEscape(delivery)+"/settle", nil, s, &r)
	return r, err
}

// Channels lists the accounts.
func (c *Client) Channels(ctx context.Context) ([]broadcast.Channel, error) {
	var out struct {
		Channels []broadcast.Channel `json:"channels"`
	}
	_, err := c.do(ctx, "GET", "/v1/channels", nil, nil, &out)
	return out.Channels, err
}

// Tasks lists what waits for a person, that of the newest announcements first.
func (c *Client) Tasks(ctx context.Context) ([]broadcast.Task, error) {
	var out struct {
		Tasks []broadcast.Task `json:"tasks"`
	}
	_, err := c.do(ctx, "GET", "/v1/tasks?limit=1000", nil, nil, &out)
	return out.Tasks, err
}

// UnknownLetters lists messages to people of which nobody knows whether they arrived, of one announcement or (id empty) of all:
// a page of limit, after the delivery that the last page ended with. A shorter one is the last.
func (c *Client) UnknownLetters(ctx context.Context, id announce.ID, after string, limit int) ([]broadcast.UnknownLetter, error) {
	var out struct {
		Letters []broadcast.UnknownLetter `json:"letters"`
	}
	q := url.Values{"announcement": {string(id)}, "after": {after}, "limit": {strconv.Itoa(limit)}}
	_, err := c.do(ctx, "GET", "/v1/letters/unknown?"+q.Encode(), nil, nil, &out)
	return out.Letters, err
}

// SettleUnknown says the same of all those of an announcement on an account that wait for a person.
func (c *Client) SettleUnknown(ctx context.Context, id announce.ID, u web.Unsure) (settled int, err error) {
	var out struct {
		Settled int `json:"settled"`
	}
	_, err = c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/letters/settle", nil, u, &out)
	return out.Settled, err
}

// Task is one of them, or how a delivery stands that waits for nobody.
func (c *Client) Task(ctx context.Context, delivery string) (t broadcast.Task, err error) {
	_, err = c.do(ctx, "GET", "/v1/tasks/"+url.PathEscape(delivery), nil, nil, &t)
	return t, err
}

// Check looks at every account.
func (c *Client) Check(ctx context.Context) ([]broadcast.Checkup, error) {
	var out struct {
		Checks []broadcast.Checkup `json:"checks"`
	}
	_, err := c.do(ctx, "GET", "/v1/checks", nil, nil, &out)
	return out.Checks, err
}

// Stop stops all publishing and returns what had left.
func (c *Client) Stop(ctx context.Context, why string) ([]broadcast.Left, error) {
	var out web.Stopped
	_, err := c.do(ctx, "POST", "/v1/stop", nil, map[string]string{"why": why}, &out)
	return out.Left, err
}

// Resume ends a stop, or lets one channel publish again.
func (c *Client) Resume(ctx context.Context, channel string) error {
	_, err := c.do(ctx, "POST", "/v1/resume", nil, map[string]string{"channel": channel}, nil)
	return err
}

// ResumeAnnouncement lets a mailing that was held go on.
func (c *Client) ResumeAnnouncement(ctx context.Context, id announce.ID) error {
	_, err := c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/resume", nil, nil, nil)
	return err
}

// Release lets an announcement be published that is held because its time was missed.
func (c *Client) Release(ctx context.Context, id announce.ID) error {
	_, err := c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/release", nil, nil, nil)
	return err
}

// Rehearse looks whether an announcement that waits will leave well.
func (c *Client) Rehearse(ctx context.Context, id announce.ID) (r broadcast.Rehearsal, err error) {
	_, err = c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/rehearsal", nil, nil, &r)
	return r, err
}

// CreateToken makes a token; its secret is in the answer and nowhere else.
func (c *Client) CreateToken(ctx context.Context, name string, scopes []string) (t web.NewToken, err error) {
	_, err = c.do(ctx, "POST", "/v1/tokens", nil, map[string]any{"name": name, "scopes": scopes}, &t)
	return t, err
}

// Tokens lists the tokens.
func (c *Client) Tokens(ctx context.Context) ([]web.Token, error) {
	var out struct {
		Tokens []web.Token `json:"tokens"`
	}
	_, err := c.do(ctx, "GET", "/v1/tokens", nil, nil, &out)
	return out.Tokens, err
}

// RevokeToken makes a token worthless.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := c.do(ctx, "DELETE", "/v1/tokens/"+url.PathEscape(id), nil, nil, nil)
	return err
}

// Changes calls each for every state change of an announcement from now on, until each returns false or ctx is done.
// began is called once the stream is open: what changes after it is not missed.
func (c *Client) Changes(ctx context.Context, id announce.ID, began func(), each func(web.Change) bool) error {
	req, err := c.request(ctx, "GET", "/v1/events?announcement="+url.QueryEscape(string(id)), nil, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return explain(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	event := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "data":
			if event == "ping" {
				if began != nil {
					began()
					began = nil
				}
			} else {
				var ch web.Change
				if err := json.Unmarshal([]byte(value), &ch); err != nil {
					return err
				}
				if !each(ch) {
					return nil
				}
			}
			event = ""
		}
	}
	return lines.Err()
}

func match(rev int) http.Header { return http.Header{"If-Match": {fmt.Sprintf(`"%d"`, rev)}} }

func (c *Client) request(ctx context.Context, method, path string, h http.Header, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
		h = h.Clone()
		if h == nil {
			h = http.Header{}
		}
		h.Set("Content-Type", "application/json")
	}
	return c.raw(ctx, method, path, h, body)
}

// raw is a request with the client's token and a body as it is.
func (c *Client) raw(ctx context.Context, method, path string, h http.Header, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	for k, v := range h {
		req.Header[k] = v
	}
	if !c.token.Empty() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return req, nil
}

// do makes one call and reads its answer into out. It returns the answer's headers.
func (c *Client) do(ctx context.Context, method, path string, h http.Header, in, out any) (http.Header, error) {
	req, err := c.request(ctx, method, path, h, in)
	if err != nil {
		return http.Header{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return http.Header{}, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		return resp.Header, explain(resp)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return resp.Header, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(out); err != nil {
		return resp.Header, fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return resp.Header, nil
}

// Unreachable means that no server answered.
type Unreachable struct{ Err error }

func (u *Unreachable) Error() string { return "no Crieur server answers: " + u.Err.Error() }
func (u *Unreachable) Unwrap() error { return u.Err }

func unreachable(err error) error { return &Unreachable{err} }

func explain(resp *http.Response) error {
	p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(b, p) != nil {
		p.Detail = ""
	}
	p.Status = resp.StatusCode
	return p
}
