package googlechat

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// app posts as a Chat app.
type app struct {
	client *rest.Client
	space  string
	reader *markup.Reader
	keys   *keyring
}

var (
	_ announce.Amender   = (*app)(nil)
	_ announce.Retracter = (*app)(nil)
	_ announce.Finder    = (*app)(nil)
	_ announce.Checker   = (*app)(nil)
)

func (a *app) Name() string { return name }

// Limits: the same request makes one message, however often it comes, and no second one can have its name.
func (a *app) Limits() announce.Limits {
	l := limits(a.reader)
	l.Idempotent = announce.Forever
	return l
}

// do makes one call with a token. Without one nothing has left.
func (a *app) do(ctx context.Context, call rest.Call) error {
	token, fresh, err := a.keys.token(ctx)
	if err != nil {
		return err
	}
	call.Header = http.Header{"Authorization": {"Bearer " + token.Reveal()}}
	_, err = a.client.Do(ctx, call)
	var e *announce.Error
	if errors.As(err, &e) && e.Stop && strings.HasPrefix(e.Status, "401") {
		if a.keys.forget(token); !fresh {
			e.Outcome, e.Stop, e.Fault = announce.Temporary, false, "Google Chat no longer takes the access token: it will be tried again with a new one"
		}
	}
	return err
}

// Publish posts the message once, under a name of its own.
func (a *app) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	var x made
	q, body := create(a.reader, m)
	err := a.do(ctx, rest.Call{Method: http.MethodPost, Path: "/v1/" + a.space + "/messages", Query: q, Body: body, Into: &x, Create: true, Classify: classify(asApp)})
	if taken(err) {
		r, found, err := a.Find(ctx, m, time.Time{})
		if err == nil && !found {
			err = &announce.Error{Outcome: announce.Permanent, Ask: true, Status: "409", Fault: "Google Chat keeps the name of a message that was deleted: post it there by hand, then settle the delivery"}
		}
		return r, err
	}
	if err == nil && !x.Deleted.IsZero() {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Ask: true, Fault: "the message was posted before and then deleted in Google Chat, which will not show it again: post it there by hand, then settle the delivery"}
	}
	return x.receipt(a.space, m, err)
}

// Amend replaces the message's text and pictures.
func (a *app) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	path, err := a.path(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	var x made
	err = a.do(ctx, rest.Call{Method: http.MethodPatch, Path: path, Query: url.Values{"updateMask": {"text,cardsV2"}}, Body: compose(a.reader, m), Into: &x, Classify: classify(asChange)})
	if err != nil {
		return announce.Receipt{}, err
	}
	return r, nil
}

// Retract deletes the message. One that is gone is success.
func (a *app) Retract(ctx context.Context, r announce.Receipt) error {
	path, err := a.path(r)
	if err != nil {
		return err
	}
	err = a.do(ctx, rest.Call{Method: http.MethodDelete, Path: path, Classify: classify(asChange)})
	if missing(err) {
		return nil
	}
	return err
}

// path is where a receipt's message is.
func (a *app) path(r announce.Receipt) (string, error) {
	space, id, ok := strings.Cut(r.ID, "/messages/")
	if !ok || !strings.HasPrefix(space, "spaces/") || id == "" {
		return "", &announce.Error{Outcome: announce.Permanent, Fault: "the message was not posted by this Chat app, so it cannot be changed with it: do it in Google Chat"}
	}
	return "/v1/spaces/" + url.PathEscape(strings.TrimPrefix(space, "spaces/")) + "/messages/" + url.PathEscape(id), nil
}

// Find asks for the message by its name.
func (a *app) Find(ctx context.Context, m announce.Message, _ time.Time) (announce.Receipt, bool, error) {
	var x made
	err := a.do(ctx, rest.Call{Method: http.MethodGet, Path: "/v1/" + a.space + "/messages/" + clientID(m.Key), Into: &x, Classify: classify(asLook)})
	switch {
	case missing(err), err == nil && !x.Deleted.IsZero():
		return announce.Receipt{}, false, nil
	case err != nil:
		return announce.Receipt{}, false, err
	case !strings.HasPrefix(x.Name, a.space+"/messages/"):
		return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "the answer of Google Chat cannot be understood: it is looked at again"}
	}
	return announce.Receipt{ID: a.space + "/messages/" + clientID(m.Key), URL: page(a.space), At: x.Created}, true, nil
}

// Check asks which space it is, as the app.
func (a *app) Check(ctx context.Context) (announce.Report, error) {
	r := announce.Report{Identity: a.keys.email}
	var space struct {
		Name    string `json:"name"`
		Display string `json:"displayName"`
	}
	err := a.do(ctx, rest.Call{Method: http.MethodGet, Path: "/v1/" + a.space, Into: &space, Classify: classify(asLook)})
	var e *announce.Error
	switch {
	case missing(err), errors.As(err, &e) && strings.HasPrefix(e.Status, "403"):
		r.Findings = append(r.Findings, announce.Finding{
			Severe: true, What: "the Chat app is not in " + a.space + ", or the space does not exist",
			Do: "check SPACE, and add the app to the space (Apps & integrations, Add apps)",
		})
		return r, nil
	case err != nil:
		return r, err
	case space.Display != "":
		r.Identity += " in " + space.Display
	default:
		r.Identity += " in " + a.space
	}
	return r, nil
}
