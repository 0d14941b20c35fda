package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/internal/web/client"
	"github.com/crieur/crieur/internal/world"
	"github.com/crieur/crieur/publishers/assisted/assistedtest"
	"github.com/crieur/crieur/publishers/sim"
)

type demoCmd struct {
	Once    bool          `help:"Exit once the sample is everywhere, and print a table."`
	File    string        `help:"Announce this file instead of the sample."`
	Timeout time.Duration `default:"60s" help:"With --once: fail if it is not everywhere by then."`
	Listen  string        `default:"127.0.0.1:0" help:"Address of the demo; port 0 takes a free one."`
}

func (demoCmd) Help() string {
	return "Starts the server on a free loopback port with every channel pointed at a simulated platform, announces a sample, " +
		"and shows on one page (the wall) what readers of each platform would see. Nothing leaves this machine; nothing is kept.\n\n" +
		"Examples:\n  crieur demo\n  crieur demo --once --file meetup.md"
}

func (c demoCmd) Run(ctx context.Context, s *session) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d, err := demo(ctx, c.Listen, s.err)
	if err != nil {
		return err
	}
	defer func() {
		stop()
		err = errors.Join(err, d.close())
	}()
	draft := world.Sample(time.Now())
	if c.File != "" {
		if draft, err = s.readDraft(c.File); err != nil {
			return err
		}
	}
	p := s.painter()
	fmt.Fprintf(s.out, "%s\nEvery channel is simulated: nothing leaves this machine.\n\n", p.paint("1", "Crieur demo"))
	fmt.Fprintf(s.out, "  the wall        %s/wall\n  the API         %s/docs\n  feeds           %s/events\n\n", d.url, d.url, d.url)
	wait, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := d.show(wait, s, draft); err != nil {
		return err
	}
	if c.Once {
		return nil
	}
	fmt.Fprintf(s.out, "\nAnnounce another on the wall, or:\n  CRIEUR_URL=%s CRIEUR_TOKEN=%s crieur announce FILE --wait\n\nCtrl-C ends the demo.\n", d.url, d.token)
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.served:
		d.served <- err
		return err
	}
}

// demoServer is a running server on simulated platforms.
type demoServer struct {
	*client.Client
	world  *world.World
	people *people.Service
	url    string
	token  string
	dir    string
	served chan error

	volunteer chan struct{} // closed when the volunteer has gone home
}

// demo starts a server on simulated platforms with a mailing list of three. It ends when ctx does; then close it.
func demo(ctx context.Context, listen string, log io.Writer) (*demoServer, error) {
	dir, err := os.MkdirTemp("", "crieur-demo-")
	if err != nil {
		return nil, err
	}
	d := &demoServer{dir: dir, served: make(chan error, 1)}
	fail := func(err error) (*demoServer, error) { return nil, errors.Join(err, d.close()) }
	if d.world, err = world.New(); err != nil {
		d.served <- nil
		return fail(err)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		d.served <- nil
		return fail(err)
	}
	d.url = "http://" + listener.Addr().String()
	vars := map[string]string{
		"CRIEUR_STATE": dir, "CRIEUR_LISTEN": listener.Addr().String(), "CRIEUR_PUBLIC_URL": d.url, "CRIEUR_NAME": "SagLac IO (démo)",
		"CRIEUR_POSTAL_ADDRESS": "1, rue de l’Exemple, Saguenay (Québec)", "CRIEUR_UNDO": "0s", "CRIEUR_SETTLE_GAP": "2s",
		"CRIEUR_CHANNELS": strings.Join(d.world.Accounts(), ","), "CRIEUR_LOG_LEVEL": "warn", "CRIEUR_LOG_FORMAT": "text",
	}
	maps.Copy(vars, d.world.Environ())
	config, err := load(vars)
	if err != nil {
		d.served <- nil
		return fail(errors.Join(err, listener.Close()))
	}
	a, err := open(ctx, config, vars, logger(config, log), opening{work: true})
	if err != nil {
		d.served <- nil
		return fail(errors.Join(err, listener.Close()))
	}
	if err := d.populate(ctx, a.store); err != nil {
		d.served <- nil
		return fail(errors.Join(err, listener.Close(), a.Close(ctx)))
	}
	d.people = a.people
	mux := http.NewServeMux()
	mux.Handle("/", a.handler)
	local := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.handler.ServeHTTP(w, r.WithContext(web.WithActor(r.Context(), "the wall")))
	})
	wall := d.world.Wall(local, world.WallOptions{Community: config.Name, PublicURL: d.url, Stopping: a.stopping})
	mux.Handle("/wall", wall)
	mux.Handle("/wall/", wall)
	mux.Handle("GET /{$}", http.RedirectHandler("/wall", http.StatusFound))
	go func() { d.served <- a.serve(ctx, listener, mux) }()
	d.Client = client.New(d.url, announce.NewSecret(d.token), &http.Transport{})
	d.volunteer = make(chan struct{})
	go func() { defer close(d.volunteer); volunteer(ctx, d.Client, d.world) }()
	return d, nil
}

// volunteer does on the bulletin board, by hand, what tasks ask for, until ctx is done. What was pinned is pinned once.
func volunteer(ctx context.Context, c *client.Client, w *world.World) {
	board, ok := w.Platform("assisted").(*assistedtest.Platform)
	if !ok {
		return
	}
	pinned := map[string]string{} // by delivery: where
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		tasks, err := c.Tasks(ctx)
		if err != nil {
			continue // the server is not there: it is asked again
		}
		for _, t := range tasks {
			if t.Delivery.Channel != "assisted" {
				continue
			}
			at := pinned[t.Delivery.ID]
			switch {
			case t.Verb == announce.Retract:
				board.Remove(at)
				delete(pinned, t.Delivery.ID)
			case at == "":
				var images []sim.Image
				for _, i := range t.Images {
					images = append(images, sim.Image{URL: i.URL, Alt: i.Alt})
				}
				at = board.Pin(t.Text, images...)
				pinned[t.Delivery.ID] = at
			case t.Verb == announce.Amend:
				board.Change(at, t.Text)
			}
			_, _ = c.Settle(ctx, t.Announcement, t.Delivery.ID, web.Settlement{Saw: broadcast.Finished, URL: at, Seen: &t.Wanted}) // else the task is still there
		}
	}
}

// populate makes a token and a mailing list: two readers in French, one in English.
func (d *demoServer) populate(ctx context.Context, db *store.DB) error {
	secret, _, err := db.CreateToken(ctx, "demo", []string{web.ScopeAdmin})
	if err != nil {
		return err
	}
	d.token = secret.Reveal()
	var readers []store.Address
	for _, r := range []struct {
		address  string
		language announce.Language
	}{{"ada@example.org", "fr"}, {"blaise@example.org", "fr"}, {"grace@example.com", "en"}} {
		readers = append(readers, store.Address{Channel: "email", Address: r.address, Language: r.language, Everything: true})
	}
	_, err = db.AddAddresses(ctx, readers, store.Deed{Act: store.Added, How: "demo", Basis: "express"})
	return err
}

func (d *demoServer) close() error {
	err := <-d.served
	if d.volunteer != nil {
		<-d.volunteer
	}
	if d.world != nil {
		d.world.Close()
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

// show announces a draft, prints what happens as it happens, and ends with a table once it is everywhere.
func (d *demoServer) show(ctx context.Context, s *session, draft announce.Draft) error {
	began := time.Now()
	a, _, err := d.Submit(ctx, draft, "")
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%7.0f ms  202 accepted: %s\n", ms(time.Since(began)), a.ID)
	took := map[string]float64{}
	st, err := d.everywhere(ctx, a.ID, func(channel, state, more string) {
		took[channel] = ms(time.Since(began))
		fmt.Fprintf(s.out, "%7.0f ms  %-10s %s %s\n", took[channel], channel, s.painter().state(state), more)
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	var rows [][]string
	for _, r := range st.Deliveries {
		id, where := "", r.Fault
		if r.Receipt != nil {
			id, where = r.Receipt.ID, r.Receipt.URL
		}
		rows = append(rows, []string{r.Channel, s.painter().state(string(r.State)), fmt.Sprintf("%.0f", took[r.Channel]), where, id})
	}
	for _, x := range st.People {
		rows = append(rows, []string{x.Channel, s.painter().state(peopleState(x)), fmt.Sprintf("%.0f", took[x.Channel]), peopleCounts(x), ""})
	}
	if err := s.table([]string{"CHANNEL", "STATE", "MS", "WHERE", "RECEIPT"}, rows); err != nil {
		return err
	}
	if st.State != broadcast.Published {
		return exitCode(exitFailed)
	}
	return nil
}

// everywhere waits until nothing more happens by itself to an announcement, telling each change of a channel once.
func (d *demoServer) everywhere(ctx context.Context, id announce.ID, tell func(channel, state, more string)) (broadcast.Status, error) {
	seen := map[string]string{}
	say := func(channel, state, more string) {
		if seen[channel] != state {
			seen[channel] = state
			tell(channel, state, more)
		}
	}
	for began := time.Now(); ; {
		st, err := d.Status(ctx, id)
		if err != nil {
			return st, err
		}
		for _, r := range st.Deliveries {
			if r.State != announce.Waiting {
				say(r.Channel, string(r.State), r.Fault)
			}
		}
		for _, x := range st.People {
			if x.Done {
				say(x.Channel, peopleState(x), peopleCounts(x))
			}
		}
		asked := slices.ContainsFunc(st.Deliveries, func(r broadcast.Row) bool { return r.Channel == "assisted" && r.Person })
		if settled(st) && !asked { // the volunteer answers soon
			return st, nil
		}
		select {
		case <-ctx.Done():
			return st, fmt.Errorf("it is not everywhere in time: %w", ctx.Err())
		case <-time.After(nextLook(began)):
		}
	}
}

// nextLook is how long whoever waits since began leaves between two looks, each of which costs the server something: what
// is told of the time it took is right to 5 ms or a twentieth.
func nextLook(began time.Time) time.Duration {
	return min(max(5*time.Millisecond, time.Since(began)/20), 100*time.Millisecond)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
