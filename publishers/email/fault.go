package email

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
)

var (
	errReply     = errors.New("the server's answer is not SMTP")
	errChunking  = errors.New("the server offers CHUNKING and does not know BDAT")
	errNoTLS     = errors.New("the server does not offer STARTTLS")
	errNoAuth    = errors.New("the server offers no way to log in")
	errClear     = errors.New("logging in would send the password in the clear")
	errMechanism = errors.New("the server offers no way to log in that is known here")
)

// phase is how far a mail had come.
type phase int

const (
	connecting phase = iota
	greeting
	securing
	authenticating
	resetting
	sender
	recipient
	begun // DATA
	writing
	ended // the final dot
)

func (p phase) String() string {
	return [...]string{"the connection", "the greeting", "STARTTLS", "the login", "RSET", "the sender", "the recipient", "DATA", "the mail", "the mail"}[p]
}

// busy is how long the channel waits when a server says "not so fast" without saying how long.
const busy = time.Minute

// failure is how a mail did not get through: a refusal (code, text) or something less clear (err).
type failure struct {
	phase   phase
	code    int
	text    string
	err     error
	unknown bool // the server may have taken the mail
	early   bool // before the server answered anything about this mail
}

// failed reads what the library says. nil when nothing went wrong.
func failed(p phase, err error) *failure {
	if err == nil {
		return nil
	}
	var refusal *textproto.Error
	if errors.As(err, &refusal) {
		first, _, _ := strings.Cut(refusal.Msg, "\n")
		return &failure{phase: p, code: refusal.Code, text: first}
	}
	var babble textproto.ProtocolError
	if errors.As(err, &babble) {
		err = errReply
	}
	return &failure{phase: p, err: err}
}

// stale reports whether the server had hung up before this mail began.
func (f *failure) stale() bool {
	var timeout net.Error
	return f.early && (f.code == 421 || f.code == 0 && !(errors.As(f.err, &timeout) && timeout.Timeout()))
}

// enhanced is the status of RFC 3463 that text begins with: class, subject, detail. Zeros when there is none.
func enhanced(text string) (class, subject, detail int) {
	word, _, _ := strings.Cut(text, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 {
		return 0, 0, 0
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil || len(p) > 3 || v < 0 {
			return 0, 0, 0
		}
		n[i] = v
	}
	return n[0], n[1], n[2]
}

// explain says what a failure means for the next try, and to the person who reads it.
func (r *relay) explain(f failure) *announce.Error {
	switch {
	case f.unknown:
		return &announce.Error{
			Outcome: announce.Ambiguous, Err: r.cause(f),
			Fault: "The connection to " + r.host + " ended after the whole mail was sent and before the answer: nobody can tell whether it was taken. A copy would carry the same Message-ID.",
		}
	case f.code >= 400:
		return r.refusal(f)
	}
	e := &announce.Error{Outcome: announce.Temporary, Err: r.cause(f)}
	var (
		certificate *tls.CertificateVerificationError
		plain       tls.RecordHeaderError
		unknownHost *net.DNSError
		timeout     net.Error
	)
	stop := func(fault string) *announce.Error {
		e.Outcome, e.Stop, e.Fault = announce.Permanent, true, fault
		return e
	}
	switch {
	case errors.Is(f.err, errNoTLS):
		return stop(r.host + " does not offer STARTTLS, so nothing was sent. Somebody may be on the line; else set TLS to tls, or to none for a server on this machine.")
	case errors.Is(f.err, errNoAuth):
		return stop(r.host + " offers no login on this port. Check HOST and PORT, or leave USERNAME empty.")
	case errors.Is(f.err, errClear):
		return stop("The connection to " + r.host + " is not encrypted, so the password was not sent. Set TLS to starttls or tls.")
	case errors.Is(f.err, errMechanism):
		return stop(r.host + " wants a kind of login that Crieur does not know (known: PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5).")
	case errors.As(f.err, &certificate):
		return stop("The certificate of " + r.host + " is not valid, so nothing was sent. Check HOST; for a server with its own authority, set CA.")
	case errors.As(f.err, &plain) && r.mode == tlsImplicit:
		return stop(r.host + " does not speak TLS from the first byte on this port. Set TLS to starttls, or PORT to 465.")
	case errors.Is(f.err, context.Canceled), errors.Is(f.err, context.DeadlineExceeded):
		e.Fault = "The mail was not sent: there was no time left at " + f.phase.String() + "."
	case errors.As(f.err, &unknownHost):
		e.Fault = "The mail server " + r.host + " was not found. If this lasts, check HOST and the DNS of this machine."
	case f.phase == connecting:
		e.Fault = "The mail server " + r.address + " cannot be reached. If this lasts, check HOST, PORT and the firewall."
	case errors.Is(f.err, errChunking):
		e.Fault = "The mail server " + r.host + " offers CHUNKING and does not know BDAT; mail goes to it without from now on."
	case errors.Is(f.err, errReply), errors.Is(f.err, errFlood):
		e.Fault = r.address + " does not answer as a mail server at " + f.phase.String() + ". If this lasts, check HOST and PORT."
	case errors.As(f.err, &timeout) && timeout.Timeout():
		e.Fault = "The mail server " + r.host + " did not answer in time at " + f.phase.String() + "."
	default:
		e.Fault = "The mail server " + r.host + " ended the connection at " + f.phase.String() + "."
	}
	return e
}

var slowly = regexp.MustCompile(`(?i)\b(rate|rates|throttl\w*|too (many|much|fast|quickly)|limit\w*)\b`)

// limited reports whether a temporary refusal of a mail speaks of how much the recipient's provider takes: 4.7.28 of Gmail,
// 4.7.500 to 4.7.699 of Outlook.com, or 4.7 (RFC 3463: policy) with words to that effect. Greylisting, which is of one
// recipient, does not.
func limited(subject, detail int, text string) bool {
	return subject == 7 && (detail == 28 || detail >= 500 && detail <= 699 || slowly.MatchString(text))
}

// refusal is what a clear no of the server means.
func (r *relay) refusal(f failure) *announce.Error {
	class, subject, detail := enhanced(f.text)
	e := &announce.Error{Status: strconv.Itoa(f.code), Outcome: announce.Temporary}
	if class != 0 {
		e.Status = fmt.Sprintf("%d %d.%d.%d", f.code, class, subject, detail)
	}
	said := ""
	if words := r.quote(f.text); words != "" && f.phase != authenticating {
		said = " It said: " + words
	}
	if f.code/100 == 4 {
		e.Fault = fmt.Sprintf("%s does not take %s now.%s", r.host, f.phase, said)
		if class == 4 && subject == 7 && (f.code == 421 || f.phase < recipient && f.phase != authenticating && f.phase != securing) {
			e.Outcome, e.RetryAfter = announce.RateLimited, busy
			e.Fault = r.host + " asks to send more slowly." + said
		}
		if class == 4 && f.phase >= recipient && (f.code == 421 && subject == 7 || limited(subject, detail, f.text)) {
			e.Outcome, e.RetryAfter, e.Group = announce.RateLimited, busy, true
			e.Fault = r.host + " asks to send more slowly to this domain." + said
		}
		return e
	}
	e.Outcome = announce.Permanent
	size := f.code == 552 || class == 5 && subject == 3 && detail == 4
	ours := f.code == 530 || class == 5 && subject == 7 && (detail >= 20 && detail <= 29 || detail == 57 || detail == 515)
	switch {
	case f.phase == authenticating:
		e.Stop, e.Fault = true, r.host+" refuses the login. Check USERNAME and PASSWORD; some providers want an application password or an API key here."
	case f.phase == securing:
		e.Stop, e.Fault = true, r.host+" refuses to encrypt, so nothing was sent."+said
	case f.phase < authenticating:
		e.Stop, e.Fault = true, r.host+" refuses to talk to this machine."+said
	case f.code == 530 && f.phase == sender && r.username == "":
		e.Stop, e.Fault = true, r.host+" wants a login. Set USERNAME and PASSWORD."+said
	case size && f.phase != recipient:
		e.Field, e.Fault = "images", "The mail is too big for "+r.host+"."+said
	case ours:
		e.Stop, e.Fault = true, "Mail from "+r.domain+" is refused for how it is sent: check SPF, DKIM and DMARC."+said
	case class == 5 && subject == 4 && detail == 5:
		e.Stop, e.Fault = true, "The sending limit of this account at "+r.host+" is reached. Resume when it is over, or take a bigger plan."+said
	case f.phase == sender:
		e.Stop, e.Fault = true, r.host+" refuses the sender "+r.envelope+". Check FROM: it must be an address that this account may use."+said
	case class == 5 && (subject == 1 && detail != 7 && detail != 8 || subject == 2 && detail == 1) && f.phase >= recipient:
		e.Gone, e.Fault = true, "The subscriber's address does not exist (any more)."+said
	default:
		e.Fault = fmt.Sprintf("%s refuses %s.%s", r.host, f.phase, said)
	}
	return e
}

// addressed finds mail addresses (RFC 5321, 4.1.2, and RFC 6531) in what servers say.
var addressed = regexp.MustCompile(`("(\\.|[^"\\])*"|[^\s<>()\[\]"',;:=@]+)@(\[[^\]\s]*\]|[^\s<>()\[\]"',;:@]+)`)

// quote makes the server's words fit for the console and the log: short, printable, without our password and without any
// address but the sender's: servers like to repeat them, and they are in no log.
func (r *relay) quote(s string) string {
	if p := r.password.Reveal(); p != "" {
		for _, secret := range []string{p, encode(p), encode("\x00" + r.username + "\x00" + p), encode(r.username)} {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = addressed.ReplaceAllStringFunc(s, func(a string) string {
		if strings.EqualFold(a, r.envelope) || r.from != nil && strings.EqualFold(a, r.from.Address) {
			return a
		}
		return "…"
	})
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return strings.TrimSpace(s)
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// cause is what errors.Is may find behind a failure. What was said during the login is left out.
func (r *relay) cause(f failure) error {
	var network net.Error
	if f.phase == authenticating && !errors.As(f.err, &network) && !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
		return nil
	}
	return f.err
}
