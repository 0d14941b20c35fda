package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// copies are the mails that somebody got: their Message-ID and Date.
type copies struct {
	mu  sync.Mutex
	of  map[string][][2]string
	cut int // mails that were taken and not answered
}

func (c *copies) take(to string, mail []byte) {
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(mail))).ReadMIMEHeader()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[to] = append(c.of[to], [2]string{h.Get("Message-Id"), h.Get("Date")})
}

func (c *copies) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, got := range c.of {
		n += len(got)
	}
	return n
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// A mailing is killed again and again while its mail server refuses, drops and goes away: nobody is missing, and what is there
// twice is a copy.
func TestKillMailing(t *testing.T) {
	if os.Getenv("MAIL_PEOPLE") == "" {
		t.Skip("without MAIL_PEOPLE no mailing is killed; make soak kills one to 100,000 people")
	}
	t.Parallel()
	people, kills := number("MAIL_PEOPLE", 1500), number("MAIL_KILLS", 3)
	const connections = 8
	w := newWorld(t)
	c := newChild(t, w, 0)
	address := freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	for name, v := range map[string]string{
		"CRIEUR_CHANNELS": "feed,email", "CRIEUR_EMAIL_HOST": host, "CRIEUR_EMAIL_PORT": port, "CRIEUR_EMAIL_TLS": "none", "CRIEUR_EMAIL_USERNAME": "",
		"CRIEUR_EMAIL_PASSWORD": "", "CRIEUR_EMAIL_CONNECTIONS": strconv.Itoa(connections), "CRIEUR_LOG_LEVEL": "warn",
	} {
		c.vars[name] = v
	}
	var list strings.Builder
	gone := map[string]bool{}
	for i := range people {
		to := fmt.Sprintf("reader%d@d%d.example.org", i, i/100%40) // one in a hundred of each domain is gone: its provider is not at fault
		gone[to] = i%100 == 7
		fmt.Fprintln(&list, to)
	}
	c.runWith(list.String(), "subscribers", "add", "-")

	got := &copies{of: map[string][][2]string{}}
	server := newSink()
	server.taken = got.take
	index := func(to string) int {
		n, _ := strconv.Atoi(to[len("reader"):strings.IndexByte(to, '@')])
		return n
	}
	server.answer = func(to string, n int) (string, bool) {
		switch i := index(to); {
		case gone[to]:
			return "550 5.1.1 no such user\r\n", false
		case i%20 == 3 && n == 0:
			return "451 4.3.0 try later\r\n", false
		case i%250 == 11 && n == 0:
			got.mu.Lock()
			got.cut++
			got.mu.Unlock()
			return "250 ok\r\n", true
		}
		return "250 ok\r\n", false
	}
	listen := func() net.Listener {
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		go server.serve(l)
		return l
	}
	l := listen()
	restarts := 0
	cmd, dead := c.start("")
	id := c.submit(0, 1)[0]
	for k := range kills {
		goal := (k+1)*people/(kills+2) + rand.IntN(people/20)
		c.until(fmt.Sprintf("%d mails are out", goal), ample, func() bool { return got.total() >= goal })
		if k%2 == 0 {
			_ = l.Close()
			server.hangUp()
			restarts++
			l = listen()
		}
		_ = cmd.Process.Kill()
		<-dead
		cmd, dead = c.start("")
	}
	var p broadcast.People
	var left []announce.Delivery
	for again := true; again; {
		over := within(ample, func() bool {
			st, err := c.client.Status(t.Context(), id)
			if err != nil || len(st.People) != 1 {
				return false
			}
			p = st.People[0]
			return p.Done && p.Counts[announce.Published]+p.Counts[announce.FailedState]+p.Counts[announce.Unknown] == people
		})
		if !over {
			all, err := c.client.Channels(context.Background())
			t.Errorf("not within %s: everybody has it: %+v, %v", ample, p, err)
			for _, ch := range all {
				t.Logf("%s is %s %s, paused: %+v", ch.Name, ch.State, ch.Fault, ch.Groups)
			}
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-dead; err != nil {
			t.Errorf("SIGTERM: %v", err)
		}
		left = c.left(id, list.String())
		// What is unknown may be about to be settled.
		if again = over && slices.ContainsFunc(left, func(d announce.Delivery) bool { return d.Todo() != announce.Nothing }); again {
			cmd, dead = c.start("")
		}
	}
	_ = l.Close()

	// A call that was lost, and whose repeat was refused or lost as well, is a person's business; nothing else stays.
	unknown := map[string]bool{}
	stray := 0
	for _, d := range left {
		asked := d.State() == announce.Unknown && d.Rest == announce.Person && d.Lost()
		if !gone[d.To] && index(d.To)%250 != 11 {
			stray++ // the mail server went away
		}
		how := fmt.Sprintf("%s: %s, %d attempts, %d repeats, next %s, at rest %q, %s", d.To, d.State(), d.Attempts, d.Repeats, d.Next, d.Rest, d.Fault)
		if unknown[d.To] = asked; !asked || stray > connections*restarts {
			t.Error("left is", how)
		} else {
			t.Log("a person is asked about", how)
		}
	}
	if most := connections * (kills + restarts); len(unknown) > most {
		t.Errorf("%d are unknown; at most %d can be", len(unknown), most)
	}

	refused, repeats := 0, 0
	for to, never := range gone {
		n := len(got.of[to])
		switch {
		case never:
			if !unknown[to] {
				refused++
			}
			if n > 0 {
				t.Errorf("%s got what its server refused", to)
			}
		case n == 0 && !unknown[to]:
			t.Errorf("%s got nothing", to)
		}
		for _, m := range got.of[to][min(1, n):] {
			repeats++
			if m != got.of[to][0] {
				t.Errorf("%s got two mails: %v", to, got.of[to])
			}
		}
	}
	if p.Planned != people || p.Counts[announce.FailedState] != refused || p.Counts[announce.Unknown] != len(unknown) {
		t.Errorf("%+v; %d were refused, %d are unknown", p, refused, len(unknown))
	}
	if most := got.cut + connections*(kills+restarts); repeats > most {
		t.Errorf("%d repeats; at most %d can be", repeats, most)
	}
	t.Logf("%d people, %d kills, %d restarts of the mail server, %d mails cut: %d repeats, each a copy; %d refused; a person is asked about %d",
		people, kills, restarts, got.cut, repeats, refused, len(unknown))
}

// left are the letters of an announcement that are neither published nor refused, by the record of a server that is dead.
// to names everybody, in the order in which they were added.
func (c *child) left(id announce.ID, to string) (all []announce.Delivery) {
	c.t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Dir: c.vars["CRIEUR_STATE"]})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if n, err := db.Recount(ctx, id); n != 0 || err != nil {
		c.t.Errorf("letters do not add up by %d: %v", n, err)
	}
	if n, err := db.Counts(ctx, id, "email"); err != nil || n.By[announce.Published]+n.By[announce.FailedState] == n.Planned {
		return nil
	}
	plan := int64(0)
	for to := range strings.Lines(to) {
		a, err := db.AddressOf(ctx, "email", strings.TrimSpace(to))
		if err != nil {
			c.t.Fatal(err)
		}
		if plan == 0 {
			plan = planOf(c.t, db, a)
		}
		l, err := db.Letter(ctx, plan, a.ID)
		if err != nil {
			c.t.Fatalf("%s has no letter: %v", to, err)
		}
		if s := l.State(); s != announce.Published && s != announce.FailedState {
			all = append(all, l.Delivery)
		}
	}
	return all
}

// planOf is the plan of the one letter to an address.
func planOf(t *testing.T, db *store.DB, a store.Address) int64 {
	t.Helper()
	var of struct{ Letters []struct{ Plan int64 } }
	b, err := db.Export(t.Context(), []store.Address{a})
	if err == nil {
		err = json.Unmarshal(b, &of)
	}
	if err != nil || len(of.Letters) != 1 {
		t.Fatalf("the letter to %s: %v\n%s", a.Address, err, b)
	}
	return of.Letters[0].Plan
}
