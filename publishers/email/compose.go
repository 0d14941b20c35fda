package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

const crlf = "\r\n"

// links is how many of announce.Message.Marks are web addresses: they come first.
const links = 3

// compose appends the whole mail as it goes over the wire, final dot included: the person's own headers, then what all
// readers share with the person's link spliced in. It also returns the Message-ID, which the key decides alone. doubled: dots are.
func (m *mailer) compose(b []byte, to string, msg announce.Message) (mail []byte, doubled bool, id string, fault *announce.Error) {
	shared := m.bodies.of(msg, m.build)
	if shared.err != nil {
		return nil, false, "", shared.err
	}
	if msg.Key == "" {
		return nil, false, "", &announce.Error{Outcome: announce.Permanent, Field: "key", Fault: "The mail has no key, so a copy could not be told from it."}
	}
	link, own := msg.Unsubscribe, msg.Marks()
	for i, m := range own[:links] {
		if m[1] != "" && !isLink(m[1]) || m[1] == "" && shared.marked[i] {
			return nil, false, "", &announce.Error{Outcome: announce.Permanent, Field: "unsubscribe", Fault: "The mail has no proper link to unsubscribe, or to choose. Set CRIEUR_PUBLIC_URL to the address of this server."}
		}
	}
	id = m.messageID(msg.Key)
	b = append(append(append(b, "To: "...), to...), crlf...)
	b = append(b, "Date: "...)
	b = date(msg).In(m.zone).AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 -0700")
	b = append(append(append(b, "\r\nMessage-ID: "...), id...), crlf...)
	b = m.appendUnsubscribe(b, link)
	b = m.appendToken(b, msg.ReturnPath)
	for _, p := range shared.pieces {
		switch {
		case p.mark == 0:
			b = append(b, p.bytes...)
		case p.html:
			b = appendQP(b, html.EscapeString(own[p.mark-1][1]), true)
		default:
			b = appendQP(b, own[p.mark-1][1], true)
		}
	}
	if len(m.signers) > 0 {
		headers, err := sign(m.signers, b, signedHeaders(link != ""))
		if err != nil {
			return nil, false, "", &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: "The mail could not be signed. Check DKIM_KEY with crieur doctor.", Err: err}
		}
		b = append(headers, b...)
	}
	return terminate(b, shared.dots), shared.dots, id, nil
}

// appendUnsubscribe writes the headers of RFC 2369 and RFC 8058. A message without a link of its own gets none: nobody is
// subscribed to it here. The one-click header is for https links only (RFC 8058 section 3.1).
func (m *mailer) appendUnsubscribe(b []byte, link string) []byte {
	if link == "" {
		return b
	}
	b = append(append(append(b, "List-Unsubscribe: <"...), link...), '>')
	if m.mailto != "" {
		b = append(append(append(b, ",\r\n <mailto:"...), m.mailto...), "?subject=unsubscribe>"...)
	}
	if strings.HasPrefix(link, "https://") {
		b = append(b, "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click"...)
	}
	return append(b, "\r\n"...)
}

// appendToken names the mail to a sending service that replaces the return path.
func (m *mailer) appendToken(b []byte, returnPath string) []byte {
	local, _, _ := strings.Cut(returnPath, "@")
	_, token, ok := strings.Cut(local, "+")
	if !ok || m.service == "" || strings.ContainsFunc(token, func(r rune) bool { return r > 'z' || r < '0' || r > '9' && r < 'a' }) {
		return b
	}
	return append(append(b, serviceHeader(m.service, token)...), crlf...)
}

// serviceHeader is the header from which a sending service copies a token into what it later reports of the mail: Postmark's
// metadata, Mailgun's variables, SendGrid's unique arguments, the message tags of Amazon SES. Empty: no such service.
func serviceHeader(service, token string) string {
	switch service {
	case "postmark":
		return "X-PM-Metadata-token: " + token
	case "mailgun":
		return `X-Mailgun-Variables: {"token": "` + token + `"}`
	case "sendgrid":
		return `X-SMTPAPI: {"unique_args": {"token": "` + token + `"}}`
	case "ses":
		return "X-SES-MESSAGE-TAGS: token=" + token
	}
	return ""
}

// messageID is the same for the same delivery, whenever and wherever it is sent.
func (m *mailer) messageID(key string) string {
	sum := sha256.Sum256(append([]byte("crieur message "), key...))
	b := make([]byte, 0, 64)
	b = append(b, '<')
	b = hex.AppendEncode(b, sum[:16])
	b = append(append(append(b, '@'), m.domain...), '>')
	return string(b)
}

// date is when the delivery first became due; for a message that has not been planned, when it was written.
func date(msg announce.Message) time.Time {
	for _, t := range []time.Time{msg.Date, msg.Updated, msg.Created} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Now()
}

// isLink reports whether s can stand in a header between angle brackets, as a web address.
func isLink(s string) bool {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") || len(s) > 900 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' || c == '\\' || c == ',' {
			return false
		}
	}
	return true
}

// appendQP writes s quoted-printable (RFC 2045, 6.7) from the beginning of a line. No line begins with a dot or ends
// with a blank. With more, a soft break follows, so that the next text begins a line as well.
func appendQP(b []byte, s string, more bool) []byte {
	const digits = "0123456789ABCDEF"
	column := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\r' || c == '\n' {
			if c == '\r' && i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			b = append(b, crlf...)
			column = 0
			continue
		}
		plain := c > ' ' && c < 0x7f && c != '=' && (c != '.' || column > 0) ||
			(c == ' ' || c == '\t') && i+1 < len(s) && s[i+1] != '\r' && s[i+1] != '\n'
		if column > 72 {
			b = append(b, "=\r\n"...)
			column = 0
			plain = plain && c != '.'
		}
		if plain {
			b = append(b, c)
			column++
		} else {
			b = append(b, '=', digits[c>>4], digits[c&15])
			column += 3
		}
	}
	if more && len(s) > 0 {
		b = append(b, "=\r\n"...)
	}
	return b
}

// terminate ends the mail with the final dot. With dots, those at the beginning of lines are doubled (RFC 5321, 4.5.2).
func terminate(b []byte, dots bool) []byte {
	if !bytes.HasSuffix(b, []byte(crlf)) {
		b = append(b, crlf...)
	}
	if dots {
		out := make([]byte, 0, len(b)+len(b)/16)
		for line := range bytes.Lines(b) {
			if line[0] == '.' {
				out = append(out, '.')
			}
			out = append(out, line...)
		}
		b = out
	}
	return append(b, dot...)
}
