package client

import (
	"context"
	"net/url"

	"github.com/crieur/crieur/internal/web"
)

// Suppression tells whether an address may be written to.
func (c *Client) Suppression(ctx context.Context, channel, address string) (out web.Suppression, err error) {
	_, err = c.do(ctx, "GET", "/v1/suppressions?"+url.Values{"channel": {channel}, "address": {address}}.Encode(), nil, nil, &out)
	return out, err
}

// Suppress makes sure that an address is never written to again.
func (c *Client) Suppress(ctx context.Context, s web.Suppressing) error {
	_, err := c.do(ctx, "POST", "/v1/suppressions", nil, s, nil)
	return err
}

// LiftSuppression lets an address be written to again, if it is added or asks to join.
func (c *Client) LiftSuppression(ctx context.Context, l web.Lifting) error {
	_, err := c.do(ctx, "POST", "/v1/suppressions/lift", nil, l, nil)
	return err
}

// RotateLinks makes a new key for the links that people get. leaked: those before are good for leaving only.
func (c *Client) RotateLinks(ctx context.Context, leaked bool) error {
	_, err := c.do(ctx, "POST", "/v1/links/rotate", nil, map[string]bool{"leaked": leaked}, nil)
	return err
}
