// Package zulip publishes in a channel of a Zulip organisation, as a bot.
package zulip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "zulip"

// Config is one channel of an organisation, and the bot that posts in it.
type Config struct {
	API    string          `env:"API,notEmpty" doc:"Address of the organisation, such as https://example.zulipchat.com."`
	Email  string          `env:"EMAIL,notEmpty" doc:"The bot's email address, as its zuliprc file has it."`
	Key    announce.Secret `env:"KEY,notEmpty" doc:"The bot's API key."`
	Stream string          `env:"STREAM,notEmpty" doc:"Channel (stream) to post in: its name or its number."`
	Topic  string          `env:"TOPIC" doc:"Topic of the posts, at most 60 characters; {title}: a topic for each announcement. Default: Annonces or Announcements."`
}

// New returns the publisher of one channel.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case !strings.Contains(c.Email, "@") || strings.ContainsAny(c.Email, ": \t\r\n"):
		return nil, errors.New("EMAIL: is not the bot's email address (Personal settings, Bots)")
	case c.Key.Empty() || strings.ContainsAny(c.Key.Reveal(), " \t\r\n"):
		return nil, errors.New("KEY: is not an API key: it holds no blanks")
	case len([]rune(c.Topic)) > maxTopic || strings.ContainsAny(c.Topic, "\r\n"):
		return nil, fmt.Errorf("TOPIC: has more than %d characters or lines", maxTopic)
	}
	base := strings.TrimSuffix(strings.TrimRight(c.API, "/"), "/api/v1")
	client, err := rest.New("Zulip", base, func(r *http.Request) { r.SetBasicAuth(c.Email, c.Key.Reveal()) })
	if err != nil {
		return nil, err
	}
	p := &publisher{client: client, topic: strings.TrimSpace(c.Topic), reader: markup.NewReader(), channel: c.Stream, label: c.Stream}
	if n, err := strconv.Atoi(c.Stream); err == nil && n > 0 {
		p.channel = n
	} else {
		p.label = "#" + strings.TrimPrefix(c.Stream, "#")
		p.channel = strings.TrimPrefix(c.Stream, "#")
	}
	return p, nil
}

type publisher struct {
	client  *rest.Client
	channel any    // its name or its number
	label   string // as people call it
	topic   string
	reader  *markup.Reader
}

var (
	_ announce.Amender   = (*publisher)(nil)
	_ announce.Retracter = (*publisher)(nil)
	_ announce.Finder    = (*publisher)(nil)
	_ announce.Checker   = (*publisher)(nil)
)

func (p *publisher) Name() string { return name }

// A message has 10,000 characters. Beside the text it holds the title, at most 300, and the words of two pictures, each of
// which may be written with five.
const (
	maxText   = 6000
	maxImages = 2
	maxAlt    = 200
	maxTopic  = 60
)

// Limits: nothing that a call could carry makes Zulip recognise a repeat.
func (p *publisher) Limits() announce.Limits {
	return announce.Limits{
		Text: maxText, Links: true, Markdown: true, Images: maxImages, Alt: maxAlt, Picture: announce.PictureLimits{Bytes: 5 << 20, Side: 2560},
		Measure: func(text string) int { return len([]rune(write(p.reader.Read(text), nil))) }, Pace: 500 * time.Millisecond,
	}
}

// Publish posts the message once.
func (p *publisher) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	content, err := p.content(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	to, err := json.Marshal(p.channel) // a name in quotes, so that none passes for a number
	if err != nil {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "Zulip: the request could not be composed; this is a fault of the program", Err: err}
	}
	var made struct {
		ID int64 `json:"id"`
	}
	_, err = p.client.Do(ctx, form(http.MethodPost, "/messages", url.Values{"type": {"stream"}, "to": {string(to)}, "topic": {p.subject(m)}, "content": {content}}, rest.Call{
		Into: &made, Create: true, Classify: p.classify(aboutChannel),
	}))
	if err != nil {
		return announce.Receipt{}, err
	}
	if made.ID == 0 {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Zulip says yes without a message: look whether it is in the channel"}
	}
	return p.receipt(made.ID, time.Now().UTC()), nil
}

// Amend edits the message in place. Its topic stays.
func (p *publisher) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	path, err := place(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	content, err := p.content(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	_, err = p.client.Do(ctx, form(http.MethodPatch, path, url.Values{"content": {content}}, rest.Call{Classify: p.classify(aboutMessage)}))
	if !refused(err) {
		return r, err
	}
	// Zulip gives its reasons in the bot's language only.
	switch now, there, looked := p.standing(ctx, path); {
	case looked != nil:
		return announce.Receipt{}, looked
	case !there:
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Status: "400", Fault: "the message is no longer in Zulip: somebody deleted it there"}
	case same(now, content):
		return r, nil
	}
	return announce.Receipt{}, err
}

// Retract deletes the message.
func (p *publisher) Retract(ctx context.Context, r announce.Receipt) error {
	path, err := place(r)
	if err != nil {
		return err
	}
	_, err = p.client.Do(ctx, rest.Call{Method: http.MethodDelete, Path: "/api/v1" + path, Classify: p.classify(aboutMessage)})
	if !refused(err) {
		return err
	}
	if _, there, looked := p.standing(ctx, path); looked != nil || there {
		return err
	}
	if p.visible(ctx) != nil {
		return err // the channel is hidden from the bot, and with it the message
	}
	return nil
}

// standing is what the message says now, if it is there.
func (p *publisher) standing(ctx context.Context, path string) (content string, there bool, err error) {
	var seen struct {
		Message *struct {
			Content string `json:"content"`
		} `json:"message"`
	}
	_, err = p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1" + path, Query: url.Values{"apply_markdown": {"false"}}, Into: &seen, Classify: p.classify(aboutMessage)})
	switch {
	case refused(err):
		return "", false, nil
	case err != nil:
		return "", false, err
	case seen.Message == nil:
		return "", false, &announce.Error{Outcome: announce.Temporary, Fault: "Zulip did not show the message: it will be tried again"}
	}
	return seen.Message.Content, true, nil
}

// content is the message in Zulip's Markdown, its pictures uploaded.
func (p *publisher) content(ctx context.Context, m announce.Message) (string, error) {
	var pictures []string
	for n, i := range m.Images {
		address, err := p.upload(ctx, i, n)
		if err != nil {
			return "", err
		}
		pictures = append(pictures, address)
	}
	return compose(p.reader, m, pictures), nil
}

// upload gives the picture to the server, which shows it to nobody until a message links to it.
func (p *publisher) upload(ctx context.Context, i announce.Picture, n int) (string, error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	end := strings.TrimPrefix(i.Type, "image/")
	if end == "jpeg" {
		end = "jpg"
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="filename"; filename="image%d.%s"`, n+1, end)}, "Content-Type": {i.Type},
	})
	if err == nil {
		_, err = part.Write(i.Data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", &announce.Error{Outcome: announce.Permanent, Fault: "Zulip: the picture could not be packed; this is a fault of the program", Err: err}
	}
	var made struct {
		URL string `json:"url"`
		URI string `json:"uri"` // of servers before 2024
	}
	_, err = p.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/api/v1/user_uploads", Raw: body.Bytes(), Type: w.FormDataContentType(), Into: &made, Classify: p.classify(aboutPicture),
	})
	if made.URL == "" {
		made.URL = made.URI
	}
	if err == nil && !uploaded.MatchString("("+made.URL+")") {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Zulip took a picture and does not say where it is: it will be tried again"}
	}
	return made.URL, err
}

// uploaded is how a message links to an uploaded picture.
var uploaded = regexp.MustCompile(`\(/user_uploads/[^\s()]+\)`)

// same reports whether two messages say the same, but for where their pictures were put.
func same(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(uploaded.ReplaceAllString(s, "(/user_uploads/)")) }
	return plain(a) == plain(b)
}

// ofTitle is the TOPIC that gives each announcement its own, which stays when the title is corrected.
const ofTitle = "{title}"

// subject is the message's topic.
func (p *publisher) subject(m announce.Message) string {
	switch title := clip(strings.Join(strings.Fields(m.Subject), " "), maxTopic); {
	case p.topic == ofTitle && title != "":
		return title
	case p.topic != "" && p.topic != ofTitle:
		return p.topic
	case m.Language.Base() == "fr":
		return "Annonces"
	}
	return "Announcements"
}

func form(method, path string, fields url.Values, c rest.Call) rest.Call {
	c.Method, c.Path, c.Raw, c.Type = method, "/api/v1"+path, []byte(fields.Encode()), "application/x-www-form-urlencoded"
	return c
}

func (p *publisher) receipt(id int64, at time.Time) announce.Receipt {
	n := strconv.FormatInt(id, 10)
	return announce.Receipt{ID: n, URL: p.client.Base() + "/#narrow/near/" + n, At: at}
}

func place(r announce.Receipt) (string, error) {
	if n, err := strconv.ParseInt(r.ID, 10, 64); err != nil || n <= 0 {
		return "", &announce.Error{Outcome: announce.Permanent, Fault: "the message was not sent by this Zulip bot, so it cannot be changed by it: do it in Zulip"}
	}
	return "/messages/" + r.ID, nil
}
