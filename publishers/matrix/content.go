package matrix

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// content is that of an m.room.message event.
type content struct {
	Type      string    `json:"msgtype"`
	Body      string    `json:"body"`
	Format    string    `json:"format,omitempty"`
	Formatted string    `json:"formatted_body,omitempty"`
	File      string    `json:"filename,omitempty"` // differs from Body, which makes Body the picture's caption
	URL       string    `json:"url,omitempty"`
	Info      *info     `json:"info,omitempty"`
	Mentions  mentions  `json:"m.mentions"` // always there: without it apps look for names in Body
	Delivery  string    `json:"io.github.crieur.delivery_id,omitempty"`
	New       *content  `json:"m.new_content,omitempty"`
	Relates   *relation `json:"m.relates_to,omitempty"`
}

type info struct {
	Type   string `json:"mimetype"`
	Size   int    `json:"size"`
	Width  int    `json:"w,omitempty"`
	Height int    `json:"h,omitempty"`
}

type mentions struct {
	Users []string `json:"user_ids,omitempty"`
}

type relation struct {
	Type  string `json:"rel_type"`
	Event string `json:"event_id"`
}

func (p *publisher) kind() string {
	if p.notice {
		return "m.notice"
	}
	return "m.text"
}

// compose is the message as an event. A picture is uploaded first, which nobody sees; text and picture are one event, so
// that one call has one effect, and the text is the picture's caption.
func (p *publisher) compose(ctx context.Context, m announce.Message) (content, error) {
	title := strings.TrimSpace(m.Subject)
	blocks := markup.Untitled(p.reader.Read(m.Text), title)
	linked, users := mention(blocks, m.Mentions)
	plain, formatted := []string{}, ""
	if title != "" {
		plain, formatted = append(plain, title), "<h3>"+escape(title)+"</h3>"
	}
	if said := markup.Plain(blocks); said != "" {
		plain, formatted = append(plain, said), formatted+write(linked)
	}
	c := content{Type: p.kind(), Format: "org.matrix.custom.html", Mentions: mentions{users}}
	if len(m.Images) > 0 {
		i := m.Images[0]
		if alt := strings.Join(strings.Fields(i.Alt), " "); alt != "" {
			// An event has no field for a picture's text alternative, so the caption says it.
			said := in(m.Language, "Image\u00a0: ", "Picture: ") + alt
			plain, formatted = append(plain, said), formatted+"<p><em>"+escape(said)+"</em></p>"
		}
		var err error
		c.Type, c.File = "m.image", filename(i.Type)
		if c.URL, err = p.upload(ctx, i, c.File); err != nil {
			return content{}, err
		}
		c.Info = &info{Type: i.Type, Size: len(i.Data), Width: i.Width, Height: i.Height}
	}
	c.Body, c.Formatted = strings.Join(plain, "\n\n"), formatted
	return c, nil
}

// upload gives the picture to the homeserver and returns its mxc address.
func (p *publisher) upload(ctx context.Context, i announce.Picture, file string) (string, error) {
	var made struct {
		URI string `json:"content_uri"`
	}
	_, err := p.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/_matrix/media/v3/upload", Query: url.Values{"filename": {file}}, Raw: i.Data, Type: i.Type,
		Into: &made, Classify: p.classify(aboutPicture, ""),
	})
	if err == nil && !strings.HasPrefix(made.URI, "mxc://") {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Matrix took the picture and does not say where it is: it will be tried again"}
	}
	return made.URI, err
}

func filename(media string) string {
	switch media {
	case "image/jpeg":
		return "image.jpg"
	case "image/gif":
		return "image.gif"
	case "image/webp":
		return "image.webp"
	}
	return "image.png"
}

// in picks the words for a reader of l.
func in(l announce.Language, french, english string) string {
	if l.Base() == "fr" {
		return french
	}
	return english
}

// measure is how many bytes of an event the text takes: it stands there twice.
func (p *publisher) measure(text string) int {
	blocks := p.reader.Read(text)
	return spelled(markup.Plain(blocks)) + spelled(write(blocks))
}

// spelled is how many bytes s has in Matrix's canonical JSON.
func spelled(s string) int {
	n := len(s)
	for _, r := range s {
		switch {
		case r == '"', r == '\\', r == '\n', r == '\t', r == '\r', r == '\b', r == '\f':
			n++
		case r < ' ':
			n += 5
		}
	}
	return n
}
