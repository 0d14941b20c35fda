package matrix

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// people writes to each subscriber in a direct room: Message.To is their user ID. Whoever left it, or sent the account out, is Gone.
type people struct {
	account *publisher
	token   announce.Secret

	opening chan struct{} // held by who reads and changes m.direct, which is one object for everybody
	mu      sync.Mutex
	user    string            // the account's; empty until it is known
	rooms   map[string]string // by person
}

var (
	_ announce.Amender   = (*people)(nil)
	_ announce.Retracter = (*people)(nil)
	_ announce.Finder    = (*people)(nil)
	_ announce.Checker   = (*people)(nil)
)

func newPeople(account *publisher, token announce.Secret) *people {
	account.person = true
	return &people{account: account, token: token, opening: make(chan struct{}, 1), rooms: map[string]string{}}
}

// Address is what somebody wrote as their Matrix ID, or its link, as an address on this channel: @ada:example.org. The error
// says what to write.
func Address(written string) (string, error) {
	id := strings.TrimSpace(written)
	if link, ok := strings.CutPrefix(id, "https://matrix.to/#/"); ok {
		id, _, _ = strings.Cut(strings.NewReplacer("%40", "@", "%3A", ":").Replace(link), "?")
	}
	name, server, _ := strings.Cut(id, ":")
	id = name + ":" + strings.ToLower(server)
	if u, err := url.Parse("https://" + strings.ToLower(server)); err != nil || u.Host != strings.ToLower(server) || !userName.MatchString(id) || len(id) > 255 {
		return "", errors.New("write your Matrix ID, as @ada:example.org: it stands in the settings of your app")
	}
	return id, nil
}

var userName = regexp.MustCompile(`^@[^\s:]+:[^\s]+$`)

func (p *people) Name() string { return name }

// Limits are those of a room.
func (p *people) Limits() announce.Limits {
	l := p.account.Limits()
	l.Personal, l.Text = true, l.Text-2*markup.Room // it stands there twice
	return l
}

// in is the publisher of one direct room.
func (p *people) in(ctx context.Context, room string) (*publisher, error) {
	user, err := p.whoami(ctx)
	if err != nil {
		return nil, err
	}
	a := p.account
	return &publisher{client: a.client, named: user, notice: a.notice, reader: a.reader, person: true, home: home{room, user}}, nil
}

func (p *people) whoami(ctx context.Context) (string, error) {
	p.mu.Lock()
	user := p.user
	p.mu.Unlock()
	if user != "" {
		return user, nil
	}
	user, err := p.account.whoami(ctx)
	if err == nil {
		p.mu.Lock()
		p.user = user
		p.mu.Unlock()
	}
	return user, err
}

// Publish writes the message once to the person. A room with them is opened before, when there is none.
func (p *people) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	room, err := p.room(ctx, m.To, true)
	if err != nil {
		return announce.Receipt{}, err
	}
	r, err := p.in(ctx, room)
	if err != nil {
		return announce.Receipt{}, err
	}
	if err := r.seat(ctx, m.To, m.Kind == announce.KindConfirm); err != nil {
		return announce.Receipt{}, err
	}
	m.Text = markup.Own(m)
	return r.Publish(ctx, m)
}

// Amend replaces the message.
func (p *people) Amend(ctx context.Context, old announce.Receipt, m announce.Message) (announce.Receipt, error) {
	room, _, err := split(old)
	if err != nil {
		return announce.Receipt{}, err
	}
	r, err := p.in(ctx, room)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Text = markup.Own(m)
	return r.Amend(ctx, old, m)
}

// Retract redacts the message.
func (p *people) Retract(ctx context.Context, old announce.Receipt) error {
	room, _, err := split(old)
	if err != nil {
		return err
	}
	r, err := p.in(ctx, room)
	if err != nil {
		return err
	}
	return r.Retract(ctx, old)
}

// Find reads what the account wrote in the direct room since then. It opens none.
func (p *people) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	room, err := p.room(ctx, m.To, false)
	if err != nil || room == "" {
		return announce.Receipt{}, false, err
	}
	r, err := p.in(ctx, room)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	return r.Find(ctx, m, since)
}

// Check asks the homeserver who the account is, and which direct rooms it has.
func (p *people) Check(ctx context.Context) (announce.Report, error) {
	user, err := p.account.whoami(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	_, err = p.directs(ctx, user)
	return announce.Report{Identity: user + ", in direct rooms"}, err
}

// membership is what a person is in the room; empty: nothing, they were never invited.
func (p *publisher) membership(ctx context.Context, person string) (string, error) {
	var member struct {
		Membership string `json:"membership"`
	}
	_, err := p.state(ctx, p.home.room, &member, "m.room.member", person)
	return member.Membership, err
}

// here reports whether a membership lets somebody read in the room, now or when they accept.
func here(membership string) bool { return membership == "join" || membership == "invite" }

// outside reports whether err says that the account is not in the room.
func outside(err error) bool {
	var e *announce.Error
	return errors.As(err, &e) && (e.Status == forbidden || e.Status == "M_UNSUPPORTED_ROOM_VERSION")
}

// seat makes sure that the person is in the room or invited. They are invited when that failed as the room was opened, and
// again when they left and asked to be written to since.
func (p *publisher) seat(ctx context.Context, person string, asked bool) error {
	gone := func(why string) error {
		return &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Fault: why}
	}
	membership, err := p.membership(ctx, person)
	switch {
	case outside(err):
		return gone("the person sent the bot out of their Matrix room")
	case err != nil || here(membership):
		return err
	case membership != "" && !asked:
		return gone("the person left the Matrix room with the bot, or declined the invitation")
	}
	_, err = p.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: roomPath(p.home.room, "invite"), Body: map[string]string{"user_id": person}, Classify: p.classify(aboutPerson, p.home.room),
	})
	return err
}

// room is the direct room with a person: one that the account's m.direct names, and, with open, a new one when it names
// none. However many ask at once, one room is opened. Empty: there is none.
func (p *people) room(ctx context.Context, person string, open bool) (string, error) {
	if !userName.MatchString(person) || len(person) > 255 {
		return "", &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Fault: "this is not the ID of a person in Matrix: @name:example.org"}
	}
	p.mu.Lock()
	room := p.rooms[person]
	p.mu.Unlock()
	if room != "" {
		return room, nil
	}
	user, err := p.whoami(ctx)
	if err != nil {
		return "", err
	}
	select {
	case p.opening <- struct{}{}:
		defer func() { <-p.opening }()
	case <-ctx.Done():
		return "", &announce.Error{Outcome: announce.Temporary, Err: ctx.Err(), Fault: "the call ended before a Matrix room was opened: it will be tried again"}
	}
	directs, err := p.directs(ctx, user)
	if err != nil {
		return "", err
	}
	if room, err = p.pick(ctx, directs[person], person); err != nil || room == "" && !open {
		return "", err
	}
	if room == "" {
		if room, err = p.open(ctx, user, person); err != nil {
			return "", err
		}
		if !slices.Contains(directs[person], room) {
			directs[person] = append(directs[person], room)
			if err = p.note(ctx, user, directs); err != nil {
				return "", err
			}
		}
	}
	p.mu.Lock()
	p.rooms[person] = room
	p.mu.Unlock()
	return room, nil
}

// pick is the first of the rooms that the person is in; else the last that they left; empty: the account is in none.
func (p *people) pick(ctx context.Context, rooms []string, person string) (string, error) {
	left := ""
	for _, room := range rooms {
		r, err := p.in(ctx, room)
		if err != nil {
			return "", err
		}
		membership, err := r.membership(ctx, person)
		switch {
		case outside(err):
		case err != nil:
			return "", err
		case here(membership):
			return room, nil
		default:
			left = room
		}
	}
	return left, nil
}

func directPath(user string) string {
	return clientAPI + "/user/" + url.PathEscape(user) + "/account_data/m.direct"
}

// directs is the account's m.direct: rooms by person (https://spec.matrix.org/v1.15/client-server-api/#mdirect).
func (p *people) directs(ctx context.Context, user string) (map[string][]string, error) {
	all := map[string][]string{}
	_, err := p.account.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: directPath(user), Into: &all, Classify: p.account.classify(aboutState, "")})
	if gone(err) || err == nil && all == nil { // nothing, or null
		return map[string][]string{}, nil
	}
	return all, err
}

func (p *people) note(ctx context.Context, user string, all map[string][]string) error {
	_, err := p.account.client.Do(ctx, rest.Call{Method: http.MethodPut, Path: directPath(user), Body: all, Classify: p.account.classify(aboutState, "")})
	return err
}

// open opens a direct room and invites the person. Its alias follows from the person, so that after a lost answer the room
// is found and no second one opened; nobody who lacks the token can tell from an alias whose it is.
func (p *people) open(ctx context.Context, user, person string) (string, error) {
	mac := hmac.New(sha256.New, []byte(p.token.Reveal()))
	_, _ = mac.Write([]byte(person)) // a hash takes everything
	local := "crieur-" + hex.EncodeToString(mac.Sum(nil)[:16])
	var made struct {
		Room string `json:"room_id"`
	}
	_, err := p.account.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: clientAPI + "/createRoom", Into: &made, Classify: p.account.classify(aboutPerson, ""),
		Body: map[string]any{"preset": "trusted_private_chat", "is_direct": true, "invite": []string{person}, "room_alias_name": local},
	})
	var e *announce.Error
	if errors.As(err, &e) && e.Status == inUse {
		_, server, _ := strings.Cut(user, ":")
		return (&publisher{client: p.account.client, named: "#" + local + ":" + server, person: true}).resolve(ctx)
	}
	if err == nil && !strings.HasPrefix(made.Room, "!") {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Matrix does not say which room it opened: it will be asked again"}
	}
	return made.Room, err
}
