package emailtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"

	"github.com/crieur/crieur/publishers/sim"
)

// Posts is every accepted mail as its reader sees it. A mail that cannot be read says so in its text.
func (p *Platform) Posts() []sim.Post {
	var posts []sim.Post
	for i, m := range p.Mails() {
		post, err := read(m)
		if err != nil {
			post.Text = "unreadable: " + err.Error()
		}
		if post.ID == "" {
			post.ID = fmt.Sprintf("mail %d", i+1)
		}
		posts = append(posts, post)
	}
	return posts
}

func read(m Mail) (sim.Post, error) {
	post := sim.Post{To: m.To, Raw: string(m.Raw), At: m.At}
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return post, err
	}
	words := new(mime.WordDecoder)
	post.ID = msg.Header.Get("Message-Id")
	if post.Subject, err = words.DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return post, err
	}
	if post.Author, err = words.DecodeHeader(msg.Header.Get("From")); err != nil {
		return post, err
	}
	pictures := map[string]string{}
	if err := part(textproto.MIMEHeader(msg.Header), msg.Body, &post, pictures, 0); err != nil {
		return post, err
	}
	for id, data := range pictures {
		post.HTML = strings.ReplaceAll(post.HTML, "cid:"+id, data)
	}
	return post, nil
}

// part reads one part, and the parts in it: the first text and the first HTML are the reader's, pictures go by their Content-ID.
func part(h textproto.MIMEHeader, body io.Reader, post *sim.Post, pictures map[string]string, depth int) error {
	if depth > 10 {
		return fmt.Errorf("parts in parts in parts")
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := part(p.Header, p, post, pictures, depth+1); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	attached := strings.HasPrefix(h.Get("Content-Disposition"), "attachment")
	switch {
	case kind == "text/plain" && post.Text == "" && !attached:
		post.Text = text
	case kind == "text/html" && post.HTML == "" && !attached:
		post.HTML = text
	case strings.HasPrefix(kind, "image/"):
		data := "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(b)
		if id := strings.Trim(h.Get("Content-Id"), "<>"); id != "" {
			pictures[id] = data
		}
		post.Images = append(post.Images, sim.Image{URL: data})
	}
	return nil
}
