package zulip

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Who may post in a channel, of servers before 2025.
const (
	adminsOnly     = 2
	moderatorsOnly = 4
	moderator      = 300 // a role
)

// Check asks Zulip who the bot is, whether it may post in the channel, and how long it may edit and delete.
func (p *publisher) Check(ctx context.Context) (announce.Report, error) {
	me, err := p.me(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	r := announce.Report{Identity: me.Name + " in " + p.label}
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if !me.Bot {
		add(false, "the key belongs to a person, so posts appear under that name", "make a bot (Personal settings, Bots) and use its address and key")
	}
	var channel struct {
		Stream struct {
			Archived bool `json:"is_archived"`
			Policy   int  `json:"stream_post_policy"`
		} `json:"stream"`
	}
	n, err := p.number(ctx)
	if err == nil {
		_, err = p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/streams/" + strconv.FormatInt(n, 10), Into: &channel, Classify: p.classify(aboutChannel)})
	}
	switch {
	case refused(err):
		add(true, "Zulip does not know the channel "+p.label+", or hides it from the bot", "check STREAM, and subscribe the bot to the channel if it is private")
		return r, nil
	case err != nil:
		return r, err
	case channel.Stream.Archived:
		add(true, "the channel "+p.label+" is archived", "unarchive it, or set another STREAM")
		return r, nil
	case channel.Stream.Policy == adminsOnly && !me.Admin, channel.Stream.Policy == moderatorsOnly && me.Role > moderator:
		add(true, "the bot may not post in the channel "+p.label, "let it post (channel settings, Permissions), or give the bot a role that may")
	}
	return r, p.deadlines(ctx, me, add)
}

// deadlines tells what the organisation does not allow later. It asks for the settings by way of an event queue, which is
// taken away at once.
func (p *publisher) deadlines(ctx context.Context, me account, add func(severe bool, what, do string)) error {
	var realm struct {
		Queue    string `json:"queue_id"`
		Edit     *bool  `json:"realm_allow_message_editing"`
		Editing  int    `json:"realm_message_content_edit_limit_seconds"`   // null or 0: for ever
		Deleting int    `json:"realm_message_content_delete_limit_seconds"` // null or 0: for ever
	}
	_, err := p.client.Do(ctx, form(http.MethodPost, "/register", url.Values{"event_types": {`["realm"]`}, "fetch_event_types": {`["realm"]`}}, rest.Call{Into: &realm, Classify: p.classify(aboutAccount)}))
	if refused(err) {
		return nil // a server that tells a bot nothing
	}
	if err != nil {
		return err
	}
	if realm.Queue != "" {
		_, _ = p.client.Do(ctx, form(http.MethodDelete, "/events", url.Values{"queue_id": {realm.Queue}}, rest.Call{})) // else it ends by itself in ten minutes
	}
	const where = " (Organization settings, Organization permissions, Message editing)"
	switch {
	case realm.Edit != nil && !*realm.Edit:
		add(false, "nobody may edit messages in this organisation: corrections are refused", "allow it"+where)
	case realm.Editing > 0:
		add(false, fmt.Sprintf("messages may be edited for %s only: later corrections are refused", time.Duration(realm.Editing)*time.Second), "set the time limit for editing to Any time"+where)
	}
	if realm.Deleting > 0 && !me.Admin {
		add(false, fmt.Sprintf("messages may be deleted for %s only: what is taken back later stays", time.Duration(realm.Deleting)*time.Second), "set the time limit for deleting to Any time"+where+", or make the bot an administrator")
	}
	return nil
}
