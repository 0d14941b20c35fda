package webpushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"math/big"
	"strings"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// authorized checks RFC 8292: the scheme, the signature, the claims, and that the key is the one of the subscription.
func authorized(header, origin, allowed string, now time.Time) (status int, why string) {
	params, ok := strings.CutPrefix(header, "vapid ")
	var t, k string
	for _, part := range strings.Split(params, ",") {
		switch name, v, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			t = v
		case "k":
			k = v
		}
	}
	parts := strings.Split(t, ".")
	if !ok || len(parts) != 3 {
		return 401, "no vapid authorization"
	}
	raw, err := base64.RawURLEncoding.DecodeString(k)
	if err != nil {
		return 401, "the key is not base64url"
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	signature, bad := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || bad != nil || len(signature) != 64 {
		return 401, "the key or the signature cannot be read"
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return 401, "the signature is wrong"
	}
	var head struct{ Alg, Typ string }
	var c struct {
		Aud, Sub string
		Exp      int64
	}
	if unjson(parts[0], &head) != nil || unjson(parts[1], &c) != nil || head.Alg != "ES256" {
		return 401, "the token cannot be read"
	}
	switch end := time.Unix(c.Exp, 0); {
	case c.Aud != origin:
		return 401, "the token is for another service"
	case !end.After(now), end.After(now.Add(24 * time.Hour)):
		return 401, "the token has ended, or ends in more than a day"
	case !strings.HasPrefix(c.Sub, "mailto:") && !strings.HasPrefix(c.Sub, "https://"):
		return 401, "the token names nobody"
	case k != allowed:
		return 403, "the subscription was made with another key"
	}
	return 0, ""
}

func unjson(part string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// open decrypts a message of one record as RFC 8291 section 3 and RFC 8188 section 2 tell the receiver. HKDF is spelled out.
func (b *browser) open(body []byte) ([]byte, error) {
	wrong := errors.New("cannot be decrypted")
	if len(body) < 21 || len(body) < 21+int(body[20]) {
		return nil, wrong
	}
	salt, sender, record := body[:16], body[21:21+int(body[20])], body[21+int(body[20]):]
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	shared, err := b.key.ECDH(public)
	if err != nil {
		return nil, err
	}
	mac := func(key []byte, parts ...string) []byte {
		h := hmac.New(sha256.New, key)
		for _, p := range parts {
			_, _ = h.Write([]byte(p))
		}
		return h.Sum(nil)
	}
	ikm := mac(mac(b.auth, string(shared)), "WebPush: info\x00", string(b.key.PublicKey().Bytes()), string(sender), "\x01")
	prk := mac(salt, string(ikm))
	block, err := aes.NewCipher(mac(prk, "Content-Encoding: aes128gcm\x00\x01")[:16])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, mac(prk, "Content-Encoding: nonce\x00\x01")[:12], record, nil)
	if err != nil {
		return nil, err
	}
	end := strings.TrimRight(string(plain), "\x00") // padding
	if !strings.HasSuffix(end, "\x02") {
		return nil, wrong
	}
	return []byte(end[:len(end)-1]), nil
}

// notification is what a browser shows.
type notification struct {
	browser *browser
	at      time.Time
	raw     string
	edited  int

	Title, Body, URL, Lang, Tag, Image string
	Actions                            []struct{ Action, Title, URL string }
}

// deliver lets a browser decrypt a message and show it, in the place of the notification with its tag.
func (p *Platform) deliver(b *browser, body []byte) {
	plain, err := b.open(body)
	n := &notification{browser: b, at: time.Now().UTC(), raw: string(plain)}
	if err != nil || json.Unmarshal(plain, n) != nil {
		p.unread++
		return
	}
	for i, old := range p.shown {
		if old.browser == b && n.Tag != "" && old.Tag == n.Tag {
			n.edited = old.edited + 1
			p.shown[i] = n
			return
		}
	}
	p.shown = append(p.shown, n)
	p.sounds++
}

// Posts are the notifications as the browsers show them.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, n := range p.shown {
		post := sim.Post{ID: n.Tag, URL: n.URL, Subject: n.Title, Text: n.Body, HTML: n.html(), Raw: indent(n.raw), At: n.at, Edited: n.edited}
		for i, b := range p.browsers {
			if b == n.browser {
				post.To = "browser " + string(rune('A'+i%26))
			}
		}
		if n.Image != "" {
			post.Images = []sim.Image{{URL: n.Image}}
		}
		posts = append(posts, post)
	}
	return posts
}

func indent(raw string) string {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return raw
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
	return b.String()
}

var page = template.Must(template.New("").Parse(`<article class="webpush"{{with .Lang}} lang="{{.}}"{{end}}>` +
	`<h3>{{if .URL}}<a href="{{.URL}}" rel="noreferrer">{{.Title}}</a>{{else}}{{.Title}}{{end}}</h3>` +
	`<p>{{range $i, $l := .Lines}}{{if $i}}<br>{{end}}{{$l}}{{end}}</p>` +
	`{{with .Image}}<img src="{{.}}" alt="" loading="lazy">{{end}}` +
	`{{with .Actions}}<p>{{range .}}<a href="{{.URL}}" rel="noreferrer">{{.Title}}</a> {{end}}</p>{{end}}</article>`))

// Lines are those of the body.
func (n *notification) Lines() []string { return strings.Split(n.Body, "\n") }

func (n *notification) html() string {
	var b strings.Builder
	if page.Execute(&b, n) != nil {
		return ""
	}
	return b.String()
}
