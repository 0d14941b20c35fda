package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/fetch"
)

// Judge classifies a call made through HTTP or Do: err is what the caller's code made of the answer, x is what went
// over the wire. Nil means that a complete 2xx came back, that classify has nothing against it and that err is nil.
// Every error is an *announce.Error.
func (c *Client) Judge(x *Exchange, err error, create bool, classify Classifier) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	success := x.status/100 == 2
	if x.status != 0 && classify != nil && !(success && x.err != nil) {
		if e := classify(x.status, x.header, x.body); e != nil {
			return e
		}
	}
	switch {
	case x.status == 0:
		return c.unanswered(x, create)
	case !success:
		return c.byStatus(x, create)
	case x.err != nil:
		return c.lost(create, "the answer of "+c.who+" broke off", strconv.Itoa(x.status), x.err)
	case err != nil:
		return c.lost(create, "the answer of "+c.who+" cannot be understood", strconv.Itoa(x.status), bare(err))
	}
	return nil
}

// lost is a call of which nobody can tell how it ended.
func (c *Client) lost(create bool, what, status string, err error) error {
	if create {
		return &announce.Error{Outcome: announce.Ambiguous, Status: status, Err: err, Fault: what + ": the post may have appeared; look before it is repeated"}
	}
	return &announce.Error{Outcome: announce.Temporary, Status: status, Err: err, Fault: what + ": it will be tried again"}
}

func (c *Client) unanswered(x *Exchange, create bool) error {
	if x.sent {
		what := c.who + " got the request and gave no answer"
		if errors.Is(x.err, context.DeadlineExceeded) {
			what += " in time"
		}
		return c.lost(create, what, "", x.err)
	}
	why := "the connection failed"
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var guarded *fetch.Error
	switch {
	case errors.As(x.err, &guarded):
		return &announce.Error{Outcome: announce.Permanent, Stop: true, Err: guarded, Fault: c.who + " is at a private address, where nothing is sent: correct its address or allow private ones, then resume the account"}
	case errors.Is(x.err, context.Canceled):
		why = "the call was cancelled before it left"
	case errors.As(x.err, &dns):
		why = "the name of its server cannot be found"
	case errors.As(x.err, &cert):
		why = "the certificate of its server is not trusted; check the API setting and this machine's clock"
	case errors.Is(x.err, syscall.ECONNREFUSED):
		why = "its server refuses connections"
	case errors.Is(x.err, context.DeadlineExceeded):
		why = "no connection in time"
	}
	return &announce.Error{Outcome: announce.Temporary, Err: x.err, Fault: c.who + " cannot be reached: " + why + ". Nothing was sent; it will be tried again"}
}

func (c *Client) byStatus(x *Exchange, create bool) error {
	e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(x.status)}
	switch s := x.status; {
	case s == http.StatusTooManyRequests:
		e.Outcome, e.RetryAfter = announce.RateLimited, RetryAfter(x.header, time.Now())
		e.Fault = c.who + " asks to wait: the channel pauses, nothing is lost"
	case s == http.StatusUnauthorized:
		e.Stop, e.Fault = true, c.who+" does not accept the credentials: renew them, then resume the account"
	case s == http.StatusPaymentRequired:
		e.Stop, e.Fault = true, c.who+" wants to be paid: top up the account, then resume it"
	case s == http.StatusMovedPermanently, s == http.StatusTemporaryRedirect, s == http.StatusPermanentRedirect:
		e.Stop, e.Fault = true, c.who+" answers from another address: correct the API setting, then resume the account"
	case s == http.StatusMisdirectedRequest, s == http.StatusTooEarly:
		e.Outcome, e.Fault = announce.Temporary, c.who+" did not take the request: it will be tried again"
	case s == http.StatusRequestTimeout, s >= 500, s < 400:
		return c.lost(create, c.who+" failed at the request", e.Status, nil)
	case s == http.StatusForbidden:
		e.Fault = c.who + " does not allow this: check the rights of the account"
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Fault = c.who + " does not know this: check the API setting, and that the target still exists"
	default:
		e.Fault = c.who + " refuses the request: change the announcement or the account's settings"
	}
	return e
}

const longestWait = 24 * time.Hour

// RetryAfter reads the header of that name, in seconds or as a date: never negative, at most 24 hours. 0: not said.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if math.IsNaN(s) || s <= 0 {
			return 0
		}
		return time.Duration(math.Min(math.Ceil(s), longestWait.Seconds())) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), longestWait))
}
