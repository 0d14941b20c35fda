package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Receiver is a place that signed events are posted to. Safe for concurrent use.
type Receiver struct {
	client  *rest.Client
	path    string
	signers []signer
	now     func() time.Time
}

// NewReceiver opens the receiver of a configuration without People. The error begins with the name of the variable that is wrong.
func NewReceiver(c Config) (*Receiver, error) {
	u, err := parseURL(c.URL.Reveal(), c.AllowPrivate)
	if err != nil {
		return nil, fmt.Errorf("URL: %w", err)
	}
	r := &Receiver{path: u.RequestURI(), now: time.Now}
	err = c.each(func(secret announce.Secret) error {
		sign, err := newSigner(secret.Reveal())
		r.signers = append(r.signers, sign)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.client, err = rest.NewGuarded(who, u.Scheme+"://"+u.Host, nil, c.allowed()...); err != nil {
		return nil, fmt.Errorf("URL: %w", err)
	}
	return r, nil
}

// Post sends an event once. nil: the receiver has it, for it answered 2xx. After every error the same event may be sent again
// under the same ID, which must hold no full stop.
func (r *Receiver) Post(ctx context.Context, id string, body []byte) error {
	return r.post(ctx, id, body, false, func(status int, header http.Header, _ []byte) *announce.Error {
		if status/100 == 2 {
			return nil
		}
		return &announce.Error{
			Outcome: announce.Temporary, Status: strconv.Itoa(status), RetryAfter: rest.RetryAfter(header, r.now()), Fault: fmt.Sprintf("%s answers %d", who, status),
		}
	})
}

func (r *Receiver) post(ctx context.Context, id string, body []byte, create bool, judge rest.Classifier) error {
	at := strconv.FormatInt(r.now().Unix(), 10)
	_, err := r.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: r.path, Raw: body, Type: "application/json", Create: create, Classify: judge,
		Header: http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signatures(r.signers, id, at, body)}},
	})
	return err
}
