package broadcast

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Where counted links and pixels lead, below the site's address.
const (
	LinkPath  = "/l/"
	PixelPath = "/o/"
)

// countToken names a link of an announcement's mails; an empty target is their pixel. It is the same for everybody, and nobody
// else can make one.
func countToken(key []byte, id announce.ID, target string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "\x00" + announce.ID(target)))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:15])
}

// count makes the links of the composed mails lead over this server, which counts, and adds a pixel. Without CountKey nothing
// changes. Links of this site, among them those by which people leave and choose, stay as they are.
func (s *Service) count(c *composed, id announce.ID) []store.Counted {
	if s.CountKey == nil {
		return nil
	}
	var all []store.Counted
	known := map[string]string{} // by target: the address that counts
	through := func(target, path string) string {
		if known[target] == "" {
			token := countToken(s.CountKey, id, target)
			all = append(all, store.Counted{Token: token, Target: target})
			known[target] = s.Site.URL + path + token
		}
		return known[target]
	}
	for i := range c.payloads {
		p := &c.payloads[i]
		if announce.Channel(p.Account) != "email" || p.Message.HTML == "" {
			continue
		}
		p.Message.HTML = s.countedHTML(p.Message.HTML, through)
		p.Message.Text = countedText(p.Message.Text, known)
	}
	return all
}

// countable tells whether an address of a mail is one to count.
func (s *Service) countable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return false
	}
	for _, mark := range (announce.Message{}).Marks() {
		if strings.HasPrefix(address, mark[0]) { // it may lead to a part of that page
			return false
		}
	}
	return address != s.Site.URL && !strings.HasPrefix(address, s.Site.URL+"/")
}

// countedHTML is a page with other addresses in its links and a pixel at its end, and else byte for byte the same.
func (s *Service) countedHTML(page string, through func(target, path string) string) string {
	var out strings.Builder
	pixel := `<img src="` + through("", PixelPath) + `" width="1" height="1" alt="">`
	z := html.NewTokenizer(strings.NewReader(page))
	for z.Next() != html.ErrorToken {
		raw := string(z.Raw()) // reading the token overwrites it
		t := z.Token()
		switch {
		case t.Type == html.StartTagToken && t.DataAtom == atom.A:
			for i, a := range t.Attr {
				if a.Key == "href" && s.countable(a.Val) {
					t.Attr[i].Val = through(a.Val, LinkPath)
					raw = t.String()
				}
			}
		case t.Type == html.EndTagToken && t.DataAtom == atom.Body:
			raw, pixel = pixel+raw, ""
		}
		out.WriteString(raw)
	}
	return out.String() + pixel
}

var webAddress = regexp.MustCompile(`https?://[^\s<>"]+`)

// countedText replaces the addresses that the page of the same mail links to.
func countedText(text string, known map[string]string) string {
	return webAddress.ReplaceAllStringFunc(text, func(found string) string {
		for target := found; ; {
			if to := known[ascii(target)]; to != "" {
				return to + found[len(target):]
			}
			last, size := utf8.DecodeLastRuneInString(target)
			if !strings.ContainsRune(".,;:!?)]}»'’*_", last) { // what may follow an address in a sentence
				return found
			}
			target = target[:len(target)-size]
		}
	})
}

// ascii is an address as html/template writes it into a page.
func ascii(address string) string {
	var b strings.Builder
	for _, c := range []byte(address) {
		if c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// visits are those that are not on record yet.
type visits struct {
	mu sync.Mutex
	of map[string]int
}

// Visit is where a counted link leads; "" for a pixel. With count it counts, for the announcement: who it was is not known.
// ErrNotFound of the store: it is not one of ours, or the other of the two.
func (s *Service) Visit(ctx context.Context, token string, pixel, count bool) (target string, err error) {
	target, err = s.Store.CountedTarget(ctx, token)
	if err == nil && pixel != (target == "") {
		err = store.ErrNotFound
	}
	if err == nil && count && s.CountKey != nil {
		s.visits.mu.Lock()
		defer s.visits.mu.Unlock()
		if s.visits.of == nil {
			s.visits.of = map[string]int{}
		}
		s.visits.of[token]++
	}
	return target, err
}

// noteVisits puts on record what was counted, every few seconds and when ctx is done. A crash loses the last of it.
func (s *Service) noteVisits(ctx context.Context) {
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case <-time.After(2 * time.Second):
		}
		s.visits.mu.Lock()
		some := s.visits.of
		s.visits.of = nil
		s.visits.mu.Unlock()
		if len(some) == 0 {
			continue
		}
		if err := s.Store.AddCounts(context.WithoutCancel(ctx), some); err != nil {
			s.Log.Warn("some visits of counted links are lost", "links", len(some), "err", err)
		}
	}
}

// Counts tell how often the mails of an announcement were opened, and their links followed. Programs that look at mail before
// people do are in them, and people whose programs show no pictures are not.
type Counts struct {
	Opens  int         `json:"opens"`
	Clicks int         `json:"clicks" doc:"Of all links."`
	Links  []LinkCount `json:"links,omitempty"`
}

// LinkCount is one link of the mails.
type LinkCount struct {
	URL    string `json:"url"`
	Clicks int    `json:"clicks"`
}

// counts is nil where nothing is counted.
func (s *Service) counts(ctx context.Context, id announce.ID) (*Counts, error) {
	all, err := s.Store.CountedLinks(ctx, id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var c Counts
	for _, x := range all {
		if x.Target == "" {
			c.Opens += x.Count
			continue
		}
		c.Clicks += x.Count
		c.Links = append(c.Links, LinkCount{x.Target, x.Count})
	}
	return &c, nil
}
