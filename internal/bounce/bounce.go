// Package bounce says what became of mail after a server took it: mail that came back, complaints, and what sending services
// report. All of it becomes one kind of Report. It knows nothing of subscribers or the record.
package bounce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode"
)

// Report is one piece of news about one mail to one address.
type Report struct {
	ID      string    // the same whenever the same news comes again: drop repeats by it. At most 80 characters
	Source  string    // dsn, arf, ses, postmark, mailgun, sendgrid
	Class   Class     // what it means for the person
	Status  string    // RFC 3463, such as "5.1.1"; empty when none was given
	Token   string    // names the delivery; empty when only Address is known, which only signed webhooks may say
	Address string    // as it was reported; may be empty or blacked out
	At      time.Time // when it happened, as far as that is known; never in the future
	Detail  string    // the server's words: one line, at most 300 characters, printable
}

// Class is what a report means for the person.
type Class string

// The classes. Only Hard and Soft say anything about an address.
const (
	Hard        Class = "hard"        // there is no such mailbox
	Soft        Class = "soft"        // this mail did not arrive; another may
	Block       Class = "block"       // refused for how or from where it is sent: our fault, never counts against the person
	Complaint   Class = "complaint"   // the person called it spam
	Unsubscribe Class = "unsubscribe" // the person wants no more of it
)

// The values of Report.Source.
const (
	sourceDSN      = "dsn"
	sourceARF      = "arf"
	sourceSES      = "ses"
	sourcePostmark = "postmark"
	sourceMailgun  = "mailgun"
	sourceSendGrid = "sendgrid"
)

// Handler keeps reports. After nil they are kept for good; after an error the same reports come again, later. It may be
// called at once from several goroutines, and with reports that it has seen.
type Handler func(context.Context, []Report) error

const mostDetail = 300

// oneLine makes words of a stranger fit to be kept and shown.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > mostDetail {
		s = string(r[:mostDetail-1]) + "…"
	}
	return s
}

// address makes an address of a stranger fit to be kept, or empty.
func address(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	s = strings.ToValidUTF8(strings.TrimSpace(s), "")
	if len(s) > 254+2 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }) {
		return ""
	}
	return s
}

// digest is an ID made from what makes a report itself.
func digest(source string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return source + ":" + hex.EncodeToString(h.Sum(nil)[:16])
}

// past is t, or now when t is missing or has not come yet.
func past(t, now time.Time) time.Time {
	if t.IsZero() || t.After(now) {
		return now.UTC()
	}
	return t.UTC()
}
