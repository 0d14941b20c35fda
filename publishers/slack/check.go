package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Check asks Slack who the token is, what it may do, and whether it is in the channel.
func (b *bot) Check(ctx context.Context) (announce.Report, error) {
	watched, x := rest.Watch(ctx)
	who, err := b.api.AuthTestContext(watched)
	if err := b.client.Judge(x, err, false, classify(false, false)); err != nil {
		return announce.Report{}, err
	}
	r := announce.Report{Identity: fmt.Sprintf("%s in %s", who.User, who.Team)}
	if who.BotID == "" {
		r.Findings = append(r.Findings, announce.Finding{What: "the token belongs to a person, so posts appear under that name", Do: "use the Bot User OAuth Token (xoxb-...) of your Slack app"})
	}
	granted := scopes(x.Header())
	has := func(scope string) bool { return slices.Contains(granted, scope) }
	lacks := func(severe bool, scope, what string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: "the scope " + scope + " is missing: " + what, Do: "add it under OAuth & Permissions of your Slack app, then install the app again"})
	}
	if !has("chat:write") {
		lacks(true, "chat:write", "nothing can be posted")
	}
	if !has(filesWrite) || !has(filesRead) {
		missing := slices.DeleteFunc([]string{filesWrite, filesRead}, has)
		lacks(false, strings.Join(missing, " and "), "pictures cannot be uploaded; one without a public address that Slack can read is replaced by its text alternative")
	}
	c, err := b.conversation(ctx)
	var e *announce.Error
	switch {
	case errors.As(err, &e) && e.Outcome != announce.Permanent:
		return r, err
	case e != nil && e.Status == "missing_scope":
		lacks(false, "channels:read (groups:read for a private channel)", "the channel cannot be checked")
	case e != nil:
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: "Slack says " + e.Status + " of the channel " + b.channel, Do: "check CHANNEL, and write /invite @" + who.User + " in that channel"})
		return r, nil
	}
	history := "channels:history"
	if c != nil {
		if c.IsPrivate {
			history = "groups:history"
		}
		member(&r, c, who.User, has("chat:write.public"))
	}
	if !has(history) && (c != nil || !has("groups:history")) {
		lacks(false, history, "after a lost connection nobody but a person can tell whether a post appeared")
	}
	return r, nil
}

// What pictures take: to upload them, and to learn when they can be shown.
const filesWrite, filesRead = "files:write", "files:read"

// scopes are the rights of the token, as every answer says them.
func scopes(h http.Header) []string {
	return strings.FieldsFunc(h.Get("X-Oauth-Scopes"), func(r rune) bool { return r == ',' || r == ' ' })
}

func member(r *announce.Report, c *slackgo.Channel, user string, anywhere bool) {
	switch {
	case c.IsArchived:
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: "the channel #" + c.Name + " is archived", Do: "unarchive it, or set another CHANNEL"})
	case c.IsMember:
	case anywhere && !c.IsPrivate:
		r.Findings = append(r.Findings, announce.Finding{What: "the app is not in #" + c.Name + ": it can post there, but not look for its posts", Do: "write /invite @" + user + " in the channel"})
	default:
		r.Findings = append(r.Findings, announce.Finding{Severe: true, What: "the app is not in #" + c.Name, Do: "write /invite @" + user + " in the channel"})
	}
}

func (b *bot) conversation(ctx context.Context) (*slackgo.Channel, error) {
	watched, x := rest.Watch(ctx)
	c, err := b.api.GetConversationInfoContext(watched, &slackgo.GetConversationInfoInput{ChannelID: b.channel})
	if err := b.client.Judge(x, err, false, classify(false, true)); err != nil {
		return nil, err
	}
	return c, nil
}
