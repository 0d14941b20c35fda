package telegramtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg" // a photo may be one
	_ "image/png"  // a photo may be one
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	mostText    = 4096
	mostCaption = 1024
	mostPhoto   = 10_000_000
	mostBody    = 50 << 20
)

type method func(*Platform, arguments) (any, *refusal)

func methods() map[string]method {
	return map[string]method{
		"getme":              (*Platform).getMe,
		"getwebhookinfo":     (*Platform).getWebhookInfo,
		"getchat":            (*Platform).getChat,
		"getchatmember":      (*Platform).getChatMember,
		"sendmessage":        (*Platform).sendMessage,
		"sendphoto":          (*Platform).sendPhoto,
		"editmessagetext":    (*Platform).editText,
		"editmessagecaption": (*Platform).editCaption,
		"editmessagemedia":   (*Platform).editMedia,
		"deletemessage":      (*Platform).deleteMessage,
	}
}

// arguments are those of a call, each as JSON, with the file that came beside them.
type arguments struct {
	fields map[string]json.RawMessage
	file   *photo
}

type photo struct {
	media string
	data  []byte
}

func (f *photo) uri() string {
	return "data:" + f.media + ";base64," + base64.StdEncoding.EncodeToString(f.data)
}

func read(r *http.Request) (arguments, *refusal) {
	a := arguments{fields: map[string]json.RawMessage{}}
	body := http.MaxBytesReader(nil, r.Body, mostBody)
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch media {
	case "application/json":
		if json.NewDecoder(body).Decode(&a.fields) != nil {
			return a, bad("can't parse JSON object")
		}
	case "multipart/form-data":
		r.Body = body
		parts, err := r.MultipartReader()
		if err != nil {
			return a, bad("wrong multipart")
		}
		for {
			part, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				return a, &refusal{code: http.StatusRequestEntityTooLarge, say: "Request Entity Too Large"}
			}
			data, err := io.ReadAll(part)
			if err != nil {
				return a, &refusal{code: http.StatusRequestEntityTooLarge, say: "Request Entity Too Large"}
			}
			if part.FileName() != "" {
				a.file = &photo{part.Header.Get("Content-Type"), data}
				a.fields[part.FormName()] = quote(fmt.Sprintf("%s, %d bytes, %s", part.FileName(), len(data), a.file.media))
				continue
			}
			if bytes.HasPrefix(data, []byte("{")) && json.Valid(data) {
				a.fields[part.FormName()] = data
				continue
			}
			a.fields[part.FormName()] = quote(string(data))
		}
	default:
		return a, bad("wrong content type")
	}
	return a, nil
}

// quote is words as JSON that people can read.
func quote(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	return b.Bytes()
}

// text is an argument as words, be it a string or a number.
func (a arguments) text(name string) string {
	var s string
	if json.Unmarshal(a.fields[name], &s) == nil {
		return s
	}
	return string(a.fields[name])
}

func (a arguments) raw(method string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(map[string]any{"method": method, "arguments": a.fields})
	return b.String()
}

func (p *Platform) getMe(arguments) (any, *refusal) {
	return map[string]any{"id": bot, "is_bot": true, "first_name": "Crieur", "username": Bot, "can_join_groups": true}, nil
}

func (p *Platform) self() map[string]any {
	c := map[string]any{"id": Number, "type": p.kind(), "title": "Annonces simulées"}
	if !p.chat.Private {
		c["username"] = strings.TrimPrefix(Channel, "@")
	}
	if len(p.chat.Topics) > 0 {
		c["is_forum"] = true
	}
	return c
}

func (p *Platform) getChat(a arguments) (any, *refusal) {
	if r := p.here(a); r != nil {
		return nil, r
	}
	c := p.self()
	if p.chat.Group {
		c["permissions"] = map[string]any{"can_send_messages": !p.chat.Muted, "can_send_photos": !p.chat.Muted}
	}
	return c, nil
}

func (p *Platform) getChatMember(a arguments) (any, *refusal) {
	switch r := p.here(a); {
	case r != nil:
		return nil, r
	case p.chat.Status == "kicked":
		return nil, forbidden("bot was kicked from the " + p.kind() + " chat")
	case a.text("user_id") != fmt.Sprint(bot):
		return nil, bad("user not found")
	}
	m := map[string]any{"status": p.chat.Status, "user": map[string]any{"id": bot, "is_bot": true}}
	switch p.chat.Status {
	case "administrator":
		m["can_post_messages"] = p.chat.Post && !p.chat.Group
	case "restricted":
		m["can_send_messages"] = false
	}
	return m, nil
}

// say reads a text or a caption.
func say(words string, a arguments, most int, long string) (content, *refusal) {
	if a.text("parse_mode") != "HTML" {
		return content{text: strings.TrimSpace(words), html: escape(strings.TrimSpace(words))}, nil
	}
	c, refused := parse(words)
	if refused != nil {
		return c, refused
	}
	if units(c.text) > most {
		return c, bad(long)
	}
	return c, nil
}

func (p *Platform) send(a arguments, m *message) (any, *refusal) {
	if t := a.text("message_thread_id"); t != "" {
		m.topic, _ = strconv.Atoi(t)
		if !slices.Contains(p.chat.Topics, m.topic) {
			return nil, bad("message thread not found")
		}
	}
	var reply struct {
		ID int64 `json:"message_id"`
	}
	if raw := a.fields["reply_parameters"]; raw != nil {
		if json.Unmarshal(raw, &reply) != nil || reply.ID == 0 {
			return nil, bad("can't parse reply parameters JSON object")
		}
		m.replyTo = reply.ID
	}
	m.to = p.addressee(a).number()
	if r := p.busy(m.to); r != nil {
		return nil, r
	}
	m.id, m.at = int64(len(p.messages)+1), p.now()
	p.messages = append(p.messages, m)
	p.pings += m.content.pings
	return p.shown(m), nil
}

func (p *Platform) shown(m *message) any {
	out := map[string]any{"message_id": m.id, "date": m.at.Unix(), "chat": p.self()}
	if who := p.people[m.to]; who != nil {
		out["chat"] = who.chat()
	}
	if m.photo != nil {
		out["caption"], out["photo"] = m.content.text, []any{map[string]any{"file_id": fmt.Sprint("photo", m.id)}}
	} else {
		out["text"] = m.content.text
	}
	return out
}

// may checks that the bot may write here.
func (p *Platform) may(a arguments) *refusal {
	if r := p.here(a); r != nil {
		return r
	}
	return p.writable(a)
}

func (p *Platform) sendMessage(a arguments) (any, *refusal) {
	if r := p.may(a); r != nil {
		return nil, r
	}
	c, refused := say(a.text("text"), a, mostText, "message is too long")
	if refused != nil {
		return nil, refused
	}
	if c.text == "" {
		return nil, bad("message text is empty")
	}
	return p.send(a, &message{raw: a.raw("sendMessage"), content: c, preview: previewOf(a, c)})
}

func (p *Platform) sendPhoto(a arguments) (any, *refusal) {
	if r := p.may(a); r != nil {
		return nil, r
	}
	c, refused := say(a.text("caption"), a, mostCaption, "message caption is too long")
	if refused != nil {
		return nil, refused
	}
	if refused := picture(a.file); refused != nil {
		return nil, refused
	}
	return p.send(a, &message{raw: a.raw("sendPhoto"), content: c, photo: a.file})
}

func picture(f *photo) *refusal {
	if f == nil {
		return bad("there is no photo in the request")
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(f.data))
	switch {
	case len(f.data) > mostPhoto:
		return bad("file is too big")
	case err != nil:
		return bad("IMAGE_PROCESS_FAILED")
	case c.Width+c.Height > 10_000, c.Width > 20*c.Height, c.Height > 20*c.Width:
		return bad("PHOTO_INVALID_DIMENSIONS")
	}
	return nil
}

const unchanged = "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"

// change puts new content in a message's place.
func (p *Platform) change(m *message, raw string, c content, v preview, f *photo) (any, *refusal) {
	if c.html == m.content.html && v == m.preview && f == m.photo {
		return nil, bad(unchanged)
	}
	p.pings += c.pings
	m.raw, m.content, m.preview, m.photo = raw, c, v, f
	m.edited++
	return p.shown(m), nil
}

func (p *Platform) editText(a arguments) (any, *refusal) {
	m, refused := p.find(a, "message to edit not found")
	if refused != nil {
		return nil, refused
	}
	c, refused := say(a.text("text"), a, mostText, "message is too long")
	switch {
	case refused != nil:
		return nil, refused
	case m.photo != nil:
		return nil, bad("there is no text in the message to edit")
	case c.text == "":
		return nil, bad("message text is empty")
	}
	return p.change(m, a.raw("editMessageText"), c, previewOf(a, c), nil)
}

func (p *Platform) editCaption(a arguments) (any, *refusal) {
	m, refused := p.find(a, "message to edit not found")
	if refused != nil {
		return nil, refused
	}
	c, refused := say(a.text("caption"), a, mostCaption, "message caption is too long")
	switch {
	case refused != nil:
		return nil, refused
	case m.photo == nil:
		return nil, bad("there is no caption in the message to edit")
	}
	return p.change(m, a.raw("editMessageCaption"), c, preview{}, m.photo)
}

func (p *Platform) editMedia(a arguments) (any, *refusal) {
	m, refused := p.find(a, "message to edit not found")
	if refused != nil {
		return nil, refused
	}
	var media struct {
		Type, Media, Caption string
		Mode                 string `json:"parse_mode"`
	}
	if json.Unmarshal(a.fields["media"], &media) != nil || media.Type != "photo" || media.Media != "attach://photo" {
		return nil, bad("can't parse InputMedia: this simulation takes an attached photo only")
	}
	c, refused := say(media.Caption, arguments{fields: map[string]json.RawMessage{"parse_mode": quote(media.Mode)}}, mostCaption, "message caption is too long")
	if refused != nil {
		return nil, refused
	}
	if refused := picture(a.file); refused != nil {
		return nil, refused
	}
	return p.change(m, a.raw("editMessageMedia"), c, preview{}, a.file)
}

func (p *Platform) deleteMessage(a arguments) (any, *refusal) {
	m, refused := p.find(a, "message to delete not found")
	if refused != nil {
		return nil, refused
	}
	if p.now().Sub(m.at) > 48*time.Hour {
		return nil, bad("message can't be deleted for everyone")
	}
	m.deleted = true
	return true, nil
}
