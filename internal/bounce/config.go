package bounce

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/sync/errgroup"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/fetch"
)

// Config is where news of sent mail comes in. All of it may be empty.
type Config struct {
	ReturnPath string `env:"RETURN_PATH" doc:"Address that bounces come to, such as b@bounce.example.org: each mail leaves under b+<token>@bounce.example.org."`

	LMTP string `env:"LMTP" doc:"Where to take bounces from the mail server of this machine: 127.0.0.1:2424 or unix:/run/crieur/bounces.sock."`

	IMAP         string          `env:"IMAP" doc:"Mailbox to look for bounces in: host or host:port."`
	IMAPTLS      string          `env:"IMAP_TLS" envDefault:"tls" doc:"tls (from the first byte), starttls, or none for a server on this machine."`
	IMAPCA       string          `env:"IMAP_CA" doc:"PEM certificates to trust beside the system's, for a mailbox server with its own authority."`
	IMAPUsername string          `env:"IMAP_USERNAME" doc:"Account of that mailbox."`
	IMAPPassword announce.Secret `env:"IMAP_PASSWORD" doc:"Password of that account."`
	IMAPFolder   string          `env:"IMAP_FOLDER" envDefault:"INBOX" doc:"Folder to look in. It is for bounces alone: what is read there is marked as seen."`
	IMAPDone     string          `env:"IMAP_DONE" doc:"Folder to move bounces to that were counted. Empty: they are deleted."`
	IMAPInterval time.Duration   `env:"IMAP_INTERVAL" envDefault:"1m" doc:"How often to look."`

	SESTopic         string          `env:"SES_TOPIC" doc:"ARN of the SNS topic to which Amazon SES sends bounces and complaints."`
	PostmarkUsername string          `env:"POSTMARK_USERNAME" doc:"User name in the address of the webhook that Postmark is given."`
	PostmarkPassword announce.Secret `env:"POSTMARK_PASSWORD" doc:"Password in that address; at least 16 characters."`
	MailgunKey       announce.Secret `env:"MAILGUN_KEY" doc:"HTTP webhook signing key of Mailgun."`
	SendGridKey      string          `env:"SENDGRID_KEY" doc:"Verification key of SendGrid's signed event webhook."`
}

// The values of Config.IMAPTLS.
const (
	tlsImplicit = "tls"
	tlsStart    = "starttls"
	tlsNone     = "none"
)

// Intake is everything that a Config switches on.
type Intake struct {
	Reader  Reader   // for the pipe
	Mailbox *Mailbox // nil when there is none
	lmtp    string
	hooks   map[string]*hook
}

// Open checks everything and says everything that is wrong, each by the name of its variable. known checks the MAC of a
// token; client fetches certificates of SNS and its confirmations. Nothing is opened yet.
func (c Config) Open(known func(token string) bool, client *fetch.Client) (*Intake, error) {
	var errs []error
	wrong := func(variable, format string, a ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", variable, fmt.Sprintf(format, a...)))
	}
	in := &Intake{Reader: Reader{Known: known}, lmtp: c.LMTP, hooks: map[string]*hook{}}
	if c.ReturnPath != "" {
		prefix, domain, ok := strings.Cut(c.ReturnPath, "@")
		ascii, err := idna.Lookup.ToASCII(domain)
		if !ok || !word(prefix) || len(prefix) > 24 || err != nil || !strings.Contains(ascii, ".") {
			wrong("RETURN_PATH", "must be an address such as b@bounce.example.org, with at most 24 letters and digits before the @")
		}
		in.Reader.Prefix, in.Reader.Domain = strings.ToLower(prefix), strings.ToLower(ascii)
	}
	for _, v := range []struct{ name, value string }{{"LMTP", c.LMTP}, {"IMAP", c.IMAP}} {
		if v.value != "" && c.ReturnPath == "" {
			wrong("RETURN_PATH", "is empty although %s is set: nothing could be told from the mail that comes", v.name)
			break
		}
	}
	if c.LMTP != "" && !local(c.LMTP) {
		wrong("LMTP", "must be a port of this machine alone (127.0.0.1:2424) or unix:/path: whoever reaches it may bring mail")
	}
	if c.IMAP != "" {
		in.Mailbox = c.mailbox(in.Reader, wrong)
	} else if c.IMAPUsername != "" || !c.IMAPPassword.Empty() {
		wrong("IMAP", "is empty although there is an account")
	}
	if c.SESTopic != "" {
		h, err := ses(in.Reader, c.SESTopic, client.Get)
		if err != nil {
			wrong("SES_TOPIC", "%v", err)
		}
		in.hooks[sourceSES] = h
	}
	if c.PostmarkUsername != "" || !c.PostmarkPassword.Empty() {
		if c.PostmarkUsername == "" || len(c.PostmarkPassword.Reveal()) < 16 {
			wrong("POSTMARK_PASSWORD", "must have at least 16 characters, beside a POSTMARK_USERNAME: they are all that proves that it is Postmark who calls")
		}
		in.hooks[sourcePostmark] = postmark(in.Reader, c.PostmarkUsername, c.PostmarkPassword)
	}
	if !c.MailgunKey.Empty() {
		in.hooks[sourceMailgun] = mailgun(in.Reader, c.MailgunKey)
	}
	if c.SendGridKey != "" {
		key, err := publicKey(c.SendGridKey)
		if err != nil {
			wrong("SENDGRID_KEY", "%v", err)
		}
		in.hooks[sourceSendGrid] = sendgrid(in.Reader, key)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return in, nil
}

func (c Config) mailbox(r Reader, wrong func(variable, format string, a ...any)) *Mailbox {
	m := &Mailbox{reader: r, mode: c.IMAPTLS, username: c.IMAPUsername, password: c.IMAPPassword, folder: c.IMAPFolder, done: c.IMAPDone, interval: c.IMAPInterval}
	host, port, err := net.SplitHostPort(c.IMAP)
	if err != nil {
		host, port = c.IMAP, "993"
		if c.IMAPTLS != tlsImplicit {
			port = "143"
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" || strings.ContainsAny(host, " \t\r\n/@") {
		wrong("IMAP", "must be the name of a mailbox server, such as imap.example.org or imap.example.org:993")
	}
	m.address = net.JoinHostPort(host, port)
	ip, err := netip.ParseAddr(host)
	switch c.IMAPTLS {
	case tlsImplicit, tlsStart:
	case tlsNone:
		if host != "localhost" && (err != nil || !ip.IsLoopback()) {
			wrong("IMAP_TLS", "none would send the password in the clear; use tls or starttls, or a server on this machine")
		}
	default:
		wrong("IMAP_TLS", "must be tls, starttls or none")
	}
	m.tls = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.IMAPCA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(strings.ReplaceAll(c.IMAPCA, `\n`, "\n"))) {
			wrong("IMAP_CA", "holds no certificate in PEM form")
		}
		m.tls.RootCAs = pool
	}
	if c.IMAPUsername == "" || c.IMAPPassword.Empty() || strings.ContainsAny(c.IMAPUsername+c.IMAPPassword.Reveal(), "\x00\r\n") {
		wrong("IMAP_PASSWORD", "user name and password are needed, one line each")
	}
	if c.IMAPFolder == "" || c.IMAPFolder == c.IMAPDone {
		wrong("IMAP_FOLDER", "must be a folder, and another one than IMAP_DONE")
	}
	if c.IMAPInterval < time.Second {
		wrong("IMAP_INTERVAL", "must be at least 1s")
	}
	return m
}

// Run takes mail over LMTP and from the mailbox until ctx is done. It returns early when a listener cannot be opened.
func (in *Intake) Run(ctx context.Context, handle Handler, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	if in.lmtp != "" {
		l, err := listen(in.lmtp)
		if err != nil {
			return fmt.Errorf("bounces cannot be taken at LMTP %s: %w", in.lmtp, err)
		}
		g.Go(func() error { return in.Reader.ServeLMTP(ctx, l, handle, log) })
	}
	if in.Mailbox != nil {
		g.Go(func() error { return in.Mailbox.Run(ctx, handle, log) })
	}
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Webhooks serves the webhooks that are switched on: POST /ses, /postmark, /mailgun, /sendgrid. Mount it with
// http.StripPrefix("/bounces", ...): the pages for organisers name that path. Nothing before it may change the body.
func (in *Intake) Webhooks(handle Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	for name, h := range in.hooks {
		mux.Handle("/"+name, h.handler(name, handle, log))
	}
	return mux
}
