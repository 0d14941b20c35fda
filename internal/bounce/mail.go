package bounce

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // servers write in the charset of their country
)

// What is looked at of a mail, in bytes, and how deep.
const (
	mostMail     = 2 << 20 // of the whole; what comes later is passed over
	mostStatus   = 256 << 10
	mostOriginal = 1 << 20
	mostText     = 64 << 10
	mostHeader   = 256 << 10
	mostDepth    = 6
	mostParts    = 40
)

// Reader reads mail that comes back. The zero Known takes every token of the right form.
type Reader struct {
	Prefix, Domain string                  // as given to ReturnPath
	Known          func(token string) bool // checks the MAC of a token. It says yes only to one that names a delivery
	now            func() time.Time
}

func (r Reader) clock() time.Time {
	if r.now != nil {
		return r.now()
	}
	return time.Now()
}

// Read returns what a mail reports: bounces (RFC 3464, and what servers write that know no such form) and complaints (RFC
// 5965). to are the envelope's recipients, as far as they are known. Vacation answers, delays and challenges report nothing,
// and neither does mail without a token that Known takes. The same mail gives the same IDs. An error is one of in.
func (r Reader) Read(in io.Reader, to ...string) ([]Report, error) {
	raw, err := io.ReadAll(io.LimitReader(in, mostMail))
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	if err != nil {
		return nil, err
	}
	return r.read(raw, to), nil
}

// Pipe reads one mail and hands what it reports to handle. After nil it needs to be kept no longer. For a mail server that
// pipes mail into a command: on an error answer EX_TEMPFAIL (75), and it comes again.
func (r Reader) Pipe(ctx context.Context, in io.Reader, to []string, handle Handler) error {
	reports, err := r.Read(in, to...)
	if err != nil || len(reports) == 0 {
		return err
	}
	return handle(ctx, reports)
}

// letter is a mail taken apart.
type letter struct {
	header   message.Header
	report   bool   // of its own account a report (RFC 6522)
	status   []byte // message/delivery-status
	feedback []byte // message/feedback-report
	text     string // what a person reads
	original *message.Header
	parts    int
}

func (r Reader) read(raw []byte, to []string) []Report {
	e, err := message.ReadWithOptions(bytes.NewReader(raw), &message.ReadOptions{MaxHeaderBytes: mostHeader})
	if e == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return nil
	}
	l := &letter{header: e.Header}
	l.open(e, 0)
	body := raw
	if i := bytes.Index(raw, []byte("\r\n\r\n")); i >= 0 {
		body = raw[i:]
	} else if i := bytes.Index(raw, []byte("\n\n")); i >= 0 {
		body = raw[i:]
	}
	// Received fields differ from one delivery of this mail to the next; these do not.
	self := e.Header.Get("Message-Id") + "\x00" + string(bytes.ReplaceAll(bytes.TrimSpace(body), []byte("\r\n"), []byte("\n")))
	var reports []Report
	switch {
	case l.feedback != nil:
		reports = r.complaint(l, to)
	case l.status != nil:
		reports = r.bounces(l, to)
	default:
		reports = r.words(l, to)
	}
	for i := range reports {
		reports[i].ID = digest(reports[i].Source, self, reports[i].Token, reports[i].Address)
	}
	return reports
}

// open takes a part of the mail apart.
func (l *letter) open(e *message.Entity, depth int) {
	if l.parts++; l.parts > mostParts || depth > mostDepth {
		return
	}
	kind, params, _ := e.Header.ContentType()
	switch kind = strings.ToLower(kind); {
	case strings.HasPrefix(kind, "multipart/"):
		l.report = l.report || kind == "multipart/report"
		for parts := e.MultipartReader(); l.parts <= mostParts; {
			p, err := parts.NextPart()
			if p == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
				return
			}
			l.open(p, depth+1)
		}
	case kind == "message/delivery-status", kind == "message/global-delivery-status":
		if l.status == nil {
			l.status = most(e.Body, mostStatus)
		}
	case kind == "message/feedback-report":
		if l.feedback == nil {
			l.feedback = most(e.Body, mostStatus)
		}
	case kind == "text/rfc822-headers", kind == "message/rfc822-headers", kind == "message/global-headers":
		l.keep(most(e.Body, mostHeader))
	case kind == "message/rfc822", kind == "message/global":
		b := most(e.Body, mostOriginal)
		if l.status == nil && l.feedback == nil && !l.report {
			l.forwarded(b, depth)
			return
		}
		l.keep(b)
	case kind == "text/plain", kind == "":
		b := most(e.Body, mostText)
		if l.status == nil && bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(b)), []byte("reporting-mta:")) {
			l.status = b // a report whose part has lost its type
			return
		}
		if l.text == "" || params["name"] == "" && depth == 0 {
			l.text = string(b)
		}
	}
}

// forwarded opens a mail within a mail: a bounce that somebody passed on, or what a bounce without form gives back.
func (l *letter) forwarded(b []byte, depth int) {
	e, err := message.ReadWithOptions(bytes.NewReader(b), &message.ReadOptions{MaxHeaderBytes: mostHeader})
	if e == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return
	}
	kind, params, _ := e.Header.ContentType()
	switch {
	case strings.EqualFold(kind, "multipart/report") && !strings.EqualFold(params["report-type"], "disposition-notification"):
		l.header = e.Header
		l.open(e, depth+1)
	case l.original == nil:
		l.original = &e.Header
	}
}

// keep reads the header of the mail that came back.
func (l *letter) keep(b []byte) {
	if l.original != nil {
		return
	}
	b = append(bytes.TrimLeft(b, "\r\n"), "\r\n\r\n"...)
	e, err := message.ReadWithOptions(bytes.NewReader(b), &message.ReadOptions{MaxHeaderBytes: mostHeader + 4})
	if e != nil && (err == nil || message.IsUnknownCharset(err) || message.IsUnknownEncoding(err)) {
		l.original = &e.Header
	}
}

func most(r io.Reader, n int64) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, n)) // of a part that breaks off, what there is
	if b == nil {
		b = []byte{}
	}
	return b
}

// token finds the delivery that a mail is about: in where it came to, in what the report says of the envelope, and in
// the header of what came back.
func (r Reader) token(l *letter, to []string, envelope ...string) string {
	for _, field := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To"} {
		to = append(to[:len(to):len(to)], l.header.Values(field)...)
	}
	to = append(to, envelope...)
	for _, a := range to {
		for _, one := range strings.Split(a, ",") {
			if t, ok := ReadReturnPath(r.Prefix, r.Domain, address(one)); ok && r.known(t) {
				return t
			}
		}
	}
	if l.original == nil {
		return ""
	}
	return r.ofOriginal(l.original.Get("Return-Path"), l.original.Get("Message-Id"), l.original.Get("List-Unsubscribe"))
}

// ofOriginal finds the token in fields of a mail that we sent; empty when there is none.
func (r Reader) ofOriginal(returnPath, messageID, unsubscribe string) string {
	if t, ok := ReadReturnPath(r.Prefix, r.Domain, address(returnPath)); ok && r.known(t) {
		return t
	}
	local, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(messageID), "<>"), "@")
	if t := r.plain(local); t != "" {
		return t
	}
	for _, one := range strings.Split(unsubscribe, ",") {
		u, err := url.Parse(strings.Trim(strings.TrimSpace(one), "<>"))
		if err != nil {
			continue
		}
		if t, ok := ReadReturnPath(r.Prefix, r.Domain, u.Opaque); ok && u.Scheme == "mailto" && r.known(t) {
			return t
		}
		candidates := strings.Split(u.Path, "/")
		for _, values := range u.Query() {
			candidates = append(candidates, values...)
		}
		for _, c := range candidates {
			if t := r.plain(c); t != "" {
				return t
			}
		}
	}
	return ""
}

// plain is s in lower case when it is a token of ours. Where nothing checks tokens, no word that looks like one is taken for one.
func (r Reader) plain(s string) string {
	if s = lower(s); r.Known != nil && wellFormed(s) && r.Known(s) {
		return s
	}
	return ""
}

func (r Reader) known(token string) bool { return r.Known == nil || r.Known(token) }
