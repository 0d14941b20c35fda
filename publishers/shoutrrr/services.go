package shoutrrr

import (
	"mime"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/generic"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/rivo/uniseg"

	"github.com/crieur/crieur/internal/announce"
)

// kind is what is known of a service, from its documentation and from how the library calls it.
type kind struct {
	bytes  int    // of text; the platform's limit or less, so that neither it nor the library cuts or divides
	title  int    // most code points of a title beside the text; 0: none
	chat   bool   // people can be called by words in the text
	own    string // Crieur's own channel for it
	refuse string // why it cannot be had
}

const long = 300 // an announcement's title

func services() map[string]kind {
	return map[string]kind{
		"bark":       {bytes: 3000, title: long},
		"discord":    {bytes: 2000, own: "discord", chat: true},
		"generic":    {bytes: 16000, title: long},
		"googlechat": {bytes: 4000, own: "googlechat", chat: true},
		"gotify":     {bytes: 16000, title: long},
		"hangouts":   {bytes: 4000, own: "googlechat", chat: true},
		"ifttt":      {bytes: 8000},
		"join":       {bytes: 1500, title: long},
		"lark":       {bytes: 4000, title: long, chat: true},
		"logger":     {refuse: "the service logger writes where nobody reads: take another"},
		"matrix":     {bytes: 30000, own: "matrix", chat: true},
		"mattermost": {bytes: 16000, own: "mattermost", chat: true},
		"notifiarr":  {bytes: 2000, title: 200, chat: true},
		"ntfy":       {bytes: 4000, title: long, own: "ntfy"},
		"opsgenie":   {bytes: 15000, title: 130},
		"pagerduty":  {bytes: 1000},
		"pushbullet": {bytes: 8000, title: long},
		"pushover":   {bytes: 1000, title: 200},
		"rocketchat": {bytes: 5000, chat: true},
		"signal":     {bytes: 2000},
		"slack":      {bytes: 4000, title: long, own: "slack", chat: true},
		"smtp":       {bytes: 60000, title: long, own: "email"},
		"teams":      {refuse: "the service teams posts through connectors, which Microsoft has switched off: use the channel teams instead"},
		"telegram":   {refuse: "with the service telegram the library reports success when nothing was sent: use the channel telegram instead"},
		"wecom":      {bytes: 2000, chat: true},
		"zulip":      {bytes: 9900, chat: true},
	}
}

// unfit says why a service's settings cannot be used: one delivery has one effect, and no certificate goes unchecked.
func unfit(s types.Service) string {
	targets, insecure := 1, false
	switch s := s.(type) {
	case *matrix.Service:
		if targets = len(s.Config.Rooms); targets == 0 {
			return "names no room, so the library would write in every room that the account is in: add rooms=..."
		}
	case *ifttt.Service:
		targets = len(s.Config.Events)
	case *pushbullet.Service:
		targets = len(s.Config.Targets)
	case *smtp.Service:
		targets, insecure = len(s.Config.ToAddresses), s.Config.SkipTLSVerify
	case *gotify.Service:
		insecure = s.Config.InsecureSkipVerify
	case *ntfy.Service:
		insecure = s.Config.DisableTLSVerification
	}
	switch {
	case targets > 1:
		return "names several targets, of which some may fail: make an account for each, such as shoutrrr@board"
	case insecure:
		return "switches the check of certificates off: give the server a certificate that can be checked"
	}
	return ""
}

// untitled reports whether a service that could carry a title is set up so that it does not.
func untitled(s types.Service) bool {
	g, ok := s.(*generic.Service)
	return ok && g.Config.Template == ""
}

// words are the title beside the text, if the service has one, and the text.
func (p *publisher) words(m announce.Message) (title, text string) {
	title, text = strings.Join(strings.Fields(m.Subject), " "), strings.TrimSpace(m.Text)
	body, repeats := strings.CutPrefix(text, title)
	repeats = repeats && (body == "" || body[0] == '\n')
	switch body = strings.TrimSpace(body); {
	case !p.titled || title == "":
		if !repeats && title != "" && len(title)+len(text)+2 <= p.kind.bytes {
			text = title + "\n\n" + text
		}
		title = ""
	case utf8.RuneCountInString(title) > p.kind.title: // the whole title stays in the text
		if !repeats && len(title)+len(text)+2 <= p.kind.bytes {
			text = title + "\n\n" + text
		}
		title = clip(title, p.kind.title)
	case repeats && body != "":
		text = body
	}
	if p.kind.chat {
		title, text = quiet(title, m.Mentions), quiet(text, m.Mentions)
	}
	if p.service == "smtp" {
		title = mime.QEncoding.Encode("utf-8", title)
	}
	return title, text
}

// clip keeps whole words, of at most n code points with the ellipsis.
func clip(s string, n int) string {
	var out, word strings.Builder
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if utf8.RuneCountInString(out.String())+utf8.RuneCountInString(word.String())+len(g.Runes()) > n-1 {
			break
		}
		word.WriteString(g.Str())
		if unicode.IsSpace(g.Runes()[0]) || out.Len() == 0 && utf8.RuneCountInString(word.String()) > n/2 {
			out.WriteString(word.String())
			word.Reset()
		}
	}
	return strings.TrimSpace(out.String()) + "…"
}

// joiner shows nothing, and keeps what it stands in from meaning anything.
const joiner = "\u2060"

var calls = regexp.MustCompile(`(^|[^\pL\pN])@([\pL\pN*_.-]+)|<([!@#A-Za-z/])`)

// quiet lets nobody be called but those whom the template names.
func quiet(s string, mentions []string) string {
	return calls.ReplaceAllStringFunc(s, func(call string) string {
		at := strings.IndexAny(call, "@<")
		if who := strings.TrimRight(call[at+1:], ".-_"); call[at] == '@' && slices.ContainsFunc(mentions, func(m string) bool { return m == who || strings.HasPrefix(m, who+"@") }) {
			return call
		}
		return call[:at+1] + joiner + call[at+1:]
	})
}
