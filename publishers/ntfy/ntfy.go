// Package ntfy publishes notifications to a topic of an ntfy server, ntfy.sh or one's own, or to a topic per subscriber. From version 2.16 on the
// server can also correct and take back; an older one says so by its first answer.
package ntfy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "ntfy"

// Config is one topic; or, with People, the server with everybody's.
type Config struct {
	People bool            `env:"PEOPLE" envDefault:"false" doc:"Write to each subscriber who chose this channel, instead of to one place."`
	Topic  string          `env:"TOPIC" doc:"Topic to publish to: letters, digits, - and _. Required without PEOPLE."`
	Token  announce.Secret `env:"TOKEN" doc:"Access token (tk_...) of an account that may write to the topic and read it. Without one: as anybody."`
	API    string          `env:"API" envDefault:"https://ntfy.sh" doc:"Address of the ntfy server."`
}

var topicName = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)

// New returns the publisher of one topic, or of the topics of people.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case c.People && c.Topic != "":
		return nil, errors.New("TOPIC: must be empty with PEOPLE=true, which publishes to the topic of each subscriber: for a common topic too make another account")
	case c.Topic == "" && !c.People:
		return nil, errors.New("TOPIC: is required: 1 to 64 letters, digits, - and _, such as my-meetup; or set PEOPLE=true to publish to a topic of each subscriber")
	case !c.People && !topicName.MatchString(c.Topic):
		return nil, errors.New("TOPIC: is not a topic: 1 to 64 letters, digits, - and _, such as my-meetup; not its address")
	case strings.ContainsAny(c.Token.Reveal(), " \t\r\n"):
		return nil, errors.New("TOKEN: is not an access token: it begins with tk_ and holds no blanks")
	}
	var auth func(*http.Request)
	if !c.Token.Empty() {
		auth = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.Token.Reveal()) }
	}
	client, err := rest.New("ntfy", c.API, auth)
	if err != nil {
		return nil, err
	}
	if c.People {
		return people{topic{client, "", c.Token}}, nil
	}
	return &topic{client, c.Topic, c.Token}, nil
}

type topic struct {
	client *rest.Client
	name   string
	token  announce.Secret
}

var (
	_ announce.Amender   = (*topic)(nil)
	_ announce.Retracter = (*topic)(nil)
	_ announce.Finder    = (*topic)(nil)
	_ announce.Checker   = (*topic)(nil)
)

func (t *topic) Name() string { return name }

// entry is a message or an event about one, as the server gives it.
type entry struct {
	ID       string `json:"id"`
	Sequence string `json:"sequence_id"` // left out by a server before 2.16
	Time     int64  `json:"time"`
	Event    string `json:"event"`
	Title    string `json:"title"`
	Message  string `json:"message"`
}

// once begins the receipts of notifications that the server gave no sequence: they cannot be changed.
const once = "once:"

// receipt stands for a notification under a sequence, or for one that can never be changed.
func (t *topic) receipt(e entry, sequence string) announce.Receipt {
	r := announce.Receipt{ID: sequence, URL: t.client.Base() + "/" + t.name, At: time.Unix(e.Time, 0).UTC()}
	if e.Sequence != sequence {
		r.ID = once + e.ID
	}
	return r
}

// Publish publishes the message once. A server that can change it later echoes the sequence.
func (t *topic) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	n := compose(t.name, m)
	e, err := t.send(ctx, n, true)
	if err != nil {
		return announce.Receipt{}, err
	}
	return t.receipt(e, n.Sequence), nil
}

// Amend publishes the message again under the same sequence, where it takes the place of what was there.
func (t *topic) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	if err := changeable(r); err != nil {
		return announce.Receipt{}, err
	}
	n := compose(t.name, m)
	n.Sequence = r.ID
	e, err := t.send(ctx, n, false)
	if err != nil {
		return announce.Receipt{}, err
	}
	if e.Sequence != n.Sequence {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Ask: true, Fault: "the ntfy server no longer knows sequences (they need version 2.16): " +
			"the correction appeared as a second notification. Tell the subscribers which one holds, then settle the delivery"}
	}
	return t.receipt(e, n.Sequence), nil
}

// Retract asks the subscribers' apps to remove the notification. It may be repeated.
func (t *topic) Retract(ctx context.Context, r announce.Receipt) error {
	if err := changeable(r); err != nil {
		return err
	}
	var e entry
	_, err := t.client.Do(ctx, rest.Call{
		Method: http.MethodDelete, Path: "/" + t.name + "/" + url.PathEscape(r.ID), Into: &e, Classify: classify(false),
	})
	if err == nil && e.Event != "message_delete" {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "the answer of ntfy cannot be understood: it will be tried again"}
	}
	return err
}

// changeable refuses the receipt of a notification without a sequence.
func changeable(r announce.Receipt) error {
	if topicName.MatchString(r.ID) {
		return nil
	}
	return &announce.Error{Outcome: announce.Permanent, Ask: true, Fault: "this ntfy server cannot change a notification (it takes version 2.16): " +
		"tell the subscribers by another announcement, then settle the delivery"}
}

// send publishes n, and makes sure that the server took the whole text.
func (t *topic) send(ctx context.Context, n notification, create bool) (entry, error) {
	var e entry
	if _, err := t.client.Do(ctx, rest.Call{Method: http.MethodPost, Path: "/", Body: n, Into: &e, Create: create, Classify: classify(false)}); err != nil {
		return entry{}, err
	}
	switch {
	case e.ID == "" || e.Event != "message":
		err := &announce.Error{Outcome: announce.Ambiguous, Fault: "ntfy says yes without a message: look whether it is there"}
		if !create {
			err = &announce.Error{Outcome: announce.Temporary, Fault: "ntfy says yes without a message: it will be tried again"}
		}
		return entry{}, err
	case e.Message != n.Message:
		return entry{}, &announce.Error{Outcome: announce.Permanent, Ask: true, Field: "text", Fault: "ntfy published the notification without its whole text, as a file or cut: " +
			"this server takes shorter messages than others (message-size-limit). Raise its limit to 4096, tell the subscribers what is missing, then settle the delivery"}
	}
	return e, nil
}

// Find reads what the server keeps of the topic since then. It says "not there" only when the server keeps messages for so long.
func (t *topic) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	res, err := t.client.Do(ctx, rest.Call{
		Method: http.MethodGet, Path: "/" + t.name + "/json",
		Query: url.Values{"poll": {"1"}, "since": {strconv.FormatInt(since.Unix(), 10)}}, Classify: classify(true),
	})
	if err != nil {
		return announce.Receipt{}, false, err
	}
	if media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); media != "application/x-ndjson" {
		return announce.Receipt{}, false, unreadable()
	}
	n := compose(t.name, m)
	for line := range bytes.Lines(res.Body) {
		var e entry
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if json.Unmarshal(line, &e) != nil || e.Event == "" {
			return announce.Receipt{}, false, unreadable()
		}
		if e.Event == "message" && (e.Sequence == n.Sequence || e.Sequence == "" && e.Title == n.Title && e.Message == n.Message) {
			return t.receipt(e, n.Sequence), true, nil
		}
	}
	var a account
	if _, err := t.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/v1/account", Into: &a, Classify: classify(true)}); err != nil {
		return announce.Receipt{}, false, err
	}
	if a.kept() < time.Since(since) {
		return announce.Receipt{}, false, &announce.Error{Outcome: announce.Permanent, Ask: true, Fault: "the ntfy server keeps messages for " + a.kept().String() +
			", so nobody can look whether the notification appeared: ask a subscriber, then settle the delivery"}
	}
	return announce.Receipt{}, false, nil
}

func unreadable() *announce.Error {
	return &announce.Error{Outcome: announce.Temporary, Fault: "the messages that ntfy gave cannot be read: it is looked at again"}
}
