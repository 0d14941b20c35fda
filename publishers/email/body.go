package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/textproto"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wneessen/go-mail"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/calendar"
)

// body is what every reader of a message shares: the headers that are nobody's own, and the text, encoded.
type body struct {
	once   sync.Once
	of     announce.Message // without the person's fields; Unsubscribe is the mark when each has a link
	pieces []piece
	marked [4]bool // which of announce.Message.Marks the texts hold
	dots   bool    // a line begins with a dot; the encodings leave none
	err    *announce.Error
}

// piece is encoded bytes, or the place of a part that is the person's own.
type piece struct {
	bytes []byte
	mark  int  // 0: bytes; else one more than its place in announce.Message.Marks
	html  bool // it stands in HTML
}

// The most bodies that are kept, and the most bytes of them; the newest is kept whatever its size.
const (
	shelf  = 16
	weight = 64 << 20
)

// bodies keeps what was encoded, by announcement, revision and language. Safe for concurrent use.
type bodies struct {
	mu   sync.Mutex
	list []*body // the last used last
}

// of returns the body of msg, built at most once as long as it is kept. Messages that differ share nothing, whatever
// they are called.
func (c *bodies) of(msg announce.Message, build func(*body)) *body {
	c.mu.Lock()
	b := c.take(&msg)
	c.list = append(c.list, b)
	c.mu.Unlock()
	b.once.Do(func() { build(b) })
	return b
}

// take removes the body of msg from the list, or makes room for a new one.
func (c *bodies) take(msg *announce.Message) *body {
	for i, b := range slices.Backward(c.list) {
		if b.of.Announcement == msg.Announcement && b.of.Rev == msg.Rev && b.of.Language == msg.Language && same(&b.of, msg) {
			c.list = slices.Delete(c.list, i, i+1)
			return b
		}
	}
	b := &body{of: *msg}
	b.of.Key, b.of.To, b.of.Name, b.of.Preferences, b.of.Archive, b.of.ReturnPath = "", "", "", "", "", ""
	if forPeople(msg) {
		b.of.Unsubscribe = announce.UnsubscribeMark
	}
	total := b.size()
	for i, x := range slices.Backward(c.list) {
		if total += x.size(); total > weight || len(c.list)-i >= shelf {
			c.list = slices.Delete(c.list, 0, i+1)
			break
		}
	}
	return b
}

// size is about what a body weighs: what it was made of, and as much again for what it became.
func (b *body) size() int {
	n := len(b.of.Text) + len(b.of.HTML)
	for _, p := range b.of.Images {
		n += len(p.Data)
	}
	return 2 * n
}

// same reports whether two messages have the same body. It is cheap when they share their strings.
func same(a, b *announce.Message) bool {
	return forPeople(a) == forPeople(b) && a.Text == b.Text && a.HTML == b.HTML && a.Subject == b.Subject && a.Kind == b.Kind && a.Summary == b.Summary &&
		a.Link == b.Link && a.Created.Equal(b.Created) && a.Updated.Equal(b.Updated) &&
		(a.Event == b.Event || reflect.DeepEqual(a.Event, b.Event)) &&
		(len(a.Images)+len(b.Images) == 0 || reflect.DeepEqual(a.Images, b.Images)) &&
		(len(a.Topics)+len(b.Topics) == 0 || reflect.DeepEqual(a.Topics, b.Topics))
}

// forPeople reports whether a message goes to one subscriber, rather than to an address such as a mailing list's: that has
// links and headers of its own, and may take mail that calls itself automatic or bulk for a loop and drop it (Sympa, ezmlm).
func forPeople(m *announce.Message) bool { return m.Unsubscribe != "" }

// build lets go-mail compose the mail around tokens, then puts the encoded text in their places. The same message gives
// the same bytes.
func (m *mailer) build(b *body) {
	msg := b.of
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s %d %s %s\x00%s", msg.Announcement, msg.Rev, msg.Language, msg.Text, msg.HTML)))
	seed := hex.EncodeToString(sum[:12])
	skeleton, err := m.skeleton(msg, seed)
	if err != nil {
		b.err = &announce.Error{Outcome: announce.Permanent, Fault: "The mail could not be composed.", Err: err}
		return
	}
	text, htmlText := encodeText(msg.Text, false), encodeText(msg.HTML, true)
	for _, p := range append(text, htmlText...) {
		if p.mark > 0 {
			b.marked[p.mark-1] = true
		}
	}
	before, after, _ := bytes.Cut(skeleton, []byte(token("text", seed)))
	b.pieces = append([]piece{{bytes: before}}, text...)
	if msg.HTML != "" {
		before, rest, _ := bytes.Cut(after, []byte(token("html", seed)))
		b.pieces = append(append(b.pieces, piece{bytes: before}), htmlText...)
		after = rest
	}
	b.pieces = append(b.pieces, piece{bytes: after})
	b.dots = slices.ContainsFunc(b.pieces, func(p piece) bool {
		return bytes.HasPrefix(p.bytes, []byte(".")) || bytes.Contains(p.bytes, []byte("\n."))
	})
}

func token(part, seed string) string { return "crieur" + part + seed }

// skeleton is the mail with tokens for its texts, without the headers that each person's mail has of its own.
func (m *mailer) skeleton(msg announce.Message, seed string) ([]byte, error) {
	g := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP))
	g.FromMailAddress(m.from)
	if m.replyTo != nil {
		g.ReplyToMailAddress(m.replyTo)
	}
	if forPeople(&msg) {
		g.SetBulk()
		g.SetGenHeader("Auto-Submitted", "auto-generated")
	}
	if l := string(msg.Language); l != "" && languageTag.MatchString(l) {
		g.SetGenHeader("Content-Language", l)
	}
	g.SetBodyString(mail.TypeTextPlain, token("text", seed))
	if msg.HTML != "" {
		g.AddAlternativeString(mail.TypeTextHTML, token("html", seed))
	}
	for i, p := range msg.Images {
		id := fmt.Sprintf("image%d", i+1)
		inside := strings.Contains(msg.HTML, "cid:"+id)
		if len(p.Data) == 0 || p.URL != "" && !inside {
			continue
		}
		kind, ok := strings.CutPrefix(p.Type, "image/")
		if !ok || !languageTag.MatchString(kind) {
			return nil, fmt.Errorf("image %d is of an unknown type", i+1)
		}
		name := id + "." + strings.Replace(kind, "jpeg", "jpg", 1)
		option := mail.WithFileContentType(mail.ContentType(p.Type))
		if inside {
			g.EmbedReadSeeker(name, bytes.NewReader(p.Data), option, mail.WithFileContentID("<"+id+">"))
		} else {
			g.AttachReadSeeker(name, bytes.NewReader(p.Data), option)
		}
	}
	if msg.Event != nil && !msg.Kind.AboutPast() {
		method := calendar.Method(msg)
		ics := m.calendar(msg, method)
		g.AddAlternativeString(mail.ContentType("text/calendar; method="+method), string(ics), mail.WithPartEncoding(mail.EncodingB64))
		g.AttachReadSeeker("invite.ics", bytes.NewReader(ics), mail.WithFileContentType(mail.ContentType("text/calendar; method="+method+"; charset=UTF-8")))
	}
	var out bytes.Buffer
	if _, err := g.WriteTo(&out); err != nil {
		return nil, err
	}
	own := appendSubject(nil, oneLine(msg.Subject))
	if forPeople(&msg) {
		own = append(append(append(own, "List-Id: "...), m.listID...), crlf...)
	}
	return append(own, settle(out.Bytes(), seed)...), nil
}

// calendar is the event for calendar programs: an update of the same entry at each revision, or its end.
func (m *mailer) calendar(msg announce.Message, method string) []byte {
	stamp := msg.Updated
	if stamp.IsZero() {
		stamp = msg.Created
	}
	e := calendar.Event(msg, m.site, calendar.Options{Stamp: stamp, Organizer: m.from})
	return calendar.Calendar(calendar.Document{Method: method}, e)
}

var languageTag = regexp.MustCompile(`^[A-Za-z0-9-]{1,35}$`)

// settle takes out what go-mail adds by the clock and by chance: Date, Message-ID and the boundaries.
func settle(b []byte, seed string) []byte {
	head, rest, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	var kept []byte
	skip := false
	for _, l := range bytes.SplitAfter(append(head, crlf...), []byte(crlf)) {
		if len(l) > 0 && l[0] != ' ' && l[0] != '\t' {
			name, _, _ := bytes.Cut(l, []byte(":"))
			switch textproto.CanonicalMIMEHeaderKey(string(name)) {
			case "Date", "Message-Id":
				skip = true
			default:
				skip = false
			}
		}
		if !skip {
			kept = append(kept, l...)
		}
	}
	b = append(append(kept, crlf...), rest...)
	for i, chance := range boundaries(b) {
		b = bytes.ReplaceAll(b, chance, fmt.Appendf(nil, "crieur-%s-%d", seed, i+1))
	}
	return b
}

// boundaries lists those of go-mail, in their order.
func boundaries(b []byte) (found [][]byte) {
	for {
		_, after, ok := bytes.Cut(b, []byte("\r\nContent-Type: multipart/"))
		if !ok {
			return found
		}
		b = after
		if _, value, ok := bytes.Cut(b[:min(200, len(b))], []byte(";\r\n boundary=")); ok {
			if value, _, ok = bytes.Cut(value, []byte(crlf)); ok && len(value) >= 20 {
				found = append(found, bytes.Clone(value))
			}
		}
	}
}

// encodeText is a text quoted-printable, cut where the person's own parts go.
func encodeText(s string, html bool) (pieces []piece) {
	marks := announce.Message{}.Marks()
	for {
		first, which := len(s), 0
		for i, m := range marks {
			if at := strings.Index(s, m[0]); at >= 0 && at < first {
				first, which = at, i+1
			}
		}
		pieces = append(pieces, piece{bytes: appendQP(nil, s[:first], which > 0)})
		if which == 0 {
			return pieces
		}
		pieces, s = append(pieces, piece{mark: which, html: html}), s[first+len(marks[which-1][0]):]
	}
}

// appendSubject writes the header with as much on its first line as fits: in words of RFC 2047 unless s is plain.
func appendSubject(b []byte, s string) []byte {
	const (
		name, start, end = "Subject: ", "=?UTF-8?Q?", "?="
		most             = 76
	)
	b = append(b, name...)
	column := len(name)
	if strings.IndexFunc(s, func(r rune) bool { return r >= 0x7f }) < 0 && !strings.Contains(s, "=?") {
		for i, word := range strings.Fields(s) {
			switch {
			case i > 0 && column+1+len(word) > most:
				b, column = append(b, "\r\n "...), 1
			case i > 0:
				b, column = append(b, ' '), column+1
			}
			b, column = append(b, word...), column+len(word)
		}
		return append(b, crlf...)
	}
	b, column = append(b, start...), column+len(start)
	for _, r := range s {
		var word []byte
		for _, c := range []byte(string(r)) {
			switch {
			case c == ' ':
				word = append(word, '_')
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
				word = append(word, c)
			default:
				word = fmt.Appendf(word, "=%02X", c)
			}
		}
		if column+len(word)+len(end) > most {
			b = append(append(append(b, end...), "\r\n "...), start...)
			column = 1 + len(start)
		}
		b, column = append(b, word...), column+len(word)
	}
	return append(append(b, end...), crlf...)
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }), " ")
}
