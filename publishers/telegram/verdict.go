package telegram

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const (
	pace   = time.Second // Telegram's advice for one chat; a group takes 20 messages a minute
	window = time.Minute // for a 429 that names no wait
)

// The reasons why Telegram refuses. They are the Status of an error.
const (
	notModified = "message is not modified"
	noMessage   = "message not found"
	tooOld      = "message can't be deleted"
	fixed       = "message can't be edited"
	hasNoText   = "no text in the message"
	noChat      = "chat not found"
	noRight     = "not enough rights"
	noTopic     = "topic not found"
	blocked     = "blocked by the person"
	deactivated = "person is deactivated"
	notStarted  = "not started by the person"
	tooLong     = "message is too long"
	isEmpty     = "message is empty"
	badPicture  = "bad picture"
)

// refusals tell what a description means. The Bot API has one code for most refusals (400) and says which only in words, so
// this is the one table of the program that reads them. They are those of the Bot API's own source (Client.cpp), in lower case
// and without the "Bad Request: " before them; a description that begins otherwise is Telegram's to explain, and permanent.
var refusals = []struct{ begins, means string }{
	{"message is not modified", notModified},
	{"message to edit not found", noMessage},
	{"message to delete not found", noMessage},
	{"message_id_invalid", noMessage},
	{"message can't be deleted", tooOld}, // also "... for everyone": it is older than 48 hours
	{"message_delete_forbidden", tooOld},
	{"message can't be edited", fixed},
	{"message_author_required", fixed},
	{"there is no text in the message to edit", hasNoText},
	{"chat not found", noChat},
	{"peer_id_invalid", noChat},
	{"channel_private", noChat},
	{"bot was blocked by the user", blocked},
	{"user_is_blocked", blocked},
	{"user is deactivated", deactivated},
	{"input_user_deactivated", deactivated},
	{"bot can't initiate conversation", notStarted},
	{"need administrator rights", noRight},
	{"not enough rights", noRight},
	{"have no rights to send", noRight},
	{"have no write access", noRight},
	{"chat_write_forbidden", noRight},
	{"chat_admin_required", noRight},
	{"chat_restricted", noRight},
	{"chat_send_", noRight}, // chat_send_plain_forbidden, chat_send_photos_forbidden
	{"user_banned_in_channel", noRight},
	{"message thread not found", noTopic},
	{"topic_closed", noTopic},
	{"topic_deleted", noTopic},
	{"message is too long", tooLong},
	{"message_too_long", tooLong},
	{"message caption is too long", tooLong},
	{"media_caption_too_long", tooLong},
	{"message text is empty", isEmpty},
	{"text must be non-empty", isEmpty},
	{"photo_", badPicture}, // photo_invalid_dimensions, photo_ext_invalid
	{"image_process_failed", badPicture},
	{"file is too big", badPicture},
}

// reply is how every answer of the Bot API begins.
type reply struct {
	OK          *bool  `json:"ok"`
	Description string `json:"description"`
	Parameters  struct {
		RetryAfter int   `json:"retry_after"`
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// means is the reason of a refusal; empty when it has no name here.
func (a reply) means() string {
	words := strings.ToLower(a.Description)
	for _, prefix := range []string{"bad request: ", "forbidden: "} {
		words = strings.TrimPrefix(words, prefix)
	}
	for _, r := range refusals {
		if strings.HasPrefix(words, r.begins) {
			return r.means
		}
	}
	return ""
}

// classifier reads Telegram's answers. create: a message is made. elsewhere: the call is about a chat other than the
// account's, so that its end stops nobody. personal: the chat is a person's.
func classifier(token announce.Secret, create, elsewhere, personal bool) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		var a reply
		readable := json.Unmarshal(body, &a) == nil && a.OK != nil
		switch {
		case status == http.StatusTooManyRequests:
			return limited(header, a)
		case status/100 == 2 && (!readable || !*a.OK):
			return unsure(create)
		case status/100 == 2, status >= 500, status/100 == 3:
			return nil
		case status == http.StatusUnauthorized, status == http.StatusNotFound:
			return &announce.Error{Outcome: announce.Permanent, Stop: true, Status: strconv.Itoa(status),
				Fault: "Telegram does not know the bot's token: @BotFather shows the valid one (/mybots, API Token); put it in TOKEN, check API if you set it, then resume the account"}
		case !readable:
			return nil
		}
		e := refused(a)
		if e.Status == "" {
			e.Status = short(status, a.Description, token)
		}
		if status == http.StatusConflict {
			e.Fault = "somebody else hears the Telegram bot's messages, another server of this program or a webhook: a bot has one reader. Stop the other one, or remove the webhook (deleteWebhook)"
			return e
		}
		if personal {
			return alone(e)
		}
		if status == http.StatusForbidden && !e.Stop {
			e.Stop, e.Fault = true, "Telegram keeps the bot out of the chat: add it again, as an administrator who may post, then resume the account"
		}
		e.Stop = e.Stop && !elsewhere
		return e
	}
}

// alone makes of a refusal one that is about a single person. Whoever blocked the bot, or is not there any more, is gone;
// Telegram also says that a bot cannot write to somebody and lets it the day after, so all else is not the end.
func alone(e *announce.Error) *announce.Error {
	e.Stop = false
	switch e.Status {
	case blocked:
		e.Gone, e.Fault = true, "the person blocked the bot in Telegram"
	case deactivated:
		e.Gone, e.Fault = true, "the person's Telegram account is no more"
	case noChat, notStarted:
		e.Gone, e.Fault = true, "Telegram knows no chat of this person with the bot: they must press Start again"
	case noRight:
		e.Fault = "Telegram does not let the bot write to this person"
	}
	return e
}

// refused says what a refusal asks of a person.
func refused(a reply) *announce.Error {
	e := &announce.Error{Outcome: announce.Permanent, Status: a.means()}
	if to := a.Parameters.MigrateTo; to != 0 {
		e.Stop, e.Status = true, "migrated to "+strconv.FormatInt(to, 10)
		e.Fault = "the Telegram group became a supergroup: set CHAT to " + strconv.FormatInt(to, 10) + ", then resume the account"
		return e
	}
	switch e.Status {
	case notModified:
		e.Fault = "the Telegram post says this already"
	case noMessage:
		e.Fault = "the post is no longer in Telegram: somebody deleted it there"
	case tooOld, fixed:
		e.Fault = "Telegram does not let the bot change this post any more: a person can do it in Telegram"
	case hasNoText:
		e.Fault = "the Telegram post is a picture"
	case noChat:
		e.Stop, e.Fault = true, "Telegram does not know the chat, or hides it from the bot: check CHAT and add the bot there, then resume the account"
	case noRight:
		e.Stop, e.Fault = true, "the bot may not post in the Telegram chat: make it an administrator who may post messages, then resume the account"
	case noTopic:
		e.Stop, e.Fault = true, "the Telegram group has no such open topic: check TOPIC, or open the topic again, then resume the account"
	case tooLong, isEmpty:
		e.Field, e.Fault = "texts", "Telegram finds the text too long or empty: give the announcement another text for this channel (overrides)"
	case badPicture:
		e.Field, e.Fault = "images", "Telegram does not take the picture: give the announcement another one"
	default:
		e.Fault = "Telegram refuses the request: change the announcement, or report this as a fault of the program"
	}
	return e
}

func limited(header http.Header, a reply) *announce.Error {
	wait := time.Duration(max(0, min(a.Parameters.RetryAfter, 24*60*60))) * time.Second
	if wait == 0 {
		wait = rest.RetryAfter(header, time.Now())
	}
	if wait == 0 {
		wait = window
	}
	return &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait, Status: "429", Fault: "Telegram asks to wait: the bot pauses, nothing is lost"}
}

func unsure(create bool) *announce.Error {
	const what = "Telegram's answer cannot be understood"
	if create {
		return &announce.Error{Outcome: announce.Ambiguous, Fault: what + ": the post may have appeared; look before it is repeated"}
	}
	return &announce.Error{Outcome: announce.Temporary, Fault: what + ": it will be tried again"}
}

var words = regexp.MustCompile(`^[A-Za-z0-9 _.,'"/-]{1,50}`)

// short is the beginning of a description, for the person who must find out what it means.
func short(status int, description string, token announce.Secret) string {
	_, description, _ = strings.Cut(description, ": ")
	_, secret, _ := strings.Cut(token.Reveal(), ":")
	if said := strings.TrimSpace(words.FindString(description)); said != "" && !strings.Contains(description, secret) {
		return strconv.Itoa(status) + " " + said
	}
	return strconv.Itoa(status)
}
