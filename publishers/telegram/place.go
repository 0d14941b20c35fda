package telegram

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// place is where a post is, and what must be known to change it. Its string is the ID of a receipt:
// "-1001234567890:42:fr:0123456789abcdef".
type place struct {
	chat     string // a number, or @name
	message  int64
	language announce.Language
	picture  string // the fingerprint of its picture; empty: it is a text
}

// unknownPicture is the fingerprint of a picture that nobody knows.
const unknownPicture = "?"

func (p place) String() string {
	return strings.TrimRight(strings.Join([]string{p.chat, strconv.FormatInt(p.message, 10), string(p.language), p.picture}, ":"), ":")
}

var address = regexp.MustCompile(`^/(?:c/([1-9][0-9]*)|([A-Za-z][A-Za-z0-9_]{3,31}))(?:/[0-9]+)?/([1-9][0-9]*)$`)

// read finds the post that a receipt stands for. Of one that a person gave, the address tells the place and nothing more.
func read(r announce.Receipt) (place, bool) {
	if r.ID == "" {
		u, err := url.Parse(strings.TrimSpace(r.URL))
		if err != nil || u.Host != "t.me" && u.Host != "telegram.me" {
			return place{}, false
		}
		parts := address.FindStringSubmatch(strings.TrimPrefix(u.Path, "/s"))
		if parts == nil {
			parts = address.FindStringSubmatch(u.Path)
		}
		if parts == nil {
			return place{}, false
		}
		n, err := strconv.ParseInt(parts[3], 10, 64)
		if parts[1] != "" {
			return place{chat: "-100" + parts[1], message: n}, err == nil
		}
		return place{chat: "@" + parts[2], message: n}, err == nil
	}
	parts := strings.Split(r.ID, ":")
	if len(parts) < 2 || !chatName.MatchString(parts[0]) && !personID.MatchString(parts[0]) {
		return place{}, false
	}
	parts = append(parts, "", "")
	n, err := strconv.ParseInt(parts[1], 10, 64)
	return place{chat: parts[0], message: n, language: announce.Language(parts[2]), picture: parts[3]}, err == nil && n > 0
}

// address is where people see the post; empty in a group that has no addresses.
func (p place) address(username string, topic int) string {
	chat := ""
	switch number, super := strings.CutPrefix(p.chat, "-100"); {
	case username != "":
		chat = username
	case super:
		chat = "c/" + number
	default:
		return ""
	}
	if topic > 0 {
		chat += "/" + strconv.Itoa(topic)
	}
	return "https://t.me/" + chat + "/" + strconv.FormatInt(p.message, 10)
}

func foreign() error {
	return &announce.Error{Outcome: announce.Permanent, Fault: "it is not known which Telegram post this is, so it cannot be changed: do it in Telegram"}
}
