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

// standing is what a check found out about the token.
type standing struct {
	announce.Report
	user    string
	granted []string
}

func (s *standing) add(severe bool, what, do string) {
	s.Findings = append(s.Findings, announce.Finding{Severe: severe, What: what, Do: do})
}

func (s *standing) has(scope string) bool { return slices.Contains(s.granted, scope) }

func (s *standing) lacks(severe bool, scope, what string) {
	s.add(severe, "the scope "+scope+" is missing: "+what, "add it under OAuth & Permissions of your Slack app, then install the app again")
}

// whoami asks Slack who the token is, and what it may do wherever it posts.
func (b *bot) whoami(ctx context.Context) (standing, error) {
	watched, x := rest.Watch(ctx)
	who, err := b.api.AuthTestContext(watched)
	if err := b.client.Judge(x, err, false, classify(false, false)); err != nil {
		return standing{}, err
	}
	s := standing{user: who.User, granted: scopes(x.Header())}
	s.Identity = fmt.Sprintf("%s in %s", who.User, who.Team)
	if who.BotID == "" {
		s.add(false, "the token belongs to a person, so posts appear under that name", "use the Bot User OAuth Token (xoxb-...) of your Slack app")
	}
	if !s.has("chat:write") {
		s.lacks(true, "chat:write", "nothing can be posted")
	}
	return s, nil
}

// unsettled is what the lack of a right to read history means.
const unsettled = "after a lost connection nobody but a person can tell whether a post appeared"

// Check asks Slack who the token is, what it may do, and whether it is in the channel.
func (b *bot) Check(ctx context.Context) (announce.Report, error) {
	s, err := b.whoami(ctx)
	if err != nil {
		return s.Report, err
	}
	if !s.has(filesWrite) || !s.has(filesRead) {
		missing := slices.DeleteFunc([]string{filesWrite, filesRead}, s.has)
		s.lacks(false, strings.Join(missing, " and "), "pictures cannot be uploaded; one without a public address that Slack can read is replaced by its text alternative")
	}
	c, err := b.conversation(ctx)
	var e *announce.Error
	switch {
	case errors.As(err, &e) && e.Outcome != announce.Permanent:
		return s.Report, err
	case e != nil && e.Status == "missing_scope":
		s.lacks(false, "channels:read (groups:read for a private channel)", "the channel cannot be checked")
	case e != nil:
		s.add(true, "Slack says "+e.Status+" of the channel "+b.channel, "check CHANNEL, and write /invite @"+s.user+" in that channel")
		return s.Report, nil
	}
	history := "channels:history"
	if c != nil {
		if c.IsPrivate {
			history = "groups:history"
		}
		member(&s.Report, c, s.user, s.has("chat:write.public"))
	}
	if !s.has(history) && (c != nil || !s.has("groups:history")) {
		s.lacks(false, history, unsettled)
	}
	return s.Report, nil
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
