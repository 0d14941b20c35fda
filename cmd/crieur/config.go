package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/bounce"
	"github.com/crieur/crieur/publishers"
)

// Config is the program's own configuration; each channel has its own beside it.
type Config struct {
	State         string              `env:"STATE" envDefault:"state" doc:"Directory of the database, the queue and the socket. One server per directory."`
	Listen        string              `env:"LISTEN" envDefault:"127.0.0.1:8080" doc:"Address of the HTTP server. Put a TLS proxy in front to be reached from elsewhere."`
	PublicURL     string              `env:"PUBLIC_URL" doc:"Where people reach this server: https://crieur.example.org. Links in mail and feeds begin with it. Default: http:// and the listen address."`
	DatabaseURL   announce.Secret     `env:"DATABASE_URL" doc:"postgres://user:password@host/name; empty: SQLite in the state directory."`
	Name          string              `env:"NAME" envDefault:"Crieur" doc:"The community, as its members name it."`
	Postal        string              `env:"POSTAL_ADDRESS" doc:"Postal address of the sender, one line. Mail laws ask for it."`
	Zone          string              `env:"ZONE" envDefault:"America/Toronto" doc:"IANA time zone of times without one."`
	Languages     []announce.Language `env:"LANGUAGES" envDefault:"fr,en" doc:"Languages of the community, the default first."`
	Channels      []string            `env:"CHANNELS" envDefault:"feed" doc:"Accounts to publish on: feed,email,slack,slack@partners,twitter."`
	Notices       []string            `env:"NOTICES" doc:"Accounts of CHANNELS that tell the organisers what waits for them (a task, a refusal, a dead token), as slack@team or email@team with TO. Empty: only the log tells."`
	CheckEvery    time.Duration       `env:"CHECK_EVERY" envDefault:"24h" doc:"Time between two looks at the health of every account; 0: none."`
	Cards         bool                `env:"CARDS" envDefault:"true" doc:"An event without an image gets a card with its title, date and place, on channels where posts have pictures."`
	CardColour    string              `env:"CARD_COLOUR" doc:"Colour of those cards, as #1a5fb4. Default: one that belongs to the community's name."`
	FetchAllow    []netip.Prefix      `env:"FETCH_ALLOW" doc:"Private networks from which pictures may be fetched all the same, as 10.1.0.0/16. Else only public addresses are."`
	Proxies       []netip.Prefix      `env:"PROXIES" doc:"Networks of the proxies in front, as 10.0.0.0/8: their X-Forwarded-For is believed when strangers subscribe. A proxy on this machine is."`
	ReminderGap   time.Duration       `env:"REMINDER_GAP" envDefault:"12h" doc:"Least time between two messages about one event, where reminders are concerned: closer ones are merged, and nobody gets a reminder so soon after another message about the event. 0s: reminders may come at any time."`
	Undo          time.Duration       `env:"UNDO" envDefault:"60s" doc:"How long an announcement waits before the first call, so that it can be taken back."`
	Rehearsal     time.Duration       `env:"REHEARSAL" envDefault:"24h" doc:"How long before its time a scheduled announcement is rehearsed (credentials, budgets, pictures, links, lists), so that organisers hear in time of what would go wrong; 0: never."`
	Missed        announce.IfMissed   `env:"MISSED" envDefault:"hold" doc:"What becomes of an announcement whose time came while no server ran, more than an hour before one starts: hold (a person decides, organisers are told), fire (publish it at once) or skip. An announcement may say otherwise (if_missed)."`
	Canary        string              `env:"CANARY" doc:"Share of a mailing to more than 1,000 people that goes first, as 1%: what comes back may hold the rest. Empty: all of it at once."`
	CanaryWait    time.Duration       `env:"CANARY_WAIT" envDefault:"15m" doc:"Time between that share and the rest."`
	Confirmations int                 `env:"CONFIRMATIONS" envDefault:"300" doc:"Letters that ask people to confirm their subscription, in an hour. When strangers ask for more, none leaves until it is quieter, and organisers are told."`
	Keep          int                 `env:"KEEP" envDefault:"0" doc:"Days after which the record forgets to whom a message went and keeps only how many; 0: never. See docs/privacy.md."`
	Counts        bool                `env:"COUNTS" envDefault:"false" doc:"Count how often mails are opened and their links followed, by everybody together: links lead over this server and each mail has a pixel. Read docs/privacy.md first."`
	Templates     string              `env:"TEMPLATES" doc:"Directory of your own templates; each replaces the built-in one of the same name."`
	SettleGap     time.Duration       `env:"SETTLE_GAP" envDefault:"60s" doc:"Time between two looks for a post whose answer was lost."`
	LogLevel      string              `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error."`
	LogFormat     string              `env:"LOG_FORMAT" doc:"json or text. Default: text on a terminal, else json."`

	NATSURL         announce.Secret `env:"NATS_URL" doc:"Servers of an external NATS, separated by commas; empty: embedded, without a port."`
	NATSCredentials string          `env:"NATS_CREDENTIALS" doc:"File with the NATS user's credentials."`
	NATSCA          string          `env:"NATS_CA" doc:"File with the certificates to trust, PEM."`
	NATSCertificate string          `env:"NATS_CERTIFICATE" doc:"File with the certificate to show, PEM."`
	NATSKey         string          `env:"NATS_KEY" doc:"File with that certificate's private key, PEM."`
	NATSReplicas    int             `env:"NATS_REPLICAS" envDefault:"1" doc:"Copies of the queue on a cluster: 1, 3 or 5."`
}

// Client is what the command line needs to reach a server elsewhere.
type Client struct {
	URL   string          `env:"URL" doc:"Server that the command line talks to; empty: the one of the state directory."`
	Token announce.Secret `env:"TOKEN" doc:"Token for that server."`
}

const prefix = "CRIEUR_"

var hexColour = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// environment is environ as a map, with the content of NAME_FILE under NAME.
func environment(environ []string) (map[string]string, error) {
	m := env.ToMap(environ)
	var errs []error
	for name, path := range m {
		short, ok := strings.CutSuffix(name, "_FILE")
		if !ok || !strings.HasPrefix(name, prefix) {
			continue
		}
		delete(m, name)
		if m[short] != "" {
			errs = append(errs, fmt.Errorf("%s and %s are both set: keep one", short, name))
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		m[short] = strings.TrimRight(string(b), "\r\n")
	}
	return m, errors.Join(errs...)
}

// load reads the program's configuration and checks all of it. The error names every mistake.
func load(environ map[string]string) (Config, error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: environ, Prefix: prefix})
	var errs []error
	var all env.AggregateError
	if errors.As(err, &all) {
		for _, e := range all.Errors {
			var wrong env.ParseError
			if errors.As(e, &wrong) {
				f, _ := reflect.TypeFor[Config]().FieldByName(wrong.Name)
				name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
				e = fmt.Errorf("%s%s: %w", prefix, name, publishers.Plainly(wrong.Err))
			}
			errs = append(errs, e)
		}
	} else if err != nil {
		errs = append(errs, err)
	}
	bad := func(name, format string, a ...any) {
		errs = append(errs, fmt.Errorf(prefix+name+": "+format, a...))
	}
	if _, err := announce.Zone(c.Zone); err != nil {
		bad("ZONE", "%w", err)
	}
	if c.CardColour != "" && !hexColour.MatchString(c.CardColour) {
		bad("CARD_COLOUR", "%q is not a colour: write #1a5fb4", c.CardColour)
	}
	if c.CheckEvery < 0 {
		bad("CHECK_EVERY", "must not be negative: write 24h, or 0 for never")
	}
	if len(c.Languages) == 0 {
		bad("LANGUAGES", "name at least one language, such as fr")
	}
	for i, l := range c.Languages {
		c.Languages[i] = announce.Language(strings.TrimSpace(string(l)))
		if _, err := language.Parse(string(c.Languages[i])); err != nil {
			bad("LANGUAGES", "%q is not a language tag: write fr, fr-CA or en", l)
		}
	}
	c.Channels = accounts(strings.Join(c.Channels, ","))
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("LISTEN", "%q is not an address: write 127.0.0.1:8080", c.Listen)
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		bad("PUBLIC_URL", "%q is not a web address: write https://crieur.example.org", c.PublicURL)
	} else if u.Scheme == "http" && !loopback(u.Hostname()) {
		bad("PUBLIC_URL", "must begin with https://: links in mail carry the right to unsubscribe")
	}
	if c.ReminderGap < 0 || c.ReminderGap > 30*24*time.Hour {
		bad("REMINDER_GAP", "must be between 0s and 720h")
	}
	if c.Undo < 0 || c.Undo > 24*time.Hour {
		bad("UNDO", "must be between 0s and 24h")
	}
	if c.Rehearsal < 0 || c.Rehearsal > 30*24*time.Hour {
		bad("REHEARSAL", "must be between 0 (never) and 720h")
	}
	if !c.Missed.Known() {
		bad("MISSED", "%q is not a choice: write hold, fire or skip", c.Missed)
	}
	if _, err := share(c.Canary); err != nil {
		bad("CANARY", "%w", err)
	}
	if c.CanaryWait <= 0 || c.CanaryWait > 24*time.Hour {
		bad("CANARY_WAIT", "must be more than 0s and at most 24h")
	}
	if c.Confirmations < 1 {
		bad("CONFIRMATIONS", "must be at least 1")
	}
	if c.Keep < 0 || c.Keep > 36500 {
		bad("KEEP", "must be a number of days from 0 to 36500")
	}
	if c.SettleGap <= 0 {
		bad("SETTLE_GAP", "must be more than 0s")
	}
	if strings.ContainsAny(c.Name+c.Postal, "\r\n") {
		bad("NAME", "the name and the postal address must be one line each")
	}
	if _, err := level(c.LogLevel); err != nil {
		bad("LOG_LEVEL", "%q is not a level: write debug, info, warn or error", c.LogLevel)
	}
	if !slices.Contains([]string{"", "json", "text"}, c.LogFormat) {
		bad("LOG_FORMAT", "%q is not a format: write json or text", c.LogFormat)
	}
	if !slices.Contains([]int{1, 3, 5}, c.NATSReplicas) {
		bad("NATS_REPLICAS", "must be 1, 3 or 5")
	}
	if c.State, err = filepath.Abs(c.State); err != nil {
		bad("STATE", "%w", err)
	}
	errs = append(errs, unknown(environ)...)
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c, errors.Join(errs...)
}

// share reads a percentage; empty is 0.
func share(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !percent || !(n > 0 && n < 100) {
		return 0, fmt.Errorf("%q is not a share: write 1%%", s)
	}
	return n / 100, nil
}

// accounts are the names in a list that a person wrote, with commas and perhaps blanks between them.
func accounts(list string) []string {
	names := strings.Split(list, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}

// unknown finds variables that nobody reads, most likely misspelt.
func unknown(environ map[string]string) []error {
	var names []string
	for _, v := range slices.Concat(publishers.Describe(Config{}, prefix), publishers.Describe(Client{}, prefix), publishers.Describe(bounce.Config{}, bouncePrefix), publishers.Describe(followConfig{}, followPrefix)) {
		names = append(names, v.Name)
	}
	var errs []error
	for name := range environ {
		if strings.HasPrefix(name, prefix) && !slices.Contains(names, name) && !publishers.Reads(name) {
			errs = append(errs, fmt.Errorf("%s: nothing reads this variable; is it misspelt? (crieur env lists all)", name))
		}
	}
	return errs
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) site() announce.Site {
	return announce.Site{Name: c.Name, URL: c.PublicURL, Postal: c.Postal, Zone: c.Zone, Languages: c.Languages}
}
