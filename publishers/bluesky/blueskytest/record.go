package blueskytest

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/crieur/crieur/publishers/sim"
)

// record is a post as its lexicon describes it.
type record struct {
	Type   string  `json:"$type"`
	Text   string  `json:"text"`
	Facets []facet `json:"facets"`
	Reply  *struct {
		Root   version `json:"root"`
		Parent version `json:"parent"`
	} `json:"reply"`
	Embed     *embed   `json:"embed"`
	Langs     []string `json:"langs"`
	CreatedAt string   `json:"createdAt"`
}

type version struct {
	URI string `json:"uri"`
	CID string `json:"cid"`
}

const (
	facetLink    = "app.bsky.richtext.facet#link"
	facetTag     = "app.bsky.richtext.facet#tag"
	facetMention = "app.bsky.richtext.facet#mention"
)

type facet struct {
	Index struct {
		Start int `json:"byteStart"`
		End   int `json:"byteEnd"`
	} `json:"index"`
	Features []struct {
		Type string `json:"$type"`
		URI  string `json:"uri"`
		Tag  string `json:"tag"`
		DID  string `json:"did"`
	} `json:"features"`
}

type blob struct {
	Type string `json:"$type"`
	Ref  struct {
		Link string `json:"$link"`
	} `json:"ref"`
	Media string `json:"mimeType"`
	Size  int    `json:"size"`
}

type embed struct {
	Type     string `json:"$type"`
	External *struct {
		URI         string  `json:"uri"`
		Title       *string `json:"title"`
		Description *string `json:"description"`
		Thumb       *blob   `json:"thumb"`
	} `json:"external"`
	Images []struct {
		Alt    *string `json:"alt"`
		Image  blob    `json:"image"`
		Aspect *struct {
			Width  int `json:"width"`
			Height int `json:"height"`
		} `json:"aspectRatio"`
	} `json:"images"`
}

// blobs are the pictures of a record.
func (r record) blobs() []blob {
	var all []blob
	if r.Embed == nil {
		return nil
	}
	if x := r.Embed.External; x != nil && x.Thumb != nil {
		all = append(all, *x.Thumb)
	}
	for _, i := range r.Embed.Images {
		all = append(all, i.Image)
	}
	return all
}

var (
	language = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	uriForm  = regexp.MustCompile(`^[a-z]+://[!-~]+$`)
	cidForm  = regexp.MustCompile(`^bafyrei[a-z2-7]{52}$`)
)

// fault is what the server refuses in a record, by the name of its error. Where its validation is lax and readers would
// see nonsense (a facet outside the text), this one is strict.
func (p *Platform) fault(r record) (name, fault string) {
	at, err := time.Parse(time.RFC3339Nano, r.CreatedAt)
	switch {
	case r.Type != collection:
		return "InvalidRequest", "Invalid $type: expected " + collection
	case !utf8.ValidString(r.Text) || uniseg.GraphemeClusterCount(r.Text) > 300:
		return "InvalidRequest", "Record/text must not be longer than 300 graphemes"
	case len(r.Text) > 3000:
		return "InvalidRequest", "Record/text must not be longer than 3000 characters"
	case err != nil || !strings.Contains(r.CreatedAt, ".") || at.Year() < 1990:
		return "InvalidRequest", "Record/createdAt must be an valid atproto datetime"
	case len(r.Langs) > 3 || slices.ContainsFunc(r.Langs, func(l string) bool { return !language.MatchString(l) }):
		return "InvalidRequest", "Record/langs must be a well-formed BCP 47 language tag"
	}
	if fault = r.facets(); fault != "" {
		return "InvalidRequest", fault
	}
	if r.Reply != nil {
		for _, v := range []version{r.Reply.Root, r.Reply.Parent} {
			if !strings.HasPrefix(v.URI, "at://did:") || !cidForm.MatchString(v.CID) {
				return "InvalidRequest", "Record/reply must have the properties uri and cid"
			}
		}
	}
	return p.embedFault(r.Embed)
}

func (r record) facets() string {
	end := 0
	for _, f := range r.Facets {
		at := f.Index
		if at.Start < end || at.End <= at.Start || at.End > len(r.Text) || !utf8.ValidString(r.Text[at.Start:at.End]) {
			return fmt.Sprintf("the facet %d to %d does not fit the text", at.Start, at.End)
		}
		end = at.End
		for _, x := range f.Features {
			words := r.Text[at.Start:at.End]
			switch {
			case x.Type == facetLink && uriForm.MatchString(x.URI):
			case x.Type == facetTag && x.Tag != "" && words == "#"+x.Tag && uniseg.GraphemeClusterCount(x.Tag) <= 64:
			case x.Type == facetMention && strings.HasPrefix(x.DID, "did:") && strings.HasPrefix(words, "@"):
			default:
				return fmt.Sprintf("the facet %+v does not fit %q", x, words)
			}
		}
	}
	return ""
}

func (p *Platform) embedFault(e *embed) (name, fault string) {
	most, at := 2_000_000, "images[0].image"
	switch {
	case e == nil:
		return "", ""
	case e.Type == "app.bsky.embed.external" && e.External != nil && e.Images == nil:
		most, at = 1_000_000, "external.thumb"
		if x := e.External; !uriForm.MatchString(x.URI) || x.Title == nil || x.Description == nil {
			return "InvalidRequest", "Record/embed/external must have the properties uri, title and description"
		}
	case e.Type == "app.bsky.embed.images" && len(e.Images) > 0 && len(e.Images) <= 4 && e.External == nil:
		for _, i := range e.Images {
			if i.Alt == nil || i.Aspect != nil && (i.Aspect.Width < 1 || i.Aspect.Height < 1) {
				return "InvalidRequest", "Record/embed/images/0 must have the property \"alt\""
			}
		}
	default:
		return "InvalidRequest", "Record/embed is invalid"
	}
	for _, b := range (record{Embed: e}).blobs() {
		u := p.blobs[b.Ref.Link]
		switch {
		case b.Type != "blob" || u == nil:
			return "BlobNotFound", "Could not find blob: " + b.Ref.Link
		case b.Size != len(u.data) || b.Media != u.kind:
			return "InvalidMimeType", "Referenced Mimetype does not match stored blob."
		case len(u.data) > most:
			return "InvalidRequest", fmt.Sprintf("Invalid app.bsky.feed.post record: blob too big (maximum %d, got %d) at $.record.embed.%s", most, len(u.data), at)
		case !strings.HasPrefix(u.kind, "image/"):
			return "InvalidMimeType", "Wrong type of file. It is " + u.kind + " but it must match image/*."
		}
	}
	return "", ""
}

// piece is a run of a post's text.
type piece struct {
	Text, Link string
	Mark       bool
	End        bool
}

// pieces are the runs of a post's text, line by line.
func (r record) pieces() []piece {
	var all []piece
	plain := func(s string) {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				all = append(all, piece{End: true})
			}
			all = append(all, piece{Text: line})
		}
	}
	end := 0
	for _, f := range r.Facets {
		plain(r.Text[end:f.Index.Start])
		end = f.Index.End
		one := piece{Text: r.Text[f.Index.Start:end], Mark: true}
		for _, x := range f.Features {
			one.Link = x.URI
		}
		all = append(all, one)
	}
	plain(r.Text[end:])
	return all
}

// whole is the text with its links at full length.
func (r record) whole() string {
	var b strings.Builder
	for _, x := range r.pieces() {
		switch {
		case x.End:
			b.WriteByte('\n')
		case x.Link != "":
			b.WriteString(x.Link)
		default:
			b.WriteString(x.Text)
		}
	}
	return b.String()
}

type picture struct {
	Address template.URL
	Alt     string
}

var page = template.Must(template.New("").Parse(`<article class="skeet"><header><b>{{.Display}}</b> <span>@{{.Handle}}</span></header>` +
	`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Link}}" rel="nofollow noopener noreferrer">{{.Text}}</a>{{else if .Mark}}<a class="mention">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</p>` +
	`{{range .Images}}<img src="{{.Address}}" alt="{{.Alt}}">{{end}}` +
	`{{with .Card}}<a class="card" href="{{.URI}}" rel="nofollow noopener noreferrer">{{range $.Thumb}}<img src="{{.Address}}" alt="">{{end}}<b>{{.Title}}</b><span>{{.Description}}</span><small>{{$.Domain}}</small></a>{{end}}` +
	`<footer><time datetime="{{.At}}">{{.Shown}}</time>{{if .Edited}} · Edited{{end}}</footer></article>`))

func (p *Platform) html(n *post) string {
	data := map[string]any{
		"Display": display, "Handle": p.host.Handle, "Pieces": n.record.pieces(), "Edited": n.edited > 0,
		"At": n.record.CreatedAt, "Shown": n.at.Format("Jan 2, 2006 at 3:04 PM"), "Images": []picture{}, "Thumb": []picture{}, "Domain": "", "Card": nil,
	}
	shown := func(b blob, alt string) picture {
		return picture{template.URL(p.blobs[b.Ref.Link].address()), alt} //nolint:gosec // base64 of a picture, made above
	}
	if e := n.record.Embed; e != nil {
		var images []picture
		for _, i := range e.Images {
			images = append(images, shown(i.Image, *i.Alt))
		}
		data["Images"] = images
		if x := e.External; x != nil {
			data["Card"] = x
			if u, err := url.Parse(x.URI); err == nil {
				data["Domain"] = u.Hostname()
			}
			if x.Thumb != nil {
				data["Thumb"] = []picture{shown(*x.Thumb, "")}
			}
		}
	}
	var b strings.Builder
	if err := page.Execute(&b, data); err != nil {
		return ""
	}
	return b.String()
}

// Posts are the account's, oldest first, as an app shows them that shows corrections. Links are told at full length.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []sim.Post
	for _, n := range p.records {
		one := sim.Post{
			ID: n.uri(), URL: "https://bsky.app/profile/" + p.host.Handle + "/post/" + n.key, Author: display + " @" + p.host.Handle,
			Text: n.record.whole(), HTML: p.html(n), Raw: string(n.raw), At: n.at, Edited: n.edited, Deleted: n.deleted,
		}
		if e := n.record.Embed; e != nil {
			for _, i := range e.Images {
				one.Images = append(one.Images, sim.Image{URL: p.blobs[i.Image.Ref.Link].address(), Alt: *i.Alt})
			}
			if x := e.External; x != nil && x.Thumb != nil {
				one.Images = append(one.Images, sim.Image{URL: p.blobs[x.Thumb.Ref.Link].address(), Alt: *x.Title})
			}
		}
		out = append(out, one)
	}
	return out
}
