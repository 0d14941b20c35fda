package shoutrrr

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// most is how many calls may be under way. Most services wait for an answer without end, whatever the context says.
const most = 4

// window is for a 429 that names no wait.
const window = time.Minute

// send hands a message to the library once.
func (p *publisher) send(ctx context.Context, title, text string) error {
	unsent := func(why string) error {
		return &announce.Error{Outcome: announce.Temporary, Fault: p.service + ": " + why + ". Nothing was sent; it will be tried again"}
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return unsent("the call was cancelled before it left, or earlier ones still wait for an answer")
	}
	leave := func() { <-p.slots }
	if ctx.Err() != nil {
		leave()
		return unsent("the call was cancelled before it left")
	}
	params := types.Params{}
	if title != "" {
		params.SetTitle(title)
	}
	if p.service == "discord" {
		params["splitlines"] = "No" // one message, not one for every ten lines
	}
	result := make(chan error, 1)
	hand := func(w *wire) {
		defer leave()
		result <- p.hand(text, params, w)
	}
	w := newWire(ctx, p.client)
	go hand(w)
	select {
	case err := <-result:
		return p.judge(w, err)
	case <-ctx.Done():
		select {
		case err := <-result:
			return p.judge(w, err)
		case <-w.done: // what goes over the wire ends with the context, and is judged by it
			return p.judge(w, <-result)
		case <-time.After(grace):
			return p.unknown("gave no answer in time")
		}
	}
}

// grace is for a call that the context has ended to come back and say how far it got.
const grace = 100 * time.Millisecond

var errUnready = errors.New("the service could not be made ready")

// hand makes the service and sends. A library that gives up has ended like a call without an answer.
func (p *publisher) hand(text string, params types.Params, w *wire) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the library gave up")
		}
	}()
	s, err := p.open()
	if err != nil {
		return errUnready
	}
	w.watch(s)
	return s.Send(text, &params)
}

// judge says what the end of a call means.
func (p *publisher) judge(w *wire, err error) error {
	var dial *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case w.seen.Load():
		return w.judge(err)
	case err == nil:
		return nil
	case errors.Is(err, errUnready):
		return &announce.Error{Outcome: announce.Temporary, Fault: p.service + " could not be made ready (signing in fails, or its address is wrong). Nothing was sent; it will be tried again"}
	case w.watching:
		return &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: p.service + " finds a setting in its URL wrong, and nothing was sent: correct URL, then resume the account"}
	case errors.As(err, &dial) && dial.Op == "dial", errors.As(err, &dns), errors.As(err, &cert):
		return &announce.Error{Outcome: announce.Temporary, Fault: p.service + " cannot be reached. Nothing was sent; it will be tried again"}
	}
	return p.unknown("failed, and does not say how far it got")
}

func (p *publisher) unknown(what string) error {
	return &announce.Error{Outcome: announce.Ambiguous, Fault: "the service " + p.service + " " + what + ": the message may have appeared; look before it is repeated"}
}

// wire lets one request of a service pass, and sees what becomes of it. Services that make requests of their own are not seen.
type wire struct {
	ctx      context.Context
	client   *rest.Client
	exchange *rest.Exchange
	watching bool
	seen     atomic.Bool
	done     chan struct{} // closed when the request has ended
}

func newWire(ctx context.Context, c *rest.Client) *wire {
	w := &wire{client: c, done: make(chan struct{})}
	w.ctx, w.exchange = rest.Watch(ctx)
	return w
}

// watch puts the wire between a service and the network, where the service has a place for it.
func (w *wire) watch(s types.Service) {
	via := &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w.watching = true
	switch s := s.(type) {
	case *discord.Service:
		s.HTTPClient, s.Sleeper = via, hasty{}
	case *gotify.Service:
		c := s.GetHTTPClient()
		c.Transport, c.CheckRedirect = via.Transport, via.CheckRedirect
	case *mattermost.Service:
		c := s.GetHTTPClient()
		c.Transport, c.CheckRedirect = via.Transport, via.CheckRedirect
	case *ntfy.Service:
		s.SetHTTPClient(via)
	case *pagerduty.Service:
		s.SetHTTPClient(via)
	case *pushover.Service:
		s.Client = via
	case *rocketchat.Service:
		s.Client = via
	default:
		w.watching = false
	}
}

// hasty does not wait: what it waits for, a second request, never passes.
type hasty struct{}

func (hasty) Sleep(time.Duration) {}

// RoundTrip sends the first request, under the context of the publication, and refuses every other.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if !w.seen.CompareAndSwap(false, true) {
		return nil, context.Canceled
	}
	defer close(w.done)
	return w.client.HTTP().Transport.RoundTrip(r.WithContext(w.ctx))
}

// judge classifies by what went over the wire.
func (w *wire) judge(err error) error {
	return w.client.Judge(w.exchange, err, true, func(status int, header http.Header, _ []byte) *announce.Error {
		e := &announce.Error{Outcome: announce.Permanent, Stop: true, Status: strconv.Itoa(status)}
		switch {
		case status == http.StatusTooManyRequests:
			e.Outcome, e.Stop, e.Fault = announce.RateLimited, false, "the service asks to wait: the channel pauses, nothing is lost"
			if e.RetryAfter = rest.RetryAfter(header, time.Now()); e.RetryAfter == 0 {
				e.RetryAfter = window
			}
		case status == http.StatusUnauthorized, status == http.StatusForbidden:
			e.Fault = "the service does not accept the credentials in URL: renew them, then resume the account"
		case status == http.StatusNotFound, status == http.StatusGone, status/100 == 3:
			e.Fault = "the service does not know the target in URL: correct it, then resume the account"
		default:
			return nil
		}
		return e
	})
}
