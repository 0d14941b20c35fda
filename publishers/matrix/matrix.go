// Package matrix publishes in a Matrix room through the homeserver of the bot's account, or in a direct room with each
// subscriber. It posts in the clear and knows nothing of end-to-end encryption.
package matrix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "matrix"

// Config is one room, and the account that posts in it; or, with People, the account that writes to each subscriber.
type Config struct {
	People bool            `env:"PEOPLE" envDefault:"false" doc:"Write to each subscriber who chose this channel, instead of to one place."`
	API    string          `env:"API,notEmpty" doc:"Address of the homeserver of the bot's account, such as https://matrix.example.org."`
	Token  announce.Secret `env:"TOKEN,notEmpty" doc:"Access token of the bot's account, from a login of its own that is never logged out."`
	Room   string          `env:"ROOM" doc:"Room to post in: its alias (#name:example.org) or its ID (!id:example.org). It must not be encrypted. Required without PEOPLE."`
	Notice bool            `env:"NOTICE" envDefault:"false" doc:"Post as a notice, which most people's apps show in grey and without a notification."`
}

var (
	roomName  = regexp.MustCompile(`^(#[^\s:]+:[^\s:]+(:[0-9]+)?|![^\s]+)$`)
	blankless = regexp.MustCompile(`^[^\s]+$`)
)

// New returns the publisher of one room, or of direct rooms with people.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case !blankless.MatchString(c.Token.Reveal()):
		return nil, errors.New("TOKEN: is not an access token: it holds no blanks")
	case c.People && c.Room != "":
		return nil, errors.New("ROOM: must be empty with PEOPLE=true, which writes to each subscriber in a direct room: for the room too make another account")
	case c.Room == "" && !c.People:
		return nil, errors.New("ROOM: is required: the room's alias, #name:example.org, or its ID; or set PEOPLE=true to write to each subscriber")
	case !c.People && !roomName.MatchString(c.Room) || len(c.Room) > 255:
		return nil, errors.New("ROOM: is not a room: write its alias, #name:example.org, or its ID, !id:example.org (room settings, Advanced)")
	}
	client, err := rest.New("Matrix", c.API, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.Token.Reveal()) })
	if err != nil {
		return nil, err
	}
	p := &publisher{client: client, named: c.Room, notice: c.Notice, reader: markup.NewReader()}
	if c.People {
		return newPeople(p, c.Token), nil
	}
	return p, nil
}

type publisher struct {
	client *rest.Client
	named  string // as the operator wrote it
	notice bool
	reader *markup.Reader
	person bool // the room is with one person: a refusal there stops nobody

	mu   sync.Mutex
	home home // zero until it is known
}

// home is where the account posts, and as whom.
type home struct{ room, user string }

var (
	_ announce.Amender   = (*publisher)(nil)
	_ announce.Retracter = (*publisher)(nil)
	_ announce.Finder    = (*publisher)(nil)
	_ announce.Checker   = (*publisher)(nil)
)

func (p *publisher) Name() string { return name }

// An event has 65,536 bytes. Beside the text it holds the title, at most 300 characters, the words of a picture, and what
// the servers add: signatures, hashes and the events before it.
const (
	maxText = 40_000 // bytes of the text, plain and as HTML, as JSON spells them
	maxAlt  = 1000
)

// window is how long a homeserver surely knows a transaction ID: Synapse and Dendrite keep it for 30 to 60 minutes.
const window = 28 * time.Minute

func (p *publisher) Limits() announce.Limits {
	return announce.Limits{
		Text: maxText, Measure: p.measure, Links: true, Markdown: true,
		Images: 1, Alt: maxAlt, Picture: announce.PictureLimits{Bytes: 5 << 20, Side: 2560},
		Idempotent: window, Pace: time.Second,
	}
}

// Publish posts the message once. Before it does it looks whether the message is there already: homeservers forget the
// transaction ID of a lost call when they start anew or the account gets another token.
func (p *publisher) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if r, there, err := p.Find(ctx, m, time.Now().Add(-window)); err != nil || there {
		return r, err
	}
	h, err := p.where(ctx)
	if err != nil {
		return announce.Receipt{}, err
	}
	c, err := p.compose(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	c.Delivery = m.Key
	event, err := p.send(ctx, h.room, transaction(m.Key, m.Rev, announce.Publish), c, true)
	if err != nil {
		return announce.Receipt{}, err
	}
	return p.receipt(h.room, event, time.Now().UTC()), nil
}

// Amend sends an event that replaces the original one in everybody's eyes.
func (p *publisher) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	room, event, err := split(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	if err := p.standing(ctx, room, event); err != nil {
		return announce.Receipt{}, err
	}
	c, err := p.compose(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	c.Delivery = m.Key
	edit := content{
		Type: p.kind(), Body: "* " + strings.TrimSpace(m.Subject), // what apps show that know no edits; nobody is notified anew
		New: &c, Relates: &relation{Type: "m.replace", Event: event},
	}
	if _, err := p.send(ctx, room, transaction(m.Key, m.Rev, announce.Amend), edit, false); err != nil {
		return announce.Receipt{}, err
	}
	return r, nil
}

// Retract redacts the event: its words are removed, what stays is that there was one.
func (p *publisher) Retract(ctx context.Context, r announce.Receipt) error {
	room, event, err := split(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(r.ID))
	_, err = p.client.Do(ctx, rest.Call{
		Method: http.MethodPut, Path: roomPath(room, "redact", event, "crieur-retract-"+hex.EncodeToString(sum[:12])), Body: struct{}{},
		Classify: p.classify(aboutPost, room),
	})
	if gone(err) {
		return nil
	}
	return err
}

// transaction is the same for every repeat of a call, and for no other call.
func transaction(key string, rev int, verb announce.Verb) string {
	return "crieur-" + key + "-" + strconv.Itoa(rev) + "-" + string(verb)
}

func (p *publisher) send(ctx context.Context, room, txn string, c content, create bool) (event string, err error) {
	var sent struct {
		Event string `json:"event_id"`
	}
	_, err = p.client.Do(ctx, rest.Call{
		Method: http.MethodPut, Path: roomPath(room, "send", "m.room.message", txn), Body: c, Into: &sent, Create: create,
		Classify: p.classify(aboutPost, room),
	})
	switch {
	case err != nil:
		return "", err
	case create && !strings.HasPrefix(sent.Event, "$"):
		return "", &announce.Error{Outcome: announce.Ambiguous, Fault: "Matrix says yes without an event: look whether the post is in the room"}
	case !strings.HasPrefix(sent.Event, "$"):
		return "", &announce.Error{Outcome: announce.Temporary, Fault: "Matrix says yes without an event: it will be tried again"}
	}
	return sent.Event, nil
}

// standing makes sure that the event is there to be replaced: homeservers take an edit of what was removed, and show nothing.
func (p *publisher) standing(ctx context.Context, room, event string) error {
	var seen struct {
		Content  *content `json:"content"`
		Unsigned struct {
			Because any `json:"redacted_because"`
		} `json:"unsigned"`
	}
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: roomPath(room, "event", event), Into: &seen, Classify: p.classify(aboutPost, room)})
	switch {
	case gone(err), err == nil && seen.Content != nil && (seen.Unsigned.Because != nil || seen.Content.Type == ""):
		return &announce.Error{Outcome: announce.Permanent, Status: notFound, Fault: "the post is no longer in the Matrix room: somebody removed it there"}
	case err != nil:
		return err
	case seen.Content == nil:
		return &announce.Error{Outcome: announce.Temporary, Fault: "Matrix did not show the post that is to be changed: it will be tried again"}
	}
	return nil
}

// receipt stands for an event. A person finds it at its matrix.to address, which opens it in the app of their choice.
func (p *publisher) receipt(room, event string, at time.Time) announce.Receipt {
	address := "https://matrix.to/#/" + url.QueryEscape(room) + "/" + url.QueryEscape(event)
	_, server, ok := strings.Cut(room, ":")
	if !ok {
		_, server, ok = strings.Cut(p.named, ":")
	}
	if ok {
		address += "?via=" + url.QueryEscape(server)
	}
	return announce.Receipt{ID: room + "/" + event, URL: address, At: at}
}

func split(r announce.Receipt) (room, event string, err error) {
	room, event, ok := strings.Cut(r.ID, "/$")
	if !ok || !strings.HasPrefix(room, "!") || event == "" {
		return "", "", &announce.Error{Outcome: announce.Permanent, Fault: "the post was not made by this Matrix account, so it cannot be changed with it: do it in Matrix"}
	}
	return room, "$" + event, nil
}
