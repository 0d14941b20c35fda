package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/crieur/crieur/internal/web"
)

func subscriberPath(id string) string { return "/v1/subscribers/" + url.PathEscape(id) }

// AddSubscribers adds people, and tells what became of them. Somebody who unsubscribed stays unsubscribed.
func (c *Client) AddSubscribers(ctx context.Context, a web.Addition) (out web.Added, err error) {
	_, err = c.do(ctx, "POST", "/v1/subscribers", nil, a, &out)
	return out, err
}

// Subscribers lists who a filter picks, by channel and address, from where after says: a page's Next.
func (c *Client) Subscribers(ctx context.Context, f web.SubscriberFilter, after string, limit int) (page web.SubscriberPage, err error) {
	q := url.Values{"channel": {f.Channel}, "topic": {f.Topic}, "search": {f.Search}, "after": {after}, "limit": {strconv.Itoa(limit)}}
	if f.Standing != "" {
		q.Set("standing", string(f.Standing))
	}
	_, err = c.do(ctx, "GET", "/v1/subscribers?"+q.Encode(), nil, nil, &page)
	return page, err
}

// Subscriber finds one. id is the number, or a mail address, here and below.
func (c *Client) Subscriber(ctx context.Context, id string) (s web.Subscriber, err error) {
	_, err = c.do(ctx, "GET", subscriberPath(id), nil, nil, &s)
	return s, err
}

// ChangeSubscriber changes what is named.
func (c *Client) ChangeSubscriber(ctx context.Context, id string, change web.SubscriberChange) (s web.Subscriber, err error) {
	_, err = c.do(ctx, "PATCH", subscriberPath(id), nil, change, &s)
	return s, err
}

// SweepSubscribers changes many at once, and tells how many changed.
func (c *Client) SweepSubscribers(ctx context.Context, w web.SubscriberSweep) (changed int, err error) {
	var out struct {
		Changed int `json:"changed"`
	}
	_, err = c.do(ctx, "POST", "/v1/subscribers/bulk", nil, w, &out)
	return out.Changed, err
}

// RemoveSubscriber takes a person off the list.
func (c *Client) RemoveSubscriber(ctx context.Context, id string) error {
	_, err := c.do(ctx, "DELETE", subscriberPath(id), nil, nil, nil)
	return err
}

// EraseSubscriber forgets a person for ever.
func (c *Client) EraseSubscriber(ctx context.Context, id string) error {
	_, err := c.do(ctx, "POST", subscriberPath(id)+"/erase", nil, nil, nil)
	return err
}

// Consents proves what a person agreed to.
func (c *Client) Consents(ctx context.Context, id string) ([]web.ConsentLine, error) {
	var out struct {
		Consents []web.ConsentLine `json:"consents"`
	}
	_, err := c.do(ctx, "GET", subscriberPath(id)+"/consents", nil, nil, &out)
	return out.Consents, err
}

// ExportSubscriber is everything that is known of a person, a key for each table.
func (c *Client) ExportSubscriber(ctx context.Context, id string) (all json.RawMessage, err error) {
	_, err = c.do(ctx, "GET", subscriberPath(id)+"/export", nil, nil, &all)
	return all, err
}

// ImportSubscribers sends a list and calls each for every line of the answer, while the list is read. It returns the last.
// *Problem: why it ended early; what was told before is on record.
func (c *Client) ImportSubscribers(ctx context.Context, body io.Reader, o web.ListImport, each func(web.ImportNews) error) (last web.ImportNews, err error) {
	q := url.Values{"file": {o.File}, "list": {o.List}, "how": {o.How}, "confirm": {strconv.FormatBool(o.Confirm)}, "dry_run": {strconv.FormatBool(o.DryRun)}}
	for name, value := range map[string]string{"topic": strings.Join(o.Topics, ","), "language": string(o.Language), "standing": string(o.Standing), "basis": o.Basis} {
		if value != "" {
			q.Set(name, value)
		}
	}
	req, err := c.request(ctx, "POST", "/v1/subscribers/import?"+q.Encode(), http.Header{"Content-Type": {"text/csv"}}, nil)
	if err != nil {
		return last, err
	}
	req.Body = io.NopCloser(body)
	resp, err := c.http.Do(req)
	if err != nil {
		return last, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		return last, explain(resp)
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var n web.ImportNews
		if err := lines.Decode(&n); err != nil {
			return last, fmt.Errorf("the server did not tell how it ended; import the same file again, it goes on after line %d: %w", last.Lines, err)
		}
		if last = n; n.Problem != nil {
			return last, &Problem{Status: n.Problem.Status, Detail: strings.Join(append([]string{n.Problem.Detail}, n.Problem.Errors...), "\n  ")}
		}
		if err := each(n); err != nil || n.Done {
			return last, err
		}
	}
}

// ExportSubscribers writes everybody whom a filter picks to w: in csv, json or ndjson. After an error w holds a part.
func (c *Client) ExportSubscribers(ctx context.Context, o web.ListExport, w io.Writer) error {
	q := url.Values{"channel": {o.Channel}, "topic": {o.Topic}, "format": {o.Format}}
	if len(o.Standing) > 0 {
		q.Set("standing", strings.Join(o.Standing, ","))
	}
	req, err := c.request(ctx, "GET", "/v1/subscribers/export?"+q.Encode(), nil, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		return explain(resp)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("the export was cut, what is there is not all: %w", err)
	}
	return nil
}

// Topics lists what people can choose.
func (c *Client) Topics(ctx context.Context) ([]web.Topic, error) {
	var out struct {
		Topics []web.Topic `json:"topics"`
	}
	_, err := c.do(ctx, "GET", "/v1/topics", nil, nil, &out)
	return out.Topics, err
}

// PutTopic adds a topic, or changes the one of that name.
func (c *Client) PutTopic(ctx context.Context, t web.Topic) error {
	_, err := c.do(ctx, "POST", "/v1/topics", nil, t, nil)
	return err
}

// RemoveTopic takes a topic out of every choice.
func (c *Client) RemoveTopic(ctx context.Context, name string) error {
	_, err := c.do(ctx, "DELETE", "/v1/topics/"+url.PathEscape(name), nil, nil, nil)
	return err
}
