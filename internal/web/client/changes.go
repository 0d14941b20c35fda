package client

import (
	"context"
	"net/url"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/web"
)

// Plan tells what replacing revision rev of an announcement would do, and changes nothing.
func (c *Client) Plan(ctx context.Context, id announce.ID, rev int, d announce.Draft) (p web.Amended, err error) {
	_, err = c.do(ctx, "PUT", "/v1/announcements/"+url.PathEscape(string(id))+"?plan=true", match(rev), d, &p)
	return p, err
}

// RunPlan makes a change as it was planned. It may be repeated.
func (c *Client) RunPlan(ctx context.Context, id, plan announce.ID) (a web.Accepted, err error) {
	_, err = c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/plans/"+url.PathEscape(string(plan)), nil, nil, &a)
	return a, err
}

// Cancel calls an announcement's event off, for a reason by language, or none.
func (c *Client) Cancel(ctx context.Context, id announce.ID, why map[announce.Language]string) (a web.Accepted, err error) {
	_, err = c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/cancel", nil, web.Turn{Why: why}, &a)
	return a, err
}

// Postpone puts an announcement's event off to a new start; empty: until one is known.
func (c *Client) Postpone(ctx context.Context, id announce.ID, to string, why map[announce.Language]string) (a web.Accepted, err error) {
	_, err = c.do(ctx, "POST", "/v1/announcements/"+url.PathEscape(string(id))+"/postpone", nil, web.Postponement{Turn: web.Turn{Why: why}, To: to}, &a)
	return a, err
}
