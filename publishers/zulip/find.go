package zulip

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

const (
	page     = 100
	maxPages = 30
	skew     = 2 * time.Minute // between this machine's clock and the server's
)

// Find reads what the bot wrote in the channel since then and looks for a message that says the same, word for word, in the
// topic of m, unless somebody has moved it: Zulip gives a message no room for a key.
func (p *publisher) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	me, err := p.me(ctx)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	narrow, err := json.Marshal([]map[string]any{{"operator": "stream", "operand": p.channel}, {"operator": "sender", "operand": me.ID}})
	if err != nil {
		return announce.Receipt{}, false, &announce.Error{Outcome: announce.Permanent, Fault: "Zulip: the request could not be composed; this is a fault of the program", Err: err}
	}
	pictures := make([]string, len(m.Images))
	for i := range pictures {
		pictures[i] = "/user_uploads/x"
	}
	want, oldest := compose(p.reader, m, pictures), since.Add(-skew).Unix()
	q := url.Values{"anchor": {"newest"}, "num_before": {strconv.Itoa(page)}, "num_after": {"0"}, "narrow": {string(narrow)}, "apply_markdown": {"false"}}
	for range maxPages {
		var got struct {
			Messages *[]struct { // oldest first; nil: not the answer that was asked for
				ID      int64  `json:"id"`
				Content string `json:"content"`
				Topic   string `json:"subject"`
				At      int64  `json:"timestamp"`            // in seconds
				Edited  int64  `json:"last_edit_timestamp"`  // moved, too, on servers before 2025
				Moved   int64  `json:"last_moved_timestamp"` // to another topic
			} `json:"messages"`
			First bool `json:"found_oldest"`
		}
		_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/messages", Query: q, Into: &got, Classify: p.classify(aboutChannel)})
		if err != nil {
			return announce.Receipt{}, false, err
		}
		if got.Messages == nil {
			return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "Zulip gave no list of messages: it is looked at again"}
		}
		seen := *got.Messages
		for i := len(seen) - 1; i >= 0; i-- {
			x := seen[i]
			if here := x.Edited != 0 || x.Moved != 0 || strings.EqualFold(x.Topic, p.subject(m)); here && x.At >= oldest && same(x.Content, want) {
				return p.receipt(x.ID, time.Unix(x.At, 0).UTC()), true, nil
			}
		}
		if got.First || len(seen) == 0 || seen[0].At < oldest {
			return announce.Receipt{}, false, nil
		}
		q.Set("anchor", strconv.FormatInt(seen[0].ID-1, 10))
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "so much was written in the Zulip channel since then that the message could not be looked for: look for it yourself, then settle the delivery"}
}

// account is the bot, as the server knows it.
type account struct {
	ID    int64  `json:"user_id"`
	Name  string `json:"full_name"`
	Bot   bool   `json:"is_bot"`
	Admin bool   `json:"is_admin"`
	Role  int    `json:"role"` // the smaller, the more it may
}

func (p *publisher) me(ctx context.Context) (account, error) {
	var me account
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/users/me", Into: &me, Classify: p.classify(aboutAccount)})
	if err == nil && me.ID == 0 {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Zulip does not say who the bot is: it will be asked again"}
	}
	return me, err
}

// visible makes sure that the bot sees the channel.
func (p *publisher) visible(ctx context.Context) error {
	n, err := p.number(ctx)
	if err == nil {
		_, err = p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/streams/" + strconv.FormatInt(n, 10), Classify: p.classify(aboutChannel)})
	}
	return err
}

// number is the channel's.
func (p *publisher) number(ctx context.Context) (int64, error) {
	if n, ok := p.channel.(int); ok {
		return int64(n), nil
	}
	var found struct {
		ID int64 `json:"stream_id"`
	}
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/get_stream_id", Query: url.Values{"stream": {p.channel.(string)}}, Into: &found, Classify: p.classify(aboutChannel)})
	if err == nil && found.ID == 0 {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Zulip does not say which channel " + p.label + " is: it will be asked again"}
	}
	return found.ID, err
}
