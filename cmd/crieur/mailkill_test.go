package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
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
	t.Cleanup(func() {
		if all, err := c.client.Channels(context.Background()); t.Failed() && err == nil {
			t.Logf("as it stood: %+v, channels %+v", p, all)
		}
	})
	c.until("everybody has it", ample, func() bool {
		st, err := c.client.Status(context.Background(), id)
		if err != nil || len(st.People) != 1 {
			return false
		}
		p = st.People[0]
		return p.Done && p.Counts[announce.Published]+p.Counts[announce.FailedState] == people
	})
	_ = cmd.Process.Kill()
	<-dead
	_ = l.Close()

	refused, repeats := 0, 0
	for to, never := range gone {
		n := len(got.of[to])
		switch {
		case never:
			refused++
			if n > 0 {
				t.Errorf("%s got what its server refused", to)
			}
		case n == 0:
			t.Errorf("%s got nothing", to)
		}
		for _, m := range got.of[to][min(1, n):] {
			repeats++
			if m != got.of[to][0] {
				t.Errorf("%s got two mails: %v", to, got.of[to])
			}
		}
	}
	if p.Planned != people || p.Counts[announce.FailedState] != refused {
		t.Errorf("%+v; %d were refused", p, refused)
	}
	if most := got.cut + connections*(kills+restarts); repeats > most {
		t.Errorf("%d repeats; at most %d can be", repeats, most)
	}
	t.Logf("%d people, %d kills, %d restarts of the mail server, %d mails cut: %d repeats, each a copy; %d refused", people, kills, restarts, got.cut, repeats, refused)
}
