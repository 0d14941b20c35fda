package client

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
)

// TakeBounce hands over a mail that came back. to are its envelope recipients, as far as they are known.
func (c *Client) TakeBounce(ctx context.Context, mail []byte, to []string) error {
	path := "/v1/bounces"
	if len(to) > 0 {
		path += "?" + url.Values{"to": to}.Encode()
	}
	req, err := c.raw(ctx, http.MethodPost, path, http.Header{"Content-Type": {"message/rfc822"}}, bytes.NewReader(mail))
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
	return nil
}
