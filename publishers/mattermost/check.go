package mattermost

import (
	"context"
	"errors"
	"net/http"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Check asks Mattermost who the token is, and whether that account is in the channel.
func (b *bot) Check(ctx context.Context) (announce.Report, error) {
	var me struct {
		Name string `json:"username"`
		Bot  bool   `json:"is_bot"`
	}
	if err := b.read(ctx, "/api/v4/users/me", &me); err != nil {
		return announce.Report{}, err
	}
	if me.Name == "" {
		return announce.Report{}, &announce.Error{Outcome: announce.Temporary, Fault: "Mattermost does not say who the account is: it will be asked again"}
	}
	r := announce.Report{Identity: "@" + me.Name}
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if !me.Bot {
		add(false, "the token belongs to a person, so posts appear under that name", "make a bot account (Integrations, Bot Accounts) and use its token")
	}
	var channel struct {
		Name    string `json:"display_name"`
		Deleted int64  `json:"delete_at"`
	}
	switch err := b.read(ctx, "/api/v4/channels/"+b.channel, &channel); {
	case unknown(err):
		add(true, "Mattermost does not know the channel "+b.channel+", or hides it from @"+me.Name, "check CHANNEL, and add @"+me.Name+" to the team and to the channel")
		return r, nil
	case err != nil:
		return r, err
	case channel.Deleted > 0:
		add(true, "the channel "+channel.Name+" is archived", "unarchive it, or set another CHANNEL")
		return r, nil
	}
	r.Identity += " in " + channel.Name
	var member struct {
		User string `json:"user_id"`
	}
	switch err := b.read(ctx, "/api/v4/channels/"+b.channel+"/members/me", &member); {
	case unknown(err):
		add(true, "@"+me.Name+" is not in the channel "+channel.Name, "add it there: channel menu, Members, Add")
	case err != nil:
		return r, err
	}
	return r, nil
}

func (b *bot) read(ctx context.Context, path string, into any) error {
	_, err := b.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: path, Into: into, Classify: classify(aboutChannel)})
	return err
}

// unknown reports whether err says that there is no such thing for the account.
func unknown(err error) bool { return errors.Is(err, errAbsent) || errors.Is(err, errForbidden) }
