package discordtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	mostContent = 2000
	mostAlt     = 1024
	mostNonce   = 25
	mostFile    = 10 << 20
	mostBody    = 25 << 20
	remembers   = 3 * time.Minute // how long a nonce holds: "the past few minutes"
)

func (f file) uri() string {
	return "data:" + f.media + ";base64," + base64.StdEncoding.EncodeToString(f.data)
}

// payload is a message as a request describes it.
type payload struct {
	Content     *string `json:"content"`
	Flags       *int    `json:"flags"`
	Nonce       string  `json:"nonce"`
	Enforce     bool    `json:"enforce_nonce"`
	Attachments *[]struct {
		ID          json.RawMessage `json:"id"`
		Filename    string          `json:"filename"`
		Description string          `json:"description"`
	} `json:"attachments"`
	Mentions *struct {
		Parse       []string `json:"parse"`
		RepliedUser bool     `json:"replied_user"`
	} `json:"allowed_mentions"`
	Reference *struct {
		Message string `json:"message_id"`
		Fail    *bool  `json:"fail_if_not_exists"`
	} `json:"message_reference"`

	files map[int]file
	raw   string
}

func decode(r *http.Request) (x payload, refused *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, mostBody))
	if err != nil {
		return x, no(413, 40005, "Request entity too large")
	}
	x.files = map[int]file{}
	media, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	text := body
	switch media {
	case "application/json":
	case "multipart/form-data":
		if text, refused = parts(string(body), parameters["boundary"], x.files); refused != nil {
			return x, refused
		}
	default:
		return x, no(400, 50035, "Invalid Content-Type")
	}
	if json.Unmarshal(text, &x) != nil {
		return x, no(400, 50109, "The request body contains invalid JSON.")
	}
	x.raw = pretty(text, x.files)
	return x, nil
}

var fileName = regexp.MustCompile(`^files\[([0-9])\]$`)

func parts(body, boundary string, files map[int]file) ([]byte, *refusal) {
	form := multipart.NewReader(strings.NewReader(body), boundary)
	var text []byte
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return nil, no(400, 50035, "Invalid Form Body")
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, no(400, 50035, "Invalid Form Body")
		}
		at := fileName.FindStringSubmatch(part.FormName())
		switch {
		case part.FormName() == "payload_json":
			text = data
		case at == nil || part.FileName() == "":
			return nil, no(400, 50035, "Invalid Form Body")
		case len(data) > mostFile:
			return nil, no(413, 40005, "Request entity too large")
		default:
			n, _ := strconv.Atoi(at[1])
			files[n] = file{name: part.FileName(), media: part.Header.Get("Content-Type"), data: data}
		}
	}
}

// pretty is what came over the wire, for a person to look at.
func pretty(text []byte, files map[int]file) string {
	var v map[string]any
	_ = json.Unmarshal(text, &v) // it was read before
	for n, f := range files {
		v[fmt.Sprintf("(files[%d])", n)] = fmt.Sprintf("%s, %s, %d bytes", f.name, f.media, len(f.data))
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
	return b.String()
}

// check holds a message to Discord's limits.
func (x payload) check() *refusal {
	if x.Content != nil && utf8.RuneCountInString(*x.Content) > mostContent {
		return invalid("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
	}
	if len(x.Nonce) > mostNonce {
		return invalid("nonce", "NONCE_TYPE_TOO_LONG", "Nonce is too long")
	}
	if x.Attachments != nil {
		for _, a := range *x.Attachments {
			if len(utf16.Encode([]rune(a.Description))) > mostAlt {
				return invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer in length.")
			}
		}
		if len(*x.Attachments) > 10 {
			return no(400, 30015, "Maximum number of attachments in a message reached (10)")
		}
	}
	return nil
}

// put makes the message what the payload says. keep: files that are there already.
func (p *Platform) put(m *message, x payload, keep []file) *refusal {
	var files []file
	used := map[int]bool{}
	if x.Attachments != nil {
		for _, a := range *x.Attachments {
			id := strings.Trim(string(a.ID), `"`)
			if n, err := strconv.Atoi(id); err == nil && n < 10 {
				f, ok := x.files[n]
				if !ok {
					return invalid("attachments", "ATTACHMENT_NOT_FOUND", "Attachment data not found")
				}
				used[n] = true
				f.id, _ = p.number()
				f.alt = a.Description
				files = append(files, f)
				continue
			}
			i := slices.IndexFunc(keep, func(f file) bool { return f.id == id })
			if i < 0 {
				return invalid("attachments", "ATTACHMENT_NOT_FOUND", "Attachment data not found")
			}
			files = append(files, keep[i])
		}
	} else {
		files = keep
	}
	for n := range x.files {
		if !used[n] {
			return invalid("attachments", "ATTACHMENT_NOT_FOUND", "Attachment data not found")
		}
	}
	if x.Content != nil {
		m.content = strings.TrimSpace(*x.Content)
	}
	if x.Flags != nil {
		m.quiet = *x.Flags&4 != 0
	}
	if m.content == "" && len(files) == 0 {
		return no(400, 50006, "Cannot send an empty message")
	}
	m.files, m.raw = files, x.raw
	p.pings += pings(m.content, x)
	return nil
}

var mention = regexp.MustCompile(`<@[!&]?[0-9]+>`)

// pings counts whom a message calls. Without allowed_mentions everybody that it names.
func pings(content string, x payload) int {
	allowed := func(kind string) bool { return x.Mentions == nil || slices.Contains(x.Mentions.Parse, kind) }
	n := 0
	if allowed("everyone") {
		n += strings.Count(content, "@everyone") + strings.Count(content, "@here")
	}
	if allowed("users") || allowed("roles") {
		n += len(mention.FindAllString(content, -1))
	}
	return n
}

func (p *Platform) busy() *refusal {
	if p.left() > 0 {
		return nil
	}
	return &refusal{status: 429, wait: 1.337}
}

func (p *Platform) post(r *http.Request) (int, any, *refusal) {
	if refused := p.here(r); refused != nil {
		return 0, nil, refused
	}
	x, refused := decode(r)
	if refused != nil {
		return 0, nil, refused
	}
	switch {
	case p.set.Kind == 15 && r.PathValue("channel") == Channel:
		return 0, nil, no(400, 40058, "Cannot send a message in a forum channel")
	case !p.may(1 << 11), len(x.files) > 0 && !p.may(1<<15):
		return 0, nil, no(403, 50013, "Missing Permissions")
	}
	if refused := x.check(); refused != nil {
		return 0, nil, refused
	}
	if x.Enforce && x.Nonce != "" {
		i := slices.IndexFunc(p.messages, func(m *message) bool {
			return m.nonce == x.Nonce && m.author == Me && !m.deleted && time.Since(m.at) < remembers
		})
		if i >= 0 {
			return 200, p.messages[i].json(x.Nonce), nil
		}
	}
	m := &message{channel: r.PathValue("channel"), author: Me, nonce: x.Nonce}
	if x.Reference != nil {
		if !p.may(1 << 16) {
			return 0, nil, no(403, 160002, "Cannot reply without permission to read message history")
		}
		m.replyTo = x.Reference.Message
	}
	return p.create(m, x)
}

func (p *Platform) create(m *message, x payload) (int, any, *refusal) {
	if refused := p.busy(); refused != nil {
		return 0, nil, refused
	}
	if refused := p.put(m, x, nil); refused != nil {
		return 0, nil, refused
	}
	p.add(m)
	return 200, m.json(x.Nonce), nil
}

// json is a message as Discord gives it. The nonce comes back to whoever made it, and to nobody later.
func (m *message) json(nonce string) map[string]any {
	out := map[string]any{
		"id": m.id, "channel_id": m.channel, "content": m.content, "author": map[string]any{"id": m.author}, "timestamp": m.at,
		"attachments": []any{},
	}
	if nonce != "" {
		out["nonce"] = nonce
	}
	return out
}

func (p *Platform) execute(r *http.Request) (int, any, *refusal) {
	x, refused := decode(r)
	if refused != nil {
		return 0, nil, refused
	}
	thread := r.URL.Query().Get("thread_id")
	switch {
	case p.set.Kind == 15 && thread == "":
		return 0, nil, no(400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id")
	case thread != "" && thread != Thread:
		return 0, nil, no(404, 10003, "Unknown Channel")
	}
	if refused := x.check(); refused != nil {
		return 0, nil, refused
	}
	m := &message{channel: Channel, author: hook}
	if thread != "" {
		m.channel = thread
	}
	status, result, refused := p.create(m, x)
	if refused == nil && r.URL.Query().Get("wait") != "true" {
		return 204, nil, nil
	}
	return status, result, refused
}

// find is the message that a request names.
func (p *Platform) find(r *http.Request) (*message, *refusal) {
	author, channel := Me, r.PathValue("channel")
	if r.PathValue("hook") != "" {
		author, channel = hook, Channel
		if t := r.URL.Query().Get("thread_id"); t != "" {
			channel = t
		}
	} else if refused := p.here(r); refused != nil {
		return nil, refused
	}
	i := slices.IndexFunc(p.messages, func(m *message) bool {
		return m.id == r.PathValue("message") && m.channel == channel && !m.deleted
	})
	switch {
	case i < 0, author == hook && p.messages[i].author != hook:
		return nil, no(404, 10008, "Unknown Message")
	case p.messages[i].author != author:
		return nil, no(403, 50005, "Cannot edit a message authored by another user")
	}
	return p.messages[i], nil
}

func (p *Platform) edit(r *http.Request) (int, any, *refusal) {
	m, refused := p.find(r)
	if refused != nil {
		return 0, nil, refused
	}
	x, refused := decode(r)
	if refused != nil {
		return 0, nil, refused
	}
	if refused := x.check(); refused != nil {
		return 0, nil, refused
	}
	if refused := p.put(m, x, m.files); refused != nil {
		return 0, nil, refused
	}
	m.edited++
	return 200, m.json(""), nil
}

func (p *Platform) remove(r *http.Request) (int, any, *refusal) {
	m, refused := p.find(r)
	if refused != nil {
		return 0, nil, refused
	}
	m.deleted = true
	return 204, nil, nil
}

func (p *Platform) list(r *http.Request) (int, any, *refusal) {
	if refused := p.here(r); refused != nil {
		return 0, nil, refused
	}
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 100 {
		return 0, nil, invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
	}
	if p.set.Page > 0 {
		limit = min(limit, p.set.Page)
	}
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	out := []any{}
	for _, m := range p.messages {
		n, _ := strconv.ParseUint(m.id, 10, 64)
		if p.may(1<<16) && m.channel == r.PathValue("channel") && !m.deleted && n > after && len(out) < limit {
			out = append(out, m.json(""))
		}
	}
	slices.Reverse(out) // the newest of them first
	return 200, out, nil
}
