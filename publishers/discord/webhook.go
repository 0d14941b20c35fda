package discord

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// webhook posts through a channel's webhook. It cannot see the channel, and Discord takes the same message from it twice.
type webhook struct {
	api
	id, thread string
	guild      atomic.Pointer[string]
}

var (
	_ announce.Amender   = (*webhook)(nil)
	_ announce.Retracter = (*webhook)(nil)
	_ announce.Checker   = (*webhook)(nil)
)

func (w *webhook) Name() string { return name }

func (w *webhook) Limits() announce.Limits { return w.limits() }

// Publish posts the message once.
func (w *webhook) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	var made message
	p := w.compose(m)
	c := rest.Call{Method: http.MethodPost, Query: url.Values{"wait": {"true"}}, Into: &made, Create: true, Classify: classify(hookSays, false)}
	if w.thread != "" {
		c.Query.Set("thread_id", w.thread)
	}
	p.fill(&c, p.fields())
	if _, err := w.client.Do(ctx, c); err != nil {
		return announce.Receipt{}, err
	}
	if made.ID == "" {
		return announce.Receipt{}, unnamed()
	}
	id := byWebhook + ":" + w.id + ":" + made.ID
	if w.thread != "" {
		id += ":" + w.thread
	}
	return announce.Receipt{ID: id, URL: address(w.server(ctx), made.Channel, made.ID), At: moment(made.ID)}, nil
}

// server is the number of the webhook's server, or "" when Discord does not give it soon. It is asked for once.
func (w *webhook) server(ctx context.Context) string {
	if g := w.guild.Load(); g != nil {
		return *g
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	h, err := w.look(ctx)
	if err != nil || h.Guild == "" {
		return ""
	}
	w.guild.Store(&h.Guild)
	return h.Guild
}

// hook is a webhook as Discord gives it.
type hook struct {
	Name    string `json:"name"`
	Guild   string `json:"guild_id"`
	Channel string `json:"channel_id"`
}

func (w *webhook) look(ctx context.Context) (hook, error) {
	var h hook
	_, err := w.client.Do(ctx, rest.Call{Method: http.MethodGet, Into: &h, Classify: classify(hookSays, false)})
	return h, err
}

// about finds the message that a receipt stands for, and the thread that it is in. Of an address, which a person gave, the
// webhook tells whether it leads to its own channel or to a thread of it.
func (w *webhook) about(ctx context.Context, r announce.Receipt) (rest.Call, error) {
	thread := ""
	channel, message, given := byAddress(r)
	switch parts, known := read(r, byWebhook); {
	case given && channel == w.thread:
		thread = channel
	case given:
		h, err := w.look(ctx)
		if err != nil {
			return rest.Call{}, err
		}
		if h.Channel != channel {
			thread = channel
		}
	case !known || parts[0] != w.id:
		return rest.Call{}, foreign()
	default:
		if message = parts[1]; len(parts) > 2 {
			thread = parts[2]
		}
	}
	c := rest.Call{Path: "/messages/" + message, Classify: classify(hookSays, thread != w.thread)}
	if thread != "" {
		c.Query = url.Values{"thread_id": {thread}}
	}
	return c, nil
}

// Amend edits the message in place, pictures included.
func (w *webhook) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	c, err := w.about(ctx, r)
	if err != nil {
		return announce.Receipt{}, err
	}
	c.Method = http.MethodPatch
	p := w.compose(m)
	p.fill(&c, p.whole())
	_, err = w.client.Do(ctx, c)
	return r, err
}

// Retract deletes the message. One that is gone is success; whether one is that only an address leads to, Discord does not
// say: it shows a webhook no posts of others.
func (w *webhook) Retract(ctx context.Context, r announce.Receipt) error {
	c, err := w.about(ctx, r)
	if err != nil {
		return err
	}
	c.Method = http.MethodDelete
	_, err = w.client.Do(ctx, c)
	if !says(err, noMessage) {
		return err
	}
	if r.ID == "" {
		return &announce.Error{Outcome: announce.Permanent, Ask: true, Status: strconv.Itoa(noMessage),
			Fault: "Discord knows no post of this webhook at that address: if one is there, delete it by hand, then settle the delivery"}
	}
	return nil
}

// Check asks Discord for the webhook.
func (w *webhook) Check(ctx context.Context) (announce.Report, error) {
	h, err := w.look(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	return announce.Report{Identity: "webhook " + h.Name}, nil
}
