package ntfy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// The server takes 4,096 bytes of text, and silently makes a file of a longer one. It takes 8,192 bytes of JSON in all.
const (
	longest = 4096
	most    = 3600 // of Text; the rest is for the picture's words
	alt     = 200
)

// Limits are those of a server as it comes. It counts bytes; here they are counted as JSON writes them, which is never less.
func (t *topic) Limits() announce.Limits {
	return announce.Limits{
		Text: most, Measure: weigh, Links: true, Pace: time.Second,
		Images: 1, Alt: alt, Picture: announce.PictureLimits{Bytes: 2 << 20, Side: 1600},
	}
}

// weigh is how many bytes a text takes in the request.
func weigh(s string) int {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return len(s)
	}
	return b.Len() - len("\"\"\n")
}

// notification is a message as the server takes it.
type notification struct {
	Topic    string `json:"topic"`
	Title    string `json:"title,omitempty"`
	Message  string `json:"message"`
	Priority int    `json:"priority,omitempty"` // 1 to 5; none: 3
	Click    string `json:"click,omitempty"`
	Attach   string `json:"attach,omitempty"`
	Sequence string `json:"sequence_id"`
}

const high = 4 // a longer vibration, and a notification that pops up

func compose(topic string, m announce.Message) notification {
	n := notification{Topic: topic, Title: strings.TrimSpace(m.Subject), Message: strings.TrimSpace(m.Text), Click: m.Link, Sequence: sequence(m.Key)}
	if body, ok := strings.CutPrefix(n.Message, n.Title); ok && (body == "" || body[0] == '\n') {
		n.Message = strings.TrimSpace(body)
	}
	if n.Message == "" { // the server would write "triggered"
		n.Title, n.Message = "", n.Title
	}
	if m.Kind == announce.KindCancellation || m.Kind == announce.KindChange {
		n.Priority = high
	}
	if len(m.Images) > 0 && m.Images[0].URL != "" {
		n.Attach = m.Images[0].URL
		if words := strings.TrimSpace(m.Images[0].Alt); words != "" {
			label := "Picture: "
			if m.Language.Base() == "fr" {
				label = "Image\u00a0: "
			}
			if all := n.Message + "\n\n" + label + words; weigh(all) <= longest {
				n.Message = all
			}
		}
	}
	return n
}

// sequence names a notification for ever. The key itself can be one.
func sequence(key string) string {
	if topicName.MatchString(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
