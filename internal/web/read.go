package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// letterPolicy shuts a message in: no scripts, no forms, nothing of this site but its pictures.
const letterPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

type readView struct {
	view
	Message announce.Message
}

// read shows a message as the reader got it, for a mail program that cannot. People pass such pages on, so that nothing on
// it is the reader's own: neither their name nor their links.
func (s *server) read(w http.ResponseWriter, r *http.Request) {
	p, ok := s.reader(w, r, people.Archive)
	if !ok {
		return
	}
	m, err := s.shown(r, p)
	if errors.Is(err, store.ErrNotFound) {
		s.page(w, http.StatusNotFound, "notice.html", notice{
			view: p.view, Title: p.Say("Ce message n’est plus là", "This message is gone"),
			Lines: []string{p.Say("Il a été retiré, ou n’est jamais parti.", "It was taken back, or never left.")},
		})
		return
	}
	if err != nil {
		s.unavailable(w, "a message could not be read", err)
		return
	}
	if m.HTML == "" {
		m.Text = impersonal(m.Text)
		p.Lang, p.Fixed = string(m.Language), true
		s.page(w, http.StatusOK, "read.html", readView{p.view, m})
		return
	}
	page, err := passable(m)
	if err != nil {
		s.unavailable(w, "a message could not be shown", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", letterPolicy)
	h.Set("Content-Language", string(m.Language))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	_, _ = w.Write([]byte(page))
}

// shown is the message of the reader's letter, at the revision that they got. ErrNotFound: they got none, or it was taken back.
func (s *server) shown(r *http.Request, p reader) (announce.Message, error) {
	l, err := s.Store.Letter(r.Context(), p.Letter, p.Bearer.Address)
	if err != nil {
		return announce.Message{}, err
	}
	_, retracted, err := s.Store.Announcement(r.Context(), l.Announcement)
	if err != nil {
		return announce.Message{}, err
	}
	d := l.Delivery
	if d.Rev = d.Shown; d.Calling != "" {
		d.Rev = d.CallRev // whoever reads it has it, whatever was heard of the call
	}
	if retracted || d.Rev == 0 {
		return announce.Message{}, store.ErrNotFound
	}
	m, ok, err := s.Store.Frozen(r.Context(), d)
	if err == nil && !ok {
		err = store.ErrNotFound
	}
	return m, err
}

// impersonal is a text without the lines of a person's own links, and without the name.
func impersonal(text string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.Contains(line, announce.UnsubscribeMark) || strings.Contains(line, announce.PreferencesMark) || strings.Contains(line, announce.ArchiveMark)
	})
	return strings.ReplaceAll(strings.Join(lines, "\n"), announce.NameMark, "")
}

// passable is the HTML of a message without what is a person's own, and with its pictures in it.
func passable(m announce.Message) (string, error) {
	root, err := html.Parse(strings.NewReader(m.HTML))
	if err != nil {
		return "", err
	}
	own := func(s string) bool {
		for _, mark := range m.Marks() {
			if strings.Contains(s, mark[0]) {
				return true
			}
		}
		return false
	}
	var drop, mine []*html.Node
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && own(n.Data):
			for _, mark := range m.Marks() {
				n.Data = strings.ReplaceAll(n.Data, mark[0], "")
			}
		case n.DataAtom == atom.Script, n.DataAtom == atom.Iframe, n.DataAtom == atom.Object, n.DataAtom == atom.Embed, n.DataAtom == atom.Form, n.DataAtom == atom.Base:
			drop = append(drop, n)
		case n.Type == html.ElementNode:
			for i, a := range n.Attr {
				if own(a.Val) {
					mine = append(mine, n)
				}
				if a.Key == "src" {
					n.Attr[i].Val = inline(m, a.Val)
				}
			}
		}
	}
	for _, n := range drop {
		if n.Parent != nil {
			n.Parent.RemoveChild(n)
		}
	}
	for _, n := range mine {
		if n.Parent != nil {
			unlink(n)
		}
	}
	var out strings.Builder
	err = html.Render(&out, root)
	return out.String(), err
}

// unlink takes a person's own link off a page. Of one in the middle of a sentence the words stay; one that stands alone or
// in a row goes with its dot, and with the paragraph that it leaves empty.
func unlink(n *html.Node) {
	up, before, after := n.Parent, n.PrevSibling, n.NextSibling
	dotted := func(t *html.Node, cut func(string) (string, bool)) bool {
		if t == nil || t.Type != html.TextNode {
			return false
		}
		rest, ok := cut(t.Data)
		if ok {
			t.Data = rest
		}
		return ok
	}
	inRow := dotted(before, func(s string) (string, bool) {
		rest, ok := strings.CutSuffix(strings.TrimSpace(s), "·")
		return strings.TrimRight(rest, " "), ok
	}) || dotted(after, func(s string) (string, bool) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(s), "·")
		return strings.TrimLeft(rest, " "), ok
	})
	if !inRow && n.DataAtom == atom.A && (worded(before) || worded(after)) {
		for c := n.FirstChild; c != nil; c = n.FirstChild {
			n.RemoveChild(c)
			up.InsertBefore(c, n)
		}
	}
	up.RemoveChild(n)
	if up.DataAtom == atom.P && !slices.ContainsFunc(slices.Collect(up.Descendants()), func(c *html.Node) bool { return worded(c) || c.DataAtom == atom.Img }) {
		up.Parent.RemoveChild(up)
	}
}

// worded reports whether a node is a text with more than blanks.
func worded(n *html.Node) bool {
	return n != nil && n.Type == html.TextNode && strings.TrimSpace(n.Data) != ""
}

// inline is the address of a picture; of one that travels with the mail (cid:image1), the picture itself.
func inline(m announce.Message, src string) string {
	for i, p := range m.Images {
		if src == fmt.Sprintf("cid:image%d", i+1) && len(p.Data) > 0 {
			return "data:" + p.Type + ";base64," + base64.StdEncoding.EncodeToString(p.Data)
		}
	}
	return src
}
