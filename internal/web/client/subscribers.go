package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

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
