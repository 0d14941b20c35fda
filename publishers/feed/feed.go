// Package feed is the website channel for those who come and look: RSS, Atom, JSON Feed and a calendar in each
// language, and a public page for each announcement. Publishing puts an entry on a shelf; the Handler shows the shelf.
package feed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "feed"

// Shelf keeps the entries. Put shows one under its Key; the same message again changes nothing, another takes its
// place and raises Sequence, First stays. Remove leaves a tombstone; what is not there is no error. List returns the
// newest by Updated, tombstones too.
type Shelf interface {
	Put(ctx context.Context, item announce.ShelfItem) error
	Remove(ctx context.Context, key string, at time.Time) error
	List(ctx context.Context) ([]announce.ShelfItem, error)
}

// Indexed is a Shelf that makes visits cheap and keeps old addresses alive. Edition is another text after each change
// of the shelf. Item is one entry, however old.
type Indexed interface {
	Shelf
	Edition(ctx context.Context) (string, error)
	Item(ctx context.Context, key string) (item announce.ShelfItem, found bool, err error)
}

// Config is how the feeds are served. Nothing is required.
type Config struct {
	Hubs []string `env:"HUBS" doc:"WebSub hubs that spread news of the feeds at once, separated by commas, such as https://pubsubhubbub.appspot.com/. Default: none."`
	Max  int      `env:"MAX" envDefault:"50" doc:"Most entries in a feed, 1 to 200."`
}

const (
	defaultMax = 50
	mostMax    = 200
	pingWait   = 3 * time.Second
)

// New returns the publisher that fills the shelf.
func New(c Config, site announce.Site, shelf Shelf) (announce.Publisher, error) {
	if shelf == nil {
		return nil, errors.New("the feed has no shelf to put its entries on")
	}
	if c.Max < 0 || c.Max > mostMax {
		return nil, fmt.Errorf("MAX: must be between 1 and %d", mostMax)
	}
	f := &channel{site: site, shelf: shelf}
	for _, h := range c.Hubs {
		hub, err := rest.New("WebSub hub", h, nil)
		if err != nil {
			return nil, fmt.Errorf("HUBS: %w", err)
		}
		f.hubs = append(f.hubs, target{hub, strings.TrimPrefix(h, hub.Base())})
	}
	return f, nil
}

type channel struct {
	site  announce.Site
	shelf Shelf
	hubs  []target
}

type target struct {
	hub  *rest.Client
	path string // "/" or ""
}

var (
	_ announce.Amender   = (*channel)(nil)
	_ announce.Retracter = (*channel)(nil)
	_ announce.Checker   = (*channel)(nil)
)

func (f *channel) Name() string { return name }

func (f *channel) Limits() announce.Limits {
	return announce.Limits{Links: true, HTML: true, Images: 10, Multilingual: true, Idempotent: announce.Forever, Concurrent: 4}
}

// Publish shows the message under its announcement's ID.
func (f *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if m.Announcement == "" {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "The feed was given a message of no announcement, which it cannot show."}
	}
	// A lost commit may have happened. Publishing again under the same ID is safe, so that Ambiguous costs nothing.
	return f.put(ctx, string(m.Announcement), m, announce.Ambiguous)
}

// Amend shows the message in place of what the receipt stands for.
func (f *channel) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	if r.ID == "" {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "The feed was not told which entry to correct."}
	}
	m.Announcement = announce.ID(r.ID)
	return f.put(ctx, r.ID, m, announce.Temporary)
}

// Retract takes the entry out of the feeds. Its page says that it is gone, and calendars strike the event out.
func (f *channel) Retract(ctx context.Context, r announce.Receipt) error {
	if err := ctx.Err(); err != nil {
		return lost(err, announce.Temporary)
	}
	if err := f.shelf.Remove(ctx, r.ID, time.Now().UTC()); err != nil {
		return lost(err, announce.Temporary)
	}
	f.ping(ctx)
	return nil
}

func (f *channel) put(ctx context.Context, id string, m announce.Message, failed announce.Outcome) (announce.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return announce.Receipt{}, lost(err, announce.Temporary)
	}
	now := time.Now().UTC()
	if err := f.shelf.Put(ctx, announce.ShelfItem{Key: id, Message: m, First: now, Updated: now}); err != nil {
		return announce.Receipt{}, lost(err, failed)
	}
	f.ping(ctx)
	r := announce.Receipt{ID: id, At: now}
	if f.site.URL != "" {
		r.URL = f.site.URL + "/a/" + url.PathEscape(id)
	}
	return r, nil
}

func lost(err error, o announce.Outcome) error {
	return &announce.Error{Outcome: o, Fault: "The record did not confirm the change to the website's feed; it is tried again. Look at the database if this lasts.", Err: err}
}

// ping tells the hubs that the feeds have changed. It is a hint about an effect that has already happened: it may be
// repeated or lost, nothing is decided by how it ends, and it takes three seconds at most. Readers that no hub serves
// come by themselves.
func (f *channel) ping(ctx context.Context) {
	if len(f.hubs) == 0 || f.site.URL == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	var all sync.WaitGroup
	for _, t := range f.hubs {
		for _, l := range languages(f.site) {
			for _, k := range feeds() {
				topic := f.site.URL + "/feeds/" + string(l) + "/" + k.file
				all.Go(func() {
					form := url.Values{"hub.mode": {"publish"}, "hub.url": {topic}, "hub.topic": {topic}}
					_, _ = t.hub.Do(ctx, rest.Call{
						Method: http.MethodPost, Path: t.path, Raw: []byte(form.Encode()), Type: "application/x-www-form-urlencoded",
					})
				})
			}
		}
	}
	all.Wait()
}

// Check looks at the shelf and at the address under which people read.
func (f *channel) Check(ctx context.Context) (announce.Report, error) {
	items, err := f.shelf.List(ctx)
	if err != nil {
		return announce.Report{}, lost(err, announce.Temporary)
	}
	shown := 0
	for _, i := range items {
		if i.Removed.IsZero() {
			shown++
		}
	}
	r := announce.Report{Identity: fmt.Sprintf("%s/feeds/atom.xml (%d entries)", f.site.URL, shown)}
	if u, err := url.Parse(f.site.URL); err != nil || u.Hostname() == "" || u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1" {
		r.Findings = append(r.Findings, announce.Finding{
			What: "The addresses in the feed work on this machine only.",
			Do:   "Set CRIEUR_PUBLIC_URL to the address under which people reach this server.",
		})
	}
	return r, nil
}

// languages are those in which feeds are offered, the default first.
func languages(site announce.Site) []announce.Language {
	if len(site.Languages) == 0 {
		return []announce.Language{"fr"}
	}
	return site.Languages
}
