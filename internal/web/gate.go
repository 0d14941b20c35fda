package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/crieur/crieur/internal/people"
)

// gate tells people from programs that subscribe strangers. Whoever runs our script does some work for each address;
// whoever does not comes through a second page, and waits there. It keeps nothing: what it gives out is signed.
type gate struct {
	links *people.Links
	work  int           // leading zero bits that a solution has: on average 2^work hashes are tried
	fill  time.Duration // nobody fills in the form faster
	wait  time.Duration // on the second page
	keep  time.Duration // how long a page may stay open
}

// newGate asks for 2^17 hashes: a moment for a phone, an hour of a core for twenty thousand addresses.
func newGate(l *people.Links) gate {
	return gate{links: l, work: 17, fill: 3 * time.Second, wait: 5 * time.Second, keep: 4 * time.Hour}
}

const (
	ofForm = "form" // seals a challenge
	ofWait = "wait" // seals a pass through the second page
)

// ticket is a moment, something to tell it apart, and a seal of these and of what it is bound to.
func (g gate) ticket(use string, bound [32]byte, now time.Time) string {
	var t [16]byte
	binary.BigEndian.PutUint64(t[:], uint64(now.UnixMilli()))
	_, _ = rand.Read(t[8:])
	return base64.RawURLEncoding.EncodeToString(append(t[:], g.links.Seal(use, append(t[:], bound[:]...))...))
}

// age is how long ago a ticket was given out. False: it was not, or not for this.
func (g gate) age(use string, bound [32]byte, ticket string, now time.Time) (time.Duration, bool) {
	t, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil || len(t) < 16 || !g.links.Sealed(use, append(t[:16:16], bound[:]...), t[16:]) {
		return 0, false
	}
	return now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(t)))), true
}

// challenge is given out with a form, and is good for a few hours.
func (g gate) challenge(now time.Time) string { return g.ticket(ofForm, [32]byte{}, now) }

// verdict is what the gate makes of a form.
type verdict int

const (
	program verdict = iota // nothing is done
	unsure                 // the second page
	person
)

// judge looks at the work done for an address: SHA-256 of challenge, address and work, with a line feed between, begins
// with enough zero bits, and there was time to fill in the form. Without work, or when the page was open for too long, a
// person may come through the second page.
func (g gate) judge(challenge, address, work string, now time.Time) verdict {
	age, ours := g.age(ofForm, [32]byte{}, challenge, now)
	switch {
	case work == "", ours && age >= g.keep:
		return unsure
	case ours && age >= g.fill && zeros(sha256.Sum256([]byte(challenge+"\n"+address+"\n"+work))) >= g.work:
		return person
	}
	return program
}

// pass lets exactly what was asked through the second page, after its time.
func (g gate) pass(asked string, now time.Time) string {
	return g.ticket(ofWait, sha256.Sum256([]byte(asked)), now)
}

// waited tells how a pass stands for what is asked: good, and whether its time has come.
func (g gate) waited(pass, asked string, now time.Time) (good, come bool) {
	age, ok := g.age(ofWait, sha256.Sum256([]byte(asked)), pass, now)
	return ok && age < g.keep, age >= g.wait
}

func zeros(sum [32]byte) int {
	for i, b := range sum {
		if b != 0 {
			return 8*i + bits.LeadingZeros8(b)
		}
	}
	return 256
}
