package discord

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// The permissions that matter here, as bits of Discord's number.
const (
	administrator = 1 << 3
	viewChannel   = 1 << 10
	sendMessages  = 1 << 11
	embedLinks    = 1 << 14
	attachFiles   = 1 << 15
	readHistory   = 1 << 16
	sendInThreads = 1 << 38
	createEvents  = 1 << 44
)

// user is who a bot is.
type user struct {
	ID       string `json:"id"`
	Username string `json:"username"`
}

// place is a channel as Discord gives it.
type place struct {
	ID         string      `json:"id"`
	Type       int         `json:"type"`
	Name       string      `json:"name"`
	Guild      string      `json:"guild_id"`
	Parent     string      `json:"parent_id"`
	Overwrites []overwrite `json:"permission_overwrites"`
}

func (p place) thread() bool { return p.Type >= 10 && p.Type <= 12 }

// overwrite changes permissions in one channel, for a role or a person.
type overwrite struct {
	ID    string `json:"id"`
	Allow bits   `json:"allow"`
	Deny  bits   `json:"deny"`
}

// bits are permissions, which Discord writes as a string.
type bits uint64

func (b *bits) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(raw), `"`), 10, 64)
	*b = bits(n)
	return err
}

func (b bits) has(one bits) bool { return b&one == one || b&administrator != 0 }

// guild is a server as Discord gives it.
type guild struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Roles []struct {
		ID          string `json:"id"`
		Permissions bits   `json:"permissions"`
	} `json:"roles"`
}

func (a api) get(ctx context.Context, path string, into any) error {
	_, err := a.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: path, Into: into, Classify: classify(botSays, false)})
	return err
}

func (a api) self(ctx context.Context) (u user, err error) {
	err = a.get(ctx, "/users/@me", &u)
	if err == nil && u.ID == "" {
		err = unsure(false, "Discord's answer cannot be understood", "")
	}
	return u, err
}

func (b *bot) place(ctx context.Context, channel string) (p place, err error) {
	return p, b.get(ctx, "/channels/"+channel, &p)
}

// rights are the permissions of a member on a server.
func (a api) rights(ctx context.Context, server, member string) (g guild, roles []string, all bits, err error) {
	if err := a.get(ctx, "/guilds/"+server, &g); err != nil {
		return g, nil, 0, err
	}
	var m struct {
		Roles []string `json:"roles"`
	}
	if err := a.get(ctx, "/guilds/"+server+"/members/"+member, &m); err != nil {
		return g, nil, 0, err
	}
	roles = append(m.Roles, server) // everybody's role has the server's number
	for _, r := range g.Roles {
		if slices.Contains(roles, r.ID) {
			all |= r.Permissions
		}
	}
	return g, roles, all, nil
}

// within are permissions as a channel changes them: those of everybody first, then of roles, then of the member.
func (p place) within(all bits, server string, roles []string, member string) bits {
	var allow, deny bits
	for _, o := range p.Overwrites {
		if o.ID == server {
			all = all&^o.Deny | o.Allow
		} else if slices.Contains(roles, o.ID) {
			allow, deny = allow|o.Allow, deny|o.Deny
		}
	}
	all = all&^deny | allow
	for _, o := range p.Overwrites {
		if o.ID == member {
			all = all&^o.Deny | o.Allow
		}
	}
	return all
}

// may finds out what the bot may do in its channel.
func (b *bot) may(ctx context.Context, me user) (p place, all bits, err error) {
	if p, err = b.place(ctx, b.channel); err != nil || p.Guild == "" {
		return p, 0, err
	}
	ruled := p // a thread has the permissions of its channel
	if p.thread() && p.Parent != "" {
		if ruled, err = b.place(ctx, p.Parent); err != nil {
			return p, 0, err
		}
	}
	_, roles, all, err := b.rights(ctx, p.Guild, me.ID)
	if err != nil {
		return p, 0, err
	}
	if all.has(administrator) {
		return p, all, nil
	}
	return p, ruled.within(all, p.Guild, roles, me.ID), nil
}

// readable is nil when an empty channel can be believed: without the right to its history Discord shows no message at all.
func (b *bot) readable(ctx context.Context) error {
	me, err := b.self(ctx)
	if err != nil {
		return err
	}
	_, all, err := b.may(ctx, me)
	if err != nil {
		return err
	}
	if !all.has(readHistory) {
		return &announce.Error{Outcome: announce.Permanent, Fault: "the bot may not read the Discord channel's history, so it cannot look whether the post appeared: give it the permission Read Message History, or look yourself and settle the delivery"}
	}
	return nil
}

// permanently reports whether a look was refused for good, and with what; a dead token is another matter.
func permanently(err error) (refused bool, status string) {
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Fault == string(botSays) {
		return false, ""
	}
	return true, e.Status
}

// Check asks Discord who the bot is, and what it may do in the channel.
func (b *bot) Check(ctx context.Context) (announce.Report, error) {
	me, err := b.self(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	r := announce.Report{Identity: me.Username}
	p, all, err := b.may(ctx, me)
	if refused, status := permanently(err); refused {
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: "Discord does not show the channel " + b.channel + " to " + me.Username + " (" + status + ")", Do: "check CHANNEL, invite the bot to the server, and let it view the channel"})
		return r, nil
	} else if err != nil {
		return r, err
	}
	r.Identity += " in #" + p.Name
	write := bits(sendMessages)
	if p.thread() {
		write = sendInThreads
	}
	for _, x := range []struct {
		right  bits
		called string
		severe bool
		then   string
	}{
		{viewChannel, "View Channel", true, "nothing can be posted"},
		{write, "Send Messages", true, "nothing can be posted"},
		{attachFiles, "Attach Files", true, "nothing with a picture can be posted"},
		{readHistory, "Read Message History", false, "after a lost connection nobody but a person can tell whether a post appeared"},
		{embedLinks, "Embed Links", false, "links have no preview"},
	} {
		if !all.has(x.right) {
			r.Findings = append(r.Findings, announce.Finding{Severe: x.severe, What: me.Username + " lacks the permission " + x.called + " in #" + p.Name + ": " + x.then, Do: "give it to the bot's role (channel settings, Permissions)"})
		}
	}
	if p.Type == 15 || p.Type == 16 {
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: "#" + p.Name + " is a forum, in which nobody can write but in its posts", Do: "set CHANNEL to the number of one of its posts, or choose a text channel"})
	}
	return r, nil
}
