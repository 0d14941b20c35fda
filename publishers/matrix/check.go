package matrix

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Check asks the homeserver who the account is, whether it is in the room, and whether it may write there.
func (p *publisher) Check(ctx context.Context) (announce.Report, error) {
	h, err := p.where(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	r := announce.Report{Identity: h.user + " in " + p.named}
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	var member struct {
		Membership string `json:"membership"`
	}
	there, err := p.state(ctx, h.room, &member, "m.room.member", h.user)
	var e *announce.Error
	outside := errors.As(err, &e) && e.Status == forbidden
	switch {
	case err != nil && !outside:
		return r, err
	case outside, !there, member.Membership != "join":
		add(true, h.user+" is not in the room "+p.named, "invite "+h.user+" to the room, and let it join: log in as the bot once and accept, or let its homeserver accept invitations by itself")
		return r, nil
	}
	var replaced struct {
		By string `json:"replacement_room"`
	}
	if there, err = p.state(ctx, h.room, &replaced, "m.room.tombstone"); err != nil {
		return r, err
	} else if there {
		add(true, "the room "+p.named+" was upgraded: everybody has moved to "+replaced.By, "let the bot join the new room, and set ROOM to it")
		return r, nil
	}
	var secret struct {
		Algorithm string `json:"algorithm"`
	}
	if there, err = p.state(ctx, h.room, &secret, "m.room.encryption"); err != nil {
		return r, err
	} else if there {
		add(false, "the room is encrypted and Crieur writes in the clear: people's apps warn of its posts, and some hide them", "announce in a room without encryption; it cannot be switched off in a room that has it")
	}
	may, err := p.mayWrite(ctx, h)
	if err != nil {
		return r, err
	}
	if !may {
		add(true, h.user+" may not write in the room: its power level is too low", "give it a higher role, or lower the level for sending messages (room settings, Roles & Permissions)")
	}
	return r, nil
}

// mayWrite compares the account's power with what a message and a redaction of its own ask for.
func (p *publisher) mayWrite(ctx context.Context, h home) (bool, error) {
	var l struct {
		Users   map[string]int `json:"users"`
		User    int            `json:"users_default"`
		Events  map[string]int `json:"events"`
		Default int            `json:"events_default"`
	}
	there, err := p.state(ctx, h.room, &l, "m.room.power_levels")
	if err != nil || !there {
		return true, err // without levels everybody may write
	}
	mine, ok := l.Users[h.user]
	if !ok {
		mine = l.User
	}
	need, ok := l.Events["m.room.message"]
	if !ok {
		need = l.Default
	}
	if mine >= need {
		return true, nil
	}
	return p.made(ctx, h)
}

// made reports whether the account is a creator of the room, above all levels: since version 12, whose rooms are named by
// their first event.
func (p *publisher) made(ctx context.Context, h home) (bool, error) {
	if strings.Contains(h.room, ":") {
		return false, nil
	}
	var first struct {
		Sender  string `json:"sender"`
		Content struct {
			Others []string `json:"additional_creators"`
		} `json:"content"`
	}
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: roomPath(h.room, "event", "$"+h.room[1:]), Into: &first, Classify: p.classify(aboutState, h.room)})
	if gone(err) {
		return false, nil
	}
	return first.Sender == h.user || slices.Contains(first.Content.Others, h.user), err
}

// state reads one thing that holds in the room; false when it does not.
func (p *publisher) state(ctx context.Context, room string, into any, kind ...string) (bool, error) {
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: roomPath(room, append([]string{"state"}, kind...)...), Into: into, Classify: p.classify(aboutState, room)})
	if gone(err) {
		return false, nil
	}
	return err == nil, err
}
