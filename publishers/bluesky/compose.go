package bluesky

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// record is a post.
type record struct {
	Type      string   `json:"$type"`
	Text      string   `json:"text"`
	Facets    []facet  `json:"facets,omitempty"`
	Reply     *reply   `json:"reply,omitempty"`
	Embed     any      `json:"embed,omitempty"`
	Langs     []string `json:"langs,omitempty"`
	CreatedAt string   `json:"createdAt"`
}

// reply says what a post answers.
type reply struct {
	Root   version `json:"root"`
	Parent version `json:"parent"`
}

// version is one version of a post.
type version struct {
	URI string `json:"uri"`
	CID string `json:"cid"`
}

// blob is an uploaded picture.
type blob struct {
	Type string `json:"$type"`
	Ref  struct {
		Link string `json:"$link"`
	} `json:"ref"`
	Media string `json:"mimeType"`
	Size  int    `json:"size"`
}

type cardEmbed struct {
	Type     string `json:"$type"`
	External card   `json:"external"`
}

type card struct {
	URI         string `json:"uri"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Thumb       *blob  `json:"thumb,omitempty"`
}

type imagesEmbed struct {
	Type   string  `json:"$type"`
	Images []shown `json:"images"`
}

type shown struct {
	Alt    string  `json:"alt"`
	Image  *blob   `json:"image"`
	Aspect *aspect `json:"aspectRatio,omitempty"`
}

type aspect struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// compose is the post of m: equal on every repeat as long as the names of those it mentions lead to the same accounts.
// Its pictures are uploaded, which may be repeated.
func (c *channel) compose(ctx context.Context, s *session, m announce.Message) (record, error) {
	at, err := dated(m)
	if err != nil {
		return record{}, err
	}
	accounts, err := c.accounts(ctx, s, m.Mentions)
	if err != nil {
		return record{}, err
	}
	r := record{Type: collection, CreatedAt: at.Format("2006-01-02T15:04:05.000Z")}
	r.Text, r.Facets = spell(m.Text, m.Tags, accounts)
	if m.Language != "" {
		r.Langs = []string{string(m.Language)}
	}
	if r.Reply, err = c.answer(ctx, s, m); err != nil {
		return record{}, err
	}
	r.Embed, err = c.embed(ctx, s, m)
	return r, err
}

// answer says what m answers; nil: nothing. A further part of a thread never stands alone.
func (c *channel) answer(ctx context.Context, s *session, m announce.Message) (*reply, error) {
	if m.Parent == (announce.Receipt{}) && m.Part == 0 {
		return nil, nil
	}
	parent, err := c.version(ctx, s, m.Parent)
	if err != nil {
		return nil, err
	}
	root := parent
	if m.Root != (announce.Receipt{}) && m.Root != m.Parent {
		root, err = c.version(ctx, s, m.Root)
	}
	return &reply{root, parent}, err
}

// version is the post of a receipt. Of one that a person gave, which has only an address, it is asked for.
func (c *channel) version(ctx context.Context, s *session, r announce.Receipt) (version, error) {
	if uri, cid, ok := strings.Cut(r.ID, " "); ok {
		return version{uri, cid}, nil
	}
	key := s.key(r)
	if key == "" {
		return version{}, &announce.Error{Outcome: announce.Permanent, Ask: true, Fault: "it is not known which post of this Bluesky account this one answers: post it there by hand, then settle the delivery"}
	}
	k, err := c.get(ctx, s, key)
	if errors.Is(err, errMissing) {
		return version{}, &announce.Error{Outcome: announce.Permanent, Err: errMissing, Fault: "the post that this one answers is no longer on Bluesky: retract the announcement and announce it again"}
	}
	return version{k.URI, k.CID}, err
}

// embed is what is shown below the text: a card of the link with the picture, or pictures. Parts that answer have none of the link.
func (c *channel) embed(ctx context.Context, s *session, m announce.Message) (any, error) {
	var blobs []*blob
	var pictures []announce.Picture
	for _, p := range m.Images {
		if len(p.Data) == 0 || len(blobs) == mostImages {
			continue
		}
		b, err := c.upload(ctx, s, p)
		if err != nil {
			return nil, err
		}
		blobs, pictures = append(blobs, b), append(pictures, p)
	}
	uri, ok := escaped(m.Link)
	if c.config.Card && ok && len(blobs) < 2 && (m.Part == 0 || len(blobs) > 0) {
		e := cardEmbed{"app.bsky.embed.external", card{URI: uri, Title: m.Subject, Description: m.Summary}}
		if len(blobs) > 0 {
			e.External.Thumb = blobs[0]
		}
		return e, nil
	}
	if len(blobs) == 0 {
		return nil, nil
	}
	e := imagesEmbed{Type: "app.bsky.embed.images"}
	for i, p := range pictures {
		one := shown{Alt: p.Alt, Image: blobs[i]}
		if p.Width > 0 && p.Height > 0 {
			one.Aspect = &aspect{p.Width, p.Height}
		}
		e.Images = append(e.Images, one)
	}
	return e, nil
}

// upload hands over a picture. It is dropped when no post shows it soon.
func (c *channel) upload(ctx context.Context, s *session, p announce.Picture) (*blob, error) {
	var a struct {
		Blob blob `json:"blob"`
	}
	_, err := c.sessions.call(ctx, s, rest.Call{
		Method: http.MethodPost, Path: "/xrpc/com.atproto.repo.uploadBlob", Raw: p.Data, Type: p.Type, Into: &a,
	}, uploading)
	if err == nil && (a.Blob.Type != "blob" || a.Blob.Ref.Link == "") {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Bluesky took a picture and does not say how it is called: it will be tried again"}
	}
	return &a.Blob, err
}

// accounts are those that the names belong to, by lower-case name. A name that the server finds nobody for stays words.
func (c *channel) accounts(ctx context.Context, s *session, names []string) (map[string]string, error) {
	found := map[string]string{}
	for _, n := range names {
		n = strings.ToLower(n)
		if !handleForm.MatchString(n) || found[n] != "" {
			continue
		}
		var a struct {
			DID string `json:"did"`
		}
		_, err := c.sessions.call(ctx, s, rest.Call{
			Method: http.MethodGet, Path: "/xrpc/com.atproto.identity.resolveHandle", Query: map[string][]string{"handle": {n}}, Into: &a,
		}, resolving)
		var e *announce.Error
		switch {
		case errors.As(err, &e) && (e.Outcome == announce.RateLimited || e.Status == "" || errors.Is(err, errToken)):
			return nil, err
		case err == nil && strings.HasPrefix(a.DID, "did:"):
			found[n] = a.DID
		}
	}
	return found, nil
}
