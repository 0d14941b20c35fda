package matrix

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const clientAPI = "/_matrix/client/v3"

func roomPath(room string, parts ...string) string {
	path := clientAPI + "/rooms/" + url.PathEscape(room)
	for _, s := range parts {
		path += "/" + url.PathEscape(s)
	}
	return path
}

// where is the room's ID and the account's. They are asked for once.
func (p *publisher) where(ctx context.Context) (home, error) {
	p.mu.Lock()
	h := p.home
	p.mu.Unlock()
	if h != (home{}) {
		return h, nil
	}
	user, err := p.whoami(ctx)
	if err != nil {
		return home{}, err
	}
	room, err := p.resolve(ctx)
	if err != nil {
		return home{}, err
	}
	h = home{room, user}
	p.mu.Lock()
	p.home = h
	p.mu.Unlock()
	return h, nil
}

func (p *publisher) whoami(ctx context.Context) (string, error) {
	var me struct {
		User string `json:"user_id"`
	}
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: clientAPI + "/account/whoami", Into: &me, Classify: p.classify(aboutAccount, "")})
	if err == nil && !strings.HasPrefix(me.User, "@") {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Matrix does not say who the account is: it will be asked again"}
	}
	return me.User, err
}

func (p *publisher) resolve(ctx context.Context) (string, error) {
	if strings.HasPrefix(p.named, "!") {
		return p.named, nil
	}
	var found struct {
		Room string `json:"room_id"`
	}
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: clientAPI + "/directory/room/" + url.PathEscape(p.named), Into: &found, Classify: p.classify(aboutAlias, "")})
	if err == nil && !strings.HasPrefix(found.Room, "!") {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Matrix does not say which room " + p.named + " is: it will be asked again"}
	}
	return found.Room, err
}

const (
	page     = 100
	maxPages = 30
	skew     = 2 * time.Minute // between this machine's clock and the homeserver's
)

// event is a message in the room's history.
type event struct {
	ID      string `json:"event_id"`
	Sender  string `json:"sender"`
	At      int64  `json:"origin_server_ts"`
	Content struct {
		Delivery string    `json:"io.github.crieur.delivery_id"`
		Relates  *relation `json:"m.relates_to"`
	} `json:"content"`
}

// Find reads what the account wrote in the room since then and looks for the message's key.
func (p *publisher) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	h, err := p.where(ctx)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	filter, err := json.Marshal(map[string]any{"types": []string{"m.room.message"}, "senders": []string{h.user}, "limit": page})
	if err != nil {
		return announce.Receipt{}, false, &announce.Error{Outcome: announce.Permanent, Fault: "Matrix: the request could not be composed; this is a fault of the program", Err: err}
	}
	oldest := since.Add(-skew).UnixMilli()
	q := url.Values{"dir": {"b"}, "limit": {strconv.Itoa(page)}, "filter": {string(filter)}}
	for range maxPages {
		var got struct {
			Chunk *[]event `json:"chunk"` // nil: not the answer that was asked for
			End   string   `json:"end"`
		}
		_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: roomPath(h.room, "messages"), Query: q, Into: &got, Classify: p.classify(aboutPost, h.room)})
		if err != nil {
			return announce.Receipt{}, false, err
		}
		if got.Chunk == nil {
			return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "Matrix gave no list of messages: it is looked at again"}
		}
		past := len(*got.Chunk) > 0
		for _, e := range *got.Chunk {
			past = past && e.At < oldest
			if e.At >= oldest && e.Sender == h.user && e.Content.Delivery == m.Key && m.Key != "" && e.Content.Relates == nil {
				return p.receipt(h.room, e.ID, time.UnixMilli(e.At).UTC()), true, nil
			}
		}
		if past || got.End == "" || got.End == q.Get("from") {
			return announce.Receipt{}, false, nil
		}
		q.Set("from", got.End)
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "so much was written in the Matrix room since then that the post could not be looked for: look for it yourself, then settle the delivery"}
}
