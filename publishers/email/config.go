package email

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Config is how mail leaves.
type Config struct {
	Host     string          `env:"HOST,notEmpty" doc:"Name of the mail server that takes your mail, such as smtp-relay.example.net."`
	Port     int             `env:"PORT" doc:"Its port. Default: 587 with starttls, 465 with tls, else 25."`
	Username string          `env:"USERNAME" doc:"Account at the mail server. Empty: it asks for none."`
	Password announce.Secret `env:"PASSWORD" doc:"Password of that account."`
	TLS      string          `env:"TLS" envDefault:"starttls" doc:"starttls (required), tls (from the first byte), opportunistic (when offered) or none."`
	CA       string          `env:"CA" doc:"PEM certificates to trust beside the system's, for a server with its own authority."`
	Weight   int             `env:"WEIGHT" envDefault:"1" doc:"Share of the mail that this server gets, beside those of RELAYS."`
	Relays   announce.Secret `env:"RELAYS" doc:"More servers for the same mail, with blanks between them: smtp://user:password@host:587?weight=2, or smtps://. One that cannot be used is stood in for."`
	HELO     string          `env:"HELO" doc:"Name to greet the server with. Default: the host of CRIEUR_PUBLIC_URL, else the sender's domain."`

	From              string `env:"FROM,notEmpty" doc:"Sender: Name <address@example.org>."`
	ReplyTo           string `env:"REPLY_TO" doc:"Where answers go. Default: to the sender."`
	ReturnPath        string `env:"RETURN_PATH" doc:"Address that gets the bounces. Default: the sender's."`
	Service           string `env:"SERVICE" doc:"Sending service behind HOST that replaces the return path: postmark, mailgun, sendgrid or ses. Each mail then carries its token in that service's own header, so that its webhook can name the mail."`
	ListID            string `env:"LIST_ID" doc:"Identity of the list: Name <list.example.org>. Default: made from the community and the sender's domain."`
	UnsubscribeMailto string `env:"UNSUBSCRIBE_MAILTO" doc:"Address that takes unsubscriptions by mail, beside the link."`

	DKIMDomain          string          `env:"DKIM_DOMAIN" doc:"Domain that signs. Default: the sender's."`
	DKIMSelector        string          `env:"DKIM_SELECTOR" doc:"Selector of DKIM_KEY: its public key stands in DNS at <selector>._domainkey.<domain>."`
	DKIMKey             announce.Secret `env:"DKIM_KEY" doc:"RSA private key, PEM, 2048 bits. Empty: the mail server signs."`
	DKIMSelectorEd25519 string          `env:"DKIM_SELECTOR_ED25519" doc:"Selector of DKIM_KEY_ED25519."`
	DKIMKeyEd25519      announce.Secret `env:"DKIM_KEY_ED25519" doc:"Ed25519 private key, PEM, for a second signature."`

	Connections   int           `env:"CONNECTIONS" envDefault:"4" doc:"Most connections at once."`
	PerConnection int           `env:"PER_CONNECTION" envDefault:"100" doc:"Mails per connection before a fresh one."`
	DomainPace    string        `env:"DOMAIN_PACE" doc:"Most mails per second to the addresses of a domain: gmail.com=20,outlook.com=5. Mail to other domains does not wait for them."`
	Timeout       time.Duration `env:"TIMEOUT" envDefault:"60s" doc:"How long to wait for each answer of the server."`
	TimeoutFinal  time.Duration `env:"TIMEOUT_FINAL" envDefault:"10m" doc:"How long to wait for the answer to a whole mail. Giving up early makes doubles."`
}

// The values of Config.TLS.
const (
	tlsStart         = "starttls"
	tlsImplicit      = "tls"
	tlsOpportunistic = "opportunistic"
	tlsNone          = "none"
)

// settings is a Config that was read and found sound.
type settings struct {
	server
	helo string

	from, replyTo *mail.Address // domains in ASCII
	domain        string        // of from
	envelope      string        // MAIL FROM, without brackets
	listID        string        // as a header value
	mailto        string        // address; empty: none
	service       string        // see Config.Service
	signers       []signer

	connections, perConnection int
	timeout, final             time.Duration
	paces                      map[string]time.Duration // between two mails to a domain
}

// server is where mail goes, and how one gets in.
type server struct {
	host, address string // address: host:port
	mode          string
	tls           *tls.Config
	username      string
	password      announce.Secret
}

// server reads what is said of HOST. The error names every variable that is wrong.
func (c Config) server() (server, error) {
	var errs []error
	wrong := func(variable, say string) { errs = append(errs, fmt.Errorf("%s: %s", variable, say)) }
	s := server{host: c.Host, mode: c.TLS, username: c.Username, password: c.Password}
	if c.Host == "" || strings.ContainsAny(c.Host, " \t\r\n/@:") && net.ParseIP(c.Host) == nil {
		wrong("HOST", "must be the name of a mail server, such as smtp-relay.example.net")
	}
	port := c.Port
	switch {
	case c.TLS != tlsStart && c.TLS != tlsImplicit && c.TLS != tlsOpportunistic && c.TLS != tlsNone:
		wrong("TLS", "must be starttls, tls, opportunistic or none")
	case port == 0 && c.TLS == tlsStart:
		port = 587
	case port == 0 && c.TLS == tlsImplicit:
		port = 465
	case port == 0:
		port = 25
	}
	if port < 0 || port > 65535 {
		wrong("PORT", "must be between 1 and 65535")
	}
	s.address = net.JoinHostPort(c.Host, strconv.Itoa(port))
	if c.TLS == tlsNone && c.Username != "" && !loopback(c.Host) {
		wrong("TLS", "none would send the password in the clear; use starttls or tls, or a server on this machine")
	}
	if c.Username == "" && !c.Password.Empty() {
		wrong("USERNAME", "is empty although there is a PASSWORD")
	}
	if c.Username != "" && c.Password.Empty() {
		wrong("PASSWORD", "is empty although there is a USERNAME")
	}
	if strings.ContainsAny(c.Username+c.Password.Reveal(), "\x00\r\n") {
		wrong("PASSWORD", "user name and password must be one line each")
	}
	s.tls = &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	s.tls.InsecureSkipVerify = c.TLS == tlsOpportunistic && c.Username == "" // better than the plain text that the setting allows
	if c.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(unfold(c.CA))) {
			wrong("CA", "holds no certificate in PEM form")
		}
		s.tls.RootCAs = pool
	}
	return s, errors.Join(errs...)
}

// read checks everything and says everything that is wrong, each by the name of its variable.
func (c Config) read(site announce.Site) (settings, error) {
	var errs []error
	wrong := func(variable, format string, a ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", variable, fmt.Sprintf(format, a...)))
	}
	s := settings{connections: c.Connections, perConnection: c.PerConnection, timeout: c.Timeout, final: c.TimeoutFinal}
	var err error
	if s.server, err = c.server(); err != nil {
		errs = append(errs, err)
	}
	if c.Weight < 0 || c.Weight > 100 {
		wrong("WEIGHT", "must be between 1 and 100")
	}
	one := func(variable, value string) *mail.Address {
		a, err := parseMailbox(value)
		if err != nil {
			wrong(variable, "%v", err)
			return &mail.Address{}
		}
		return a
	}
	s.from = one("FROM", c.From)
	if s.from.Name == "" {
		s.from.Name = site.Name
	}
	s.domain = s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]
	s.envelope = s.from.Address
	if c.ReplyTo != "" {
		s.replyTo = one("REPLY_TO", c.ReplyTo)
	}
	if c.ReturnPath != "" {
		s.envelope = one("RETURN_PATH", c.ReturnPath).Address
	}
	if s.service = c.Service; c.Service != "" && serviceHeader(c.Service, "") == "" {
		wrong("SERVICE", "must be postmark, mailgun, sendgrid or ses")
	}
	if c.UnsubscribeMailto != "" {
		s.mailto = one("UNSUBSCRIBE_MAILTO", c.UnsubscribeMailto).Address
	}
	if s.listID, err = listID(c.ListID, site.Name, s.domain); err != nil && (s.domain != "" || c.ListID != "") {
		wrong("LIST_ID", "%v", err)
	}
	s.helo = c.HELO
	if u, err := url.Parse(site.URL); s.helo == "" && err == nil && u.Hostname() != "" && net.ParseIP(u.Hostname()) == nil {
		s.helo = u.Hostname()
	}
	if s.helo == "" {
		s.helo = s.domain
	}
	if domain, err := asciiDomain(s.helo); err == nil {
		s.helo = domain
	} else if !strings.HasPrefix(s.helo, "[") || strings.ContainsAny(s.helo, " \t\r\n") {
		wrong("HELO", "must be a host name")
	}
	if s.connections < 1 || s.connections > 1000 {
		wrong("CONNECTIONS", "must be between 1 and 1000")
	}
	if s.perConnection < 1 {
		wrong("PER_CONNECTION", "must be at least 1")
	}
	if s.paces, err = domainPaces(c.DomainPace); err != nil {
		wrong("DOMAIN_PACE", "%v", err)
	}
	if s.timeout <= 0 {
		wrong("TIMEOUT", "must be longer than nothing, such as 60s")
	}
	if s.final <= 0 {
		wrong("TIMEOUT_FINAL", "must be longer than nothing, such as 10m")
	}
	var more []error
	s.signers, more = c.signers(s.domain)
	return s, errors.Join(append(errs, more...)...)
}

// listID is the value of the List-Id header (RFC 2919): a phrase and an identity in angle brackets.
func listID(given, name, domain string) (string, error) {
	id := "announcements." + domain
	if given != "" {
		name, id = "", strings.TrimSpace(given)
		if i := strings.LastIndexByte(given, '<'); i >= 0 {
			name, id = strings.TrimSpace(given[:i]), strings.TrimSuffix(strings.TrimSpace(given[i+1:]), ">")
		}
		name = strings.Trim(name, `"`)
	}
	ascii, err := asciiDomain(id)
	if err != nil || !strings.Contains(ascii, ".") {
		return "", errors.New("must be Name <list.example.org>: the part in brackets has the form of a host name")
	}
	if strings.ContainsAny(name, "\r\n\x00") {
		return "", errors.New("must be one line")
	}
	if name == "" {
		return "<" + ascii + ">", nil
	}
	if encoded := mime.QEncoding.Encode("utf-8", name); encoded != name {
		return encoded + "\r\n <" + ascii + ">", nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `" <` + ascii + ">", nil
}

// unfold reads PEM that a one-line variable carries with \n written out.
func unfold(s string) string { return strings.ReplaceAll(s, `\n`, "\n") }
