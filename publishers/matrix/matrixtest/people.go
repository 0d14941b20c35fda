package matrixtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// direct is a room of the bot's with one person.
type direct struct {
	room, alias, person string
	membership          string // the person's: invite, join, leave; empty: the invitation failed
	expelled            bool   // the bot
}

// direct is the direct room with this ID, or nil. p.mu is held.
func (p *Platform) direct(room string) *direct {
	if i := slices.IndexFunc(p.directs, func(d *direct) bool { return d.room == room }); i >= 0 {
		return p.directs[i]
	}
	return nil
}

// called is the direct room with this alias, or nil. p.mu is held.
func (p *Platform) called(alias string) *direct {
	if i := slices.IndexFunc(p.directs, func(d *direct) bool { return d.alias == alias }); i >= 0 {
		return p.directs[i]
	}
	return nil
}

// Directs is how many direct rooms there are with a person.
func (p *Platform) Directs(person string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, d := range p.directs {
		if d.person == person {
			n++
		}
	}
	return n
}

// Recorded is what m.direct of the bot says of a person.
func (p *Platform) Recorded(person string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.recorded[person])
}

// Enter lets a person change their membership of every direct room with the bot: join, leave.
func (p *Platform) Enter(person, membership string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.directs {
		if d.person == person {
			d.membership = membership
		}
	}
}

// Expel lets a person send the bot out of every direct room with them.
func (p *Platform) Expel(person string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.directs {
		d.expelled = d.expelled || d.person == person
	}
}

// Away lets a person's homeserver not be reached, or be there again: nobody can be invited from it.
func (p *Platform) Away(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// invite asks the person in, or answers that their homeserver cannot be reached. p.mu is held.
func (p *Platform) invite(w http.ResponseWriter, d *direct) bool {
	if p.away {
		refuse(w, http.StatusBadGateway, "M_UNKNOWN", "Failed to reach the homeserver of "+d.person)
		return false
	}
	d.membership = "invite"
	return true
}

// inviteAgain asks somebody in who left, or was never asked.
func (p *Platform) inviteAgain(w http.ResponseWriter, r *http.Request) {
	var in struct {
		User string `json:"user_id"`
	}
	d := p.direct(r.PathValue("room"))
	switch {
	case json.NewDecoder(r.Body).Decode(&in) != nil || d == nil || in.User != d.person:
		refuse(w, http.StatusBadRequest, "M_INVALID_PARAM", "this simulation invites the person of a direct room only")
	case d.membership == "join":
		refuse(w, http.StatusForbidden, "M_FORBIDDEN", d.person+" is already in the room.")
	case p.invite(w, d):
		answer(w, struct{}{})
	}
}

func (p *Platform) createRoom(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Preset string   `json:"preset"`
		Direct bool     `json:"is_direct"`
		Invite []string `json:"invite"`
		Alias  string   `json:"room_alias_name"`
	}
	body, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	alias := "#" + in.Alias + ":matrix.example"
	if err == nil {
		err = json.Unmarshal(body, &in)
		alias = "#" + in.Alias + ":matrix.example"
	}
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "M_BAD_JSON", "the body is no JSON object")
	case in.Preset != "trusted_private_chat" || !in.Direct || len(in.Invite) != 1:
		refuse(w, http.StatusBadRequest, "M_INVALID_PARAM", "this simulation opens direct rooms only")
	case strings.HasPrefix(in.Invite[0], "@nobody:"):
		refuse(w, http.StatusForbidden, "M_FORBIDDEN", "the user cannot be invited")
	case in.Alias != "" && p.called(alias) != nil:
		refuse(w, http.StatusBadRequest, "M_ROOM_IN_USE", "Room alias already exists.")
	default:
		d := &direct{room: fmt.Sprintf("!direct%d:matrix.example", len(p.directs)+1), person: in.Invite[0]}
		if in.Alias != "" {
			d.alias = alias
		}
		p.directs = append(p.directs, d)
		if p.invite(w, d) {
			answer(w, map[string]string{"room_id": d.room})
		}
	}
}

func (p *Platform) readDirects(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.PathValue("user") != User:
		refuse(w, http.StatusForbidden, "M_FORBIDDEN", "Cannot get account data for other users.")
	case p.recorded == nil:
		refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Account data not found")
	default:
		answer(w, p.recorded)
	}
}

func (p *Platform) writeDirects(w http.ResponseWriter, r *http.Request) {
	var all map[string][]string
	body, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.PathValue("user") != User:
		refuse(w, http.StatusForbidden, "M_FORBIDDEN", "Cannot add account data for other users.")
	case err != nil || json.Unmarshal(body, &all) != nil:
		refuse(w, http.StatusBadRequest, "M_BAD_JSON", "the body is no JSON object")
	default:
		p.recorded = all
		answer(w, struct{}{})
	}
}
