package telegram

import (
	"context"
	"errors"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
)

// member is what a bot is in a chat, and may do there.
type member struct {
	Status   string `json:"status"`
	Post     bool   `json:"can_post_messages"` // of an administrator of a channel
	Messages *bool  `json:"can_send_messages"` // of somebody restricted
	Photos   *bool  `json:"can_send_photos"`
}

// chat is a channel or a group as a bot sees it.
type chat struct {
	ID          int64  `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Forum       bool   `json:"is_forum"`
	Permissions struct {
		Messages *bool `json:"can_send_messages"` // of ordinary members
		Photos   *bool `json:"can_send_photos"`
	} `json:"permissions"`
}

// Check asks Telegram who the bot is, and what it may do in the chat.
func (r *room) Check(ctx context.Context) (announce.Report, error) {
	var me struct {
		ID       int64  `json:"id"`
		Username string `json:"username"`
	}
	if err := r.call(ctx, request{method: "getMe", args: map[string]any{}, into: &me}); err != nil {
		return announce.Report{}, err
	}
	report := announce.Report{Identity: "@" + me.Username}
	say := func(severe bool, what, do string) {
		report.Findings = append(report.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	var c chat
	if lost, err := r.ask(ctx, request{method: "getChat", args: map[string]any{"chat_id": r.chat}, into: &c}); err != nil {
		return report, err
	} else if lost != "" {
		say(true, "Telegram says \""+lost+"\" of "+r.chat, "check CHAT, and add @"+me.Username+" there")
		return report, nil
	}
	report.Identity += " in " + c.Title
	var m member
	if lost, err := r.ask(ctx, request{method: "getChatMember", args: map[string]any{"chat_id": r.chat, "user_id": me.ID}, into: &m}); err != nil {
		return report, err
	} else if lost != "" {
		m.Status = "left"
	}
	if what := m.lacks(c); what != "" {
		say(true, "@"+me.Username+" "+what+" in "+c.Title, "make it an administrator there who may post messages")
	} else if no(m.Photos) || m.Status == "member" && no(c.Permissions.Photos) {
		say(true, "@"+me.Username+" may not send pictures in "+c.Title, "make it an administrator there")
	}
	if r.topic > 0 && !c.Forum {
		say(true, c.Title+" has no topics, but TOPIC is set", "remove TOPIC, or switch topics on in the group")
	}
	return report, nil
}

// ask makes a call whose refusal is something to tell.
func (r *room) ask(ctx context.Context, q request) (refusal string, err error) {
	err = r.call(ctx, q)
	var e *announce.Error
	if errors.As(err, &e) && e.Outcome == announce.Permanent && e.Status != "401" && e.Status != "404" {
		return e.Status, nil
	}
	return "", err
}

// lacks tells why the member cannot post in the chat, or "".
func (m member) lacks(c chat) string {
	switch {
	case m.Status == "left", m.Status == "kicked":
		return "is not"
	case c.Type == "channel" && m.Status != "creator" && m.Status != "administrator":
		return "is no administrator"
	case c.Type == "channel" && m.Status == "administrator" && !m.Post:
		return "may not post"
	case m.Status == "restricted" && no(m.Messages), m.Status == "member" && no(c.Permissions.Messages):
		return "may not write"
	case m.Status == "":
		return fmt.Sprintf("has no place that is known (%s)", c.Type)
	}
	return ""
}

// no reports a permission that is known to be refused.
func no(permission *bool) bool { return permission != nil && !*permission }
