package web

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/people"
)

// worked does by hand what the page's script does.
func worked(challenge, address string, bits int) string {
	for n := 0; ; n++ {
		if work := strconv.Itoa(n); zeros(sha256.Sum256([]byte(challenge+"\n"+address+"\n"+work))) >= bits {
			return work
		}
	}
}

func TestGate(t *testing.T) {
	links := people.NewLinks("https://crieur.example.org", []byte("a key"))
	g := newGate(links)
	g.work = 10
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	later := now.Add(g.fill)
	challenge := g.challenge(now)
	work := worked(challenge, "ada@example.org", g.work)
	idle := "x"
	for zeros(sha256.Sum256([]byte(challenge+"\nada@example.org\n"+idle))) >= g.work {
		idle += "x"
	}
	for what, c := range map[string]struct {
		challenge, address, work string
		now                      time.Time
		want                     verdict
	}{
		"a person":            {challenge, "ada@example.org", work, later, person},
		"too fast":            {challenge, "ada@example.org", work, later.Add(-time.Millisecond), program},
		"another address":     {challenge, "bob@example.org", work, later, program},
		"wrong work":          {challenge, "ada@example.org", idle, later, program},
		"no work":             {challenge, "ada@example.org", "", later, unsure},
		"nothing at all":      {"", "ada@example.org", "", later, unsure},
		"open overnight":      {challenge, "ada@example.org", work, now.Add(g.keep), unsure},
		"a made up challenge": {strings.Repeat("A", len(challenge)), "ada@example.org", work, later, program},
		"a turned bit":        {turned(challenge), "ada@example.org", work, later, program},
		"a pass is no challenge": {
			g.pass("x", now), "ada@example.org", worked(g.pass("x", now), "ada@example.org", 0), later, program},
	} {
		if got := g.judge(c.challenge, c.address, c.work, c.now); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}

	pass := g.pass("address=ada", now)
	for what, c := range map[string]struct {
		pass, asked string
		after       time.Duration
		good, come  bool
	}{
		"in time":      {pass, "address=ada", g.wait, true, true},
		"early":        {pass, "address=ada", g.wait - time.Millisecond, true, false},
		"late":         {pass, "address=ada", g.keep, false, true},
		"for another":  {pass, "address=bob", g.wait, false, false},
		"none":         {"", "address=ada", g.wait, false, false},
		"a challenge":  {challenge, "", g.wait, false, false},
		"a turned bit": {turned(pass), "address=ada", g.wait, false, false},
	} {
		good, come := g.waited(c.pass, c.asked, now.Add(c.after))
		if good != c.good || good && come != c.come {
			t.Errorf("%s: good %v, come %v", what, good, come)
		}
	}
	other := newGate(people.NewLinks("x", []byte("another key")))
	if good, _ := other.waited(pass, "address=ada", now.Add(g.wait)); good {
		t.Error("a pass of another server's key is taken")
	}
}

// turned is a ticket with its last bit that counts turned.
func turned(ticket string) string {
	c := byte('A')
	if ticket[3] == c {
		c = 'B'
	}
	return ticket[:3] + string(c) + ticket[4:]
}

func FuzzTicket(f *testing.F) {
	g := newGate(people.NewLinks("x", []byte("a key")))
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	f.Add("AAAA", "ada@example.org", "1")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, ticket, address, work string) {
		if g.judge(ticket, address, work, now) == person {
			t.Errorf("%q is taken for a challenge", ticket)
		}
		if good, _ := g.waited(ticket, address, now); good {
			t.Errorf("%q is taken for a pass", ticket)
		}
	})
}

// The script of the page finds what the server asks for.
func TestPuzzleScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node to run the page's script with")
	}
	const bits = 12
	out, err := exec.Command(node, "--input-type=module", "--eval", fmt.Sprintf(`
		import { readFileSync } from 'node:fs'
		import { createHash } from 'node:crypto'
		const { sha256, solve } = await import('data:text/javascript;base64,' + readFileSync('assets/puzzle.js').toString('base64'))
		for (let n = 0; n < 200; n++) {
			const bytes = new Uint8Array(n).fill(n), sum = Buffer.alloc(32)
			sha256(bytes).forEach((word, i) => sum.writeUInt32BE(word, 4 * i))
			if (sum.toString('hex') !== createHash('sha256').update(bytes).digest('hex')) throw new Error('SHA-256 of ' + n + ' bytes')
		}
		console.log(await solve('a challenge', 'zoë@example.org', %d))`, bits)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if work := strings.TrimSpace(string(out)); zeros(sha256.Sum256([]byte("a challenge\nzoë@example.org\n"+work))) < bits {
		t.Errorf("%q solves nothing", work)
	}
}

func TestNetworks(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	n := newNetworks()
	n.most = 3
	a, b := netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:1::/48")
	took := 0
	for range 2 * n.burst {
		if n.allow(a, now) {
			took++
		}
	}
	if took != n.burst {
		t.Errorf("%d requests at once, want %d", took, n.burst)
	}
	if !n.allow(b, now) {
		t.Error("another network pays for it")
	}
	if !n.allow(a, now.Add(n.every)) || n.allow(a, now.Add(n.every)) {
		t.Error("later there is not just one more")
	}
	for i := range 1000 {
		n.allow(netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(i), 0}), 24), now)
	}
	if n.order.Len() != n.most || len(n.by) != n.most {
		t.Errorf("%d networks are remembered, want %d", n.order.Len(), n.most)
	}
}

func TestPeer(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"203.0.113.7:1234", "", "203.0.113.0/24"},
		{"203.0.113.7:1234", "198.51.100.1", "203.0.113.0/24"}, // whoever it is may claim anything
		{"127.0.0.1:1234", "198.51.100.1", "198.51.100.0/24"},
		{"10.1.2.3:1234", "1.2.3.4, 198.51.100.1, 10.9.9.9", "198.51.100.0/24"},
		{"[::1]:1234", "2001:db8:1:2::3", "2001:db8:1::/48"},
		{"[::ffff:203.0.113.7]:1", "", "203.0.113.0/24"},
		{"127.0.0.1:1234", "unknown", "127.0.0.0/24"},
		{"@", "198.51.100.1", "invalid Prefix"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/subscribe", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := people.Truncate(peer(r, proxies)).String(); got != c.want {
			t.Errorf("%s, forwarded for %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}
