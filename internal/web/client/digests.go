package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/crieur/crieur/internal/web"
)

func digestPath(name string, more ...string) string {
	path := "/v1/digests/" + url.PathEscape(name)
	for _, m := range more {
		path += m
	}
	return path
}

// Digests lists the digests.
func (c *Client) Digests(ctx context.Context) ([]web.Digest, error) {
	var out struct {
		Digests []web.Digest `json:"digests"`
	}
	_, err := c.do(ctx, "GET", "/v1/digests", nil, nil, &out)
	return out.Digests, err
}

// PutDigest adds a digest, or changes the one of that name.
func (c *Client) PutDigest(ctx context.Context, d web.Digest) (out web.Digest, err error) {
	_, err = c.do(ctx, "PUT", digestPath(d.Name), nil, d, &out)
	return out, err
}

// RemoveDigest removes a digest. Whoever chose it gets the digest to instead.
func (c *Client) RemoveDigest(ctx context.Context, name, to string) error {
	_, err := c.do(ctx, "DELETE", digestPath(name, "?", url.Values{"people_to": {to}}.Encode()), nil, nil, nil)
	return err
}

// RunDigest starts the run of a period; empty: of the present one.
func (c *Client) RunDigest(ctx context.Context, name, period string) (r web.DigestRun, err error) {
	_, err = c.do(ctx, "POST", digestPath(name, "/runs"), nil, map[string]string{"period": period}, &r)
	return r, err
}

// DigestRuns lists the runs of a digest, the newest period first.
func (c *Client) DigestRuns(ctx context.Context, name string, limit int) ([]web.DigestRun, error) {
	var out struct {
		Runs []web.DigestRun `json:"runs"`
	}
	_, err := c.do(ctx, "GET", digestPath(name, "/runs?limit=", strconv.Itoa(limit)), nil, nil, &out)
	return out.Runs, err
}

// PreviewDigest shows what somebody would be told by a digest now.
func (c *Client) PreviewDigest(ctx context.Context, name, who string) (p web.DigestPreview, err error) {
	_, err = c.do(ctx, "GET", digestPath(name, "/preview?", url.Values{"for": {who}}.Encode()), nil, nil, &p)
	return p, err
}
