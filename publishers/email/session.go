package email

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/crieur/crieur/internal/announce"
)

// flood is the most that a server may say in one phase; no honest one comes near.
const flood = 1 << 18

var errFlood = errors.New("the server does not stop talking")

// line is a connection that can be cut at once, whoever waits on it, and that stays cut.
type line struct {
	net.Conn
	mu   sync.Mutex
	off  bool
	left int
}

// within gives the phase that begins d from now on.
func (l *line) within(d time.Duration) {
	l.left = flood
	_ = l.SetDeadline(time.Now().Add(d))
}

func (l *line) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.off {
		return nil
	}
	return l.Conn.SetDeadline(t)
}

func (l *line) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.off {
		return nil
	}
	return l.Conn.SetWriteDeadline(t)
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = true
	_ = l.Conn.SetDeadline(time.Unix(1, 0))
}

func (l *line) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errFlood
	}
	n, err := l.Conn.Read(p)
	l.left -= n
	return n, err
}

// session is a connection on which mails can be sent, one after the other. One goroutine uses it at a time.
type session struct {
	relay          *relay
	line           *line
	client         *smtp.Client
	timeout, final time.Duration
	pipelining     bool
	chunking       bool      // the server takes mails with BDAT
	size           bool      // the server wants to know the size first
	sent           int       // mails taken on it
	heard          time.Time // the last answer
	dirty          bool      // a transaction was given up, so the next one begins by resetting
	broken         bool      // not to be used again
	commands       []byte    // reused
	timer          *time.Timer
}

// open connects, greets, secures and logs in. No credentials leave before the connection is secure, but to this machine with TLS none.
func (r *relay) open(ctx context.Context) (*session, *failure) {
	if err := ctx.Err(); err != nil {
		return nil, &failure{phase: connecting, err: err}
	}
	raw, err := (&net.Dialer{Timeout: r.timeout}).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, &failure{phase: connecting, err: err}
	}
	l := &line{Conn: raw}
	stop := context.AfterFunc(ctx, l.cut)
	s, f := r.greet(ctx, l)
	if !stop() && f == nil {
		f = &failure{phase: connecting, err: ctx.Err()}
	}
	if f != nil {
		_ = raw.Close()
		if err := ctx.Err(); err != nil && f.code == 0 {
			f.err = err
		}
		return nil, f
	}
	return s, nil
}

func (r *relay) greet(ctx context.Context, l *line) (*session, *failure) {
	conn := net.Conn(l)
	if r.mode == tlsImplicit {
		l.within(r.timeout)
		secured := tls.Client(l, r.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, &failure{phase: securing, err: err}
		}
		conn = secured
	}
	l.within(r.timeout)
	client, err := smtp.NewClient(conn, r.host)
	if err != nil {
		return nil, failed(greeting, err)
	}
	var refused refusedHello
	client.ErrorHandlerRegistry.RegisterHandler(r.host, "ehlo", &refused)
	l.within(r.timeout)
	if err := client.Hello(r.helo); err != nil {
		if refused.err != nil {
			err = refused.err
		}
		return nil, failed(greeting, err)
	}
	if f := failed(greeting, refused.err); f != nil && (f.code == 0 || f.code/100 == 4) {
		return nil, f // only a server that knows no EHLO may be asked by HELO
	}
	if f := r.secure(client, l); f != nil {
		return nil, f
	}
	if r.username != "" {
		l.within(r.timeout)
		if err := client.Auth(&login{username: r.username, password: r.password, clear: r.mode == tlsNone && loopback(r.host)}); err != nil {
			return nil, failed(authenticating, err)
		}
	}
	s := &session{relay: r, line: l, client: client, timeout: r.timeout, final: r.final, heard: time.Now()}
	s.pipelining, _ = client.Extension("PIPELINING")
	s.chunking, _ = client.Extension("CHUNKING")
	s.size, _ = client.Extension("SIZE")
	return s, nil
}

func (r *relay) secure(client *smtp.Client, l *line) *failure {
	if r.mode == tlsImplicit || r.mode == tlsNone {
		return nil
	}
	if offered, _ := client.Extension("STARTTLS"); !offered {
		if r.mode == tlsOpportunistic {
			return nil
		}
		return &failure{phase: securing, err: errNoTLS}
	}
	l.within(r.timeout)
	if err := client.StartTLS(r.tls); err != nil {
		return failed(securing, err)
	}
	return nil
}

// refusedHello remembers how EHLO was refused, because the library then falls back to HELO in silence.
type refusedHello struct{ err error }

func (r *refusedHello) HandleError(_, _ string, _ *textproto.Conn, err error) error {
	r.err = err
	return err
}

// login picks the way to log in that the server and the connection allow.
type login struct {
	username string
	password announce.Secret
	clear    bool // may go in the clear
	smtp.Auth
}

func (a *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	offered := map[string]bool{}
	for _, name := range server.Auth {
		offered[strings.ToUpper(name)] = true
	}
	password := a.password.Reveal()
	switch {
	case len(offered) == 0:
		return "", nil, errNoAuth
	case !server.TLS && !a.clear:
		return "", nil, errClear
	case offered["PLAIN"]:
		a.Auth = smtp.PlainAuth("", a.username, password, server.Name, a.clear)
	case offered["LOGIN"]:
		a.Auth = smtp.LoginAuth(a.username, password, server.Name, a.clear)
	case offered["SCRAM-SHA-256"]:
		a.Auth = smtp.ScramSHA256Auth(a.username, password)
	case offered["SCRAM-SHA-1"]:
		a.Auth = smtp.ScramSHA1Auth(a.username, password)
	case offered["CRAM-MD5"]:
		a.Auth = smtp.CRAMMD5Auth(a.username, password)
	default:
		return "", nil, errMechanism
	}
	return a.Auth.Start(server)
}
