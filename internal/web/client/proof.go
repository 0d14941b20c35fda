package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/proof"
)

// Proof is a signed statement of where an announcement stands.
func (c *Client) Proof(ctx context.Context, id announce.ID) (p proof.Proof, err error) {
	_, err = c.do(ctx, "GET", "/v1/announcements/"+url.PathEscape(string(id))+"/proof", nil, nil, &p)
	return p, err
}

// ProofKey is the public key, as PEM, that proofs of this server are checked with.
func (c *Client) ProofKey(ctx context.Context) ([]byte, error) {
	req, err := c.request(ctx, "GET", proof.KeyPath, nil, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, explain(resp)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 64<<10))
}
