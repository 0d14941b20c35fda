package twitter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dghubble/go-twitter/twitter"

	"github.com/crieur/crieur/publishers/internal/rest"
)

var errNoID = errors.New("the answer names nothing")

// client is go-twitter for one call, and what goes over the wire in it. query adds what v1.1 has no word for.
func (c *channel) client(ctx context.Context, query url.Values) (*twitter.Client, *rest.Exchange, *v2) {
	ctx, x := rest.Watch(ctx)
	h := c.api.HTTP()
	t := &v2{ctx: ctx, base: c.api.Base(), via: h.Transport, query: query}
	h.Transport = t
	return twitter.NewClient(h), x, t
}

// v2 carries one call of go-twitter, which speaks v1.1, to X's API v2 and brings the answer back in the form of v1.1.
// It stands above the signature, so that the address that is called is the one that is signed.
type v2 struct {
	ctx   context.Context
	base  string
	via   http.RoundTripper
	query url.Values
	next  string // the token of the next page, once the answer is there
}

// unmappedError is a call of v1.1 that has no counterpart here. Nothing was sent.
type unmappedError struct{ call string }

func (e *unmappedError) Error() string { return e.call + " of X's API v1.1 is not mapped to v2" }

// post is the body that makes or edits a post.
type post struct {
	Text  string    `json:"text"`
	Media *attached `json:"media,omitempty"`
	Reply *reply    `json:"reply,omitempty"`
	Edit  *edit     `json:"edit_options,omitempty"`
}

type attached struct {
	IDs []string `json:"media_ids"`
}

type reply struct {
	To string `json:"in_reply_to_tweet_id"`
}

type edit struct {
	Of string `json:"previous_post_id"`
}

const fields = "created_at,entities"

// RoundTrip makes the call. An answer that is no success becomes v1.1's {"errors":[...]}, whatever its form was.
func (t *v2) RoundTrip(req *http.Request) (*http.Response, error) {
	call := req.Method + " " + strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/1.1/"), ".json")
	var form url.Values
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(b)); err != nil {
			return nil, err
		}
	}
	c, err := t.translate(call, req.URL.Query(), form)
	if err != nil {
		return nil, err
	}
	out, err := c.request(t.ctx, t.base, t.query)
	if err != nil {
		return nil, err
	}
	res, err := t.via.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		answer, err = json.Marshal(understand(res.StatusCode, answer).v1())
	} else {
		answer, err = c.convert(answer)
	}
	if err != nil {
		return nil, err
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	res.Request = req
	return res, nil
}

// counterpart is the call of v2 that does what one of v1.1 did, and how its answer is brought back.
type counterpart struct {
	method, path string
	query        url.Values
	body         any
	convert      func([]byte) ([]byte, error)
}

func (c counterpart) request(ctx context.Context, base string, more url.Values) (*http.Request, error) {
	for k, v := range more {
		c.query[k] = v
	}
	address := base + c.path
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	var body bytes.Buffer
	if c.body != nil {
		enc := json.NewEncoder(&body)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(c.body); err != nil {
			return nil, err
		}
		body.Truncate(body.Len() - 1) // the line end
	}
	req, err := http.NewRequestWithContext(ctx, c.method, address, bytes.NewReader(body.Bytes()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return req, nil
}

// translate finds the counterpart of a call of v1.1, and none when it has a parameter that would be lost.
func (t *v2) translate(call string, q, form url.Values) (counterpart, error) {
	var c counterpart
	known := ""
	id, destroys := strings.CutPrefix(call, "POST statuses/destroy/")
	switch {
	case call == "POST statuses/update":
		known = "status media_ids in_reply_to_status_id"
		p := post{Text: form.Get("status")}
		if ids := form.Get("media_ids"); ids != "" {
			p.Media = &attached{strings.Split(ids, ",")}
		}
		if to := form.Get("in_reply_to_status_id"); to != "" {
			p.Reply = &reply{to}
		}
		c = counterpart{method: http.MethodPost, path: "/2/tweets", body: p, convert: one}
	case destroys:
		known = "id"
		c = counterpart{method: http.MethodDelete, path: "/2/tweets/" + url.PathEscape(id), convert: deleted}
	case call == "GET account/verify_credentials":
		c = counterpart{method: http.MethodGet, path: "/2/users/me", convert: whose}
	case call == "GET statuses/user_timeline":
		known = "user_id count include_rts"
		c = counterpart{method: http.MethodGet, path: "/2/users/" + url.PathEscape(q.Get("user_id")) + "/tweets", convert: t.timeline}
		c.query = url.Values{"max_results": {q.Get("count")}, "tweet.fields": {fields}}
		if q.Get("include_rts") == "false" {
			c.query.Set("exclude", "retweets")
		}
	case call == "GET statuses/show":
		known = "id"
		c = counterpart{method: http.MethodGet, path: "/2/tweets/" + url.PathEscape(q.Get("id")), convert: one}
		c.query = url.Values{"tweet.fields": {fields}}
	default:
		return c, &unmappedError{call}
	}
	for _, params := range []url.Values{q, form} {
		for k := range params {
			if !slices.Contains(strings.Fields(known), k) {
				return c, &unmappedError{call + " with " + k}
			}
		}
	}
	return c, nil
}

// tweet is a post as v2 shows it.
type tweet struct {
	ID       string    `json:"id"`
	Text     string    `json:"text"`
	Created  time.Time `json:"created_at"`
	Entities struct {
		URLs []struct {
			URL      string `json:"url"`
			Expanded string `json:"expanded_url"`
			Media    string `json:"media_key"`
		} `json:"urls"`
	} `json:"entities"`
}

// v1 is the post as v1.1 showed it. The addresses of its own pictures are under media, the others under urls.
func (t tweet) v1() (map[string]any, error) {
	id, err := strconv.ParseInt(t.ID, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: the post's number is none", errNoID)
	}
	urls, media := []map[string]any{}, []map[string]any{}
	for _, u := range t.Entities.URLs {
		entity := map[string]any{"url": u.URL, "expanded_url": u.Expanded}
		if u.Media != "" {
			media = append(media, entity)
		} else {
			urls = append(urls, entity)
		}
	}
	out := map[string]any{"id": id, "id_str": t.ID, "text": t.Text, "entities": map[string]any{"urls": urls, "media": media}}
	if !t.Created.IsZero() {
		out["created_at"] = t.Created.Format(time.RubyDate)
	}
	return out, nil
}

func one(b []byte) ([]byte, error) {
	var in struct{ Data tweet }
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, err
	}
	out, err := in.Data.v1()
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

func deleted(b []byte) ([]byte, error) {
	var in struct{ Data struct{ Deleted bool } }
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, err
	}
	if !in.Data.Deleted {
		return nil, fmt.Errorf("%w: the post was not deleted", errNoID)
	}
	return []byte(`{}`), nil
}

func whose(b []byte) ([]byte, error) {
	var in struct{ Data struct{ ID, Username string } }
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(in.Data.ID, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: the account's number is none", errNoID)
	}
	return json.Marshal(map[string]any{"id": id, "id_str": in.Data.ID, "screen_name": in.Data.Username})
}

func (t *v2) timeline(b []byte) ([]byte, error) {
	var in struct {
		Data []tweet
		Meta *struct {
			Next string `json:"next_token"`
		}
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, err
	}
	if in.Meta == nil {
		return nil, fmt.Errorf("%w: there is no list of posts", errNoID)
	}
	t.next = in.Meta.Next
	list := []map[string]any{}
	for _, tweet := range in.Data {
		v1, err := tweet.v1()
		if err != nil {
			return nil, err
		}
		list = append(list, v1)
	}
	return json.Marshal(list)
}
