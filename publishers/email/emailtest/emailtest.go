// Package emailtest is a mail server that can misbehave at every step: it refuses, waits, hangs, hangs up or babbles
// when told to, and is strict when not. The channel's tests and the demo run on it.
package emailtest

import (
	"bytes"
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// The account that a platform knows.
const (
	Username = "crieur"
	Password = "correct-horse-battery-staple"
)

// Options shape the server. The zero value is a submission server that wants STARTTLS and a login.
type Options struct {
	Implicit      bool          // TLS from the first byte
	Open          bool          // neither TLS nor login wanted; both still offered
	Hide          []string      // extensions that are not offered: "PIPELINING", "CHUNKING", "STARTTLS", "AUTH", "SIZE"
	Untrue        bool          // it offers CHUNKING and does not know BDAT: it reads the mail as commands
	Auth          string        // mechanisms that are offered; empty: PLAIN LOGIN
	Lax           bool          // DATA is taken without a recipient, and refused at the dot
	PerConnection int           // mails per connection, then 421; 0: any number
	Size          int           // most bytes of a mail; 0: 32 MiB
	Forget        bool          // count mails without keeping them, for measuring
	Valid         time.Duration // how long the certificate is valid from now on; 0: 90 days
}

// Platform is a running server on the loopback interface. It satisfies sim.Platform.
type Platform struct {
	options Options
	address string
	script  sim.Script
	ca      []byte
	tls     *tls.Config
	gate    chan struct{}
	once    sync.Once

	mu       sync.Mutex
	listener net.Listener
	faults   []Fault
	open     map[net.Conn]bool
	mails    []Mail
	stats    Stats
}

// Mail is what was accepted.
type Mail struct {
	From, To string // of the envelope
	Raw      []byte // without the final dot, dots undoubled
	At       time.Time
	Conn     int // which connection, from 1
}

// Stats counts what happened.
type Stats struct {
	Connections int // accepted
	Open        int // now
	Accepted    int // mails
	Cleartext   int // logins tried without TLS
	Logins      int // that succeeded
	Quits       int
	Largest     int // group of commands that came in one piece, in commands
}

// New starts the server with the zero Options.
func New() *Platform { return Start(Options{}) }

// Start starts the server. It panics when the machine has no free port on 127.0.0.1.
func Start(o Options) *Platform {
	if o.Auth == "" {
		o.Auth = "PLAIN LOGIN"
	}
	if o.Size == 0 {
		o.Size = 32 << 20
	}
	p := &Platform{options: o, gate: make(chan struct{}), open: map[net.Conn]bool{}}
	if o.Valid == 0 {
		o.Valid = 90 * 24 * time.Hour
	}
	p.ca, p.tls = authority(o.Valid)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("emailtest: " + err.Error())
	}
	p.address = l.Addr().String()
	p.listen(l)
	return p
}

func (p *Platform) listen(l net.Listener) {
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			if p.listener != l {
				p.mu.Unlock()
				_ = c.Close()
				return
			}
			p.open[c] = true
			p.stats.Connections++
			n := p.stats.Connections
			p.mu.Unlock()
			go func() {
				(&session{p: p, raw: c, conn: c, number: n}).run()
				_ = c.Close()
				p.mu.Lock()
				delete(p.open, c)
				p.mu.Unlock()
			}()
		}
	}()
}

// Down closes the port and hangs up on everybody, as a server that stops.
func (p *Platform) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.open {
		_ = c.Close()
	}
}

// Up opens the port again. The error says that somebody else took it meanwhile.
func (p *Platform) Up() error {
	l, err := net.Listen("tcp", p.address)
	if err == nil {
		p.listen(l)
	}
	return err
}

// HangUp ends every connection and keeps listening, as a server that finds its clients idle for too long.
func (p *Platform) HangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

// Close stops the server and ends every hang.
func (p *Platform) Close() {
	p.once.Do(func() { close(p.gate) })
	p.script.Release()
	p.Down()
}

// Script is empty for ever: it speaks of HTTP. Fail makes this platform misbehave.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ points a channel at the server.
func (p *Platform) Environ() map[string]string {
	host, port, _ := net.SplitHostPort(p.address)
	mode := "starttls"
	if p.options.Implicit {
		mode = "tls"
	}
	return map[string]string{
		"HOST": host, "PORT": port, "USERNAME": Username, "PASSWORD": Password, "TLS": mode, "CA": string(p.ca),
		"FROM": "Crieur <crieur@example.org>",
	}
}

// Mails is what was accepted, oldest first; a copy.
func (p *Platform) Mails() []Mail {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Mail(nil), p.mails...)
}

// Count is how many mails a recipient has got; with the empty address, all.
func (p *Platform) Count(to string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to == "" {
		return p.stats.Accepted
	}
	n := 0
	for _, m := range p.mails {
		if m.To == to {
			n++
		}
	}
	return n
}

// Copies is how many mails carry a Message-ID, brackets included.
func (p *Platform) Copies(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range p.mails {
		if bytes.Contains(m.Raw, []byte("\r\nMessage-ID: "+id+"\r\n")) || bytes.HasPrefix(m.Raw, []byte("Message-ID: "+id+"\r\n")) {
			n++
		}
	}
	return n
}

// Stats is what happened so far.
func (p *Platform) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Open = len(p.open)
	return s
}

func (p *Platform) note(change func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
}

func (p *Platform) accept(m Mail) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Accepted++
	if !p.options.Forget {
		p.mails = append(p.mails, m)
	}
}

// queued is the server's name for the mail it took last.
func (p *Platform) queued() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "Q" + strconv.Itoa(p.stats.Accepted)
}
