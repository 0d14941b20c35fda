package webpush

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
)

// Limits of notifications: systems show a few lines, so they are short, and a tap opens the link. A lost call may be
// repeated, for the copy takes the place of the first: at the service by its topic, on the screen by its tag, without
// another sound. Only somebody who closed the first one meanwhile sees it again, and so there is an end to it.
func (c *channel) Limits() announce.Limits {
	return announce.Limits{
		Text: mostText, Short: true, Images: 1, Picture: announce.PictureLimits{Bytes: 1 << 20, Side: 1440},
		Personal: true, Idempotent: time.Hour, Again: 1, Concurrent: 16, Patience: 30 * time.Second,
	}
}

const mostText = 500 // what an open notification shows on most systems; in code points

// topic is RFC 8030 section 5.4.
var topic = regexp.MustCompile(`^[-_A-Za-z0-9]{1,32}$`)

// tag names a notification for ever, and says nothing to the push service, which sees it as the topic.
func tag(key string) string {
	sum := sha256.Sum256([]byte("webpush " + key))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// urgency is RFC 8030 section 5.3. What moves or falls through wakes a sleeping device.
func urgency(k announce.Kind) string {
	if k == announce.KindCancellation || k == announce.KindChange {
		return "high"
	}
	return "normal"
}

// notification is what the service worker reads.
type notification struct {
	Title   string   `json:"title"`
	Body    string   `json:"body"`
	URL     string   `json:"url,omitempty"`
	Lang    string   `json:"lang,omitempty"`
	Tag     string   `json:"tag"`
	Rev     int      `json:"rev"`
	Image   string   `json:"image,omitempty"`
	Actions []action `json:"actions,omitempty"`
}

// action is a button of a notification.
type action struct {
	Action string `json:"action"`
	Title  string `json:"title"`
	URL    string `json:"url"`
}

var errNoRoom = errors.New("the links alone are too long")

// compose is the notification of m in at most mostPlain bytes. What does not fit goes in this order: the picture, the end
// of the body, the end of the title. No character is cut.
func compose(m announce.Message, tag string) ([]byte, error) {
	n := notification{Title: strings.TrimSpace(m.Subject), Body: strings.TrimSpace(m.Filled()), URL: m.Link, Lang: string(m.Language), Tag: tag, Rev: m.Rev}
	if rest, ok := strings.CutPrefix(n.Body, n.Title); ok && (rest == "" || rest[0] == '\n') {
		n.Body = strings.TrimSpace(rest)
	}
	preferences, unsubscribe := "Preferences", "Unsubscribe"
	if m.Language.Base() == "fr" {
		preferences, unsubscribe = "Préférences", "Se désabonner"
	}
	for _, a := range []action{{"preferences", preferences, m.Preferences}, {"unsubscribe", unsubscribe, m.Unsubscribe}} {
		if web(a.URL) {
			n.Actions = append(n.Actions, a)
		}
	}
	if len(m.Images) > 0 && web(m.Images[0].URL) {
		n.Image = m.Images[0].URL
	}
	if !web(n.URL) {
		n.URL = ""
	}
	b := encode(n)
	if len(b) > mostPlain {
		n.Image = ""
		b = encode(n)
	}
	for _, part := range []*string{&n.Body, &n.Title} {
		for len(b) > mostPlain && *part != "" {
			*part = cut(*part, len(*part)-max(1, (len(b)-mostPlain)/6)) // JSON writes a byte as up to six
			b = encode(n)
		}
	}
	if len(b) > mostPlain || n.Title == "" && n.Body == "" {
		return nil, errNoRoom
	}
	return b, nil
}

const ellipsis = "…"

// cut is s in fewer than its bytes, about most, with a sign that something is missing.
func cut(s string, most int) string {
	s = strings.TrimSuffix(s, ellipsis)
	most = min(most-len(ellipsis), len(s)-1)
	if most <= 0 {
		return ""
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	if s = strings.TrimSpace(s[:most]); s == "" {
		return ""
	}
	return s + ellipsis
}

func encode(n notification) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(n) // strings and numbers
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// web reports whether a browser may be sent to an address.
func web(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
