// Package publishers is the list of channels. A channel is one folder and one line here.
package publishers

import (
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"
	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/assisted"
	"github.com/crieur/crieur/publishers/bluesky"
	"github.com/crieur/crieur/publishers/discord"
	"github.com/crieur/crieur/publishers/email"
	"github.com/crieur/crieur/publishers/facebook"
	"github.com/crieur/crieur/publishers/feed"
	"github.com/crieur/crieur/publishers/googlechat"
	"github.com/crieur/crieur/publishers/linkedin"
	"github.com/crieur/crieur/publishers/mastodon"
	"github.com/crieur/crieur/publishers/matrix"
	"github.com/crieur/crieur/publishers/mattermost"
	"github.com/crieur/crieur/publishers/ntfy"
	"github.com/crieur/crieur/publishers/shoutrrr"
	"github.com/crieur/crieur/publishers/slack"
	"github.com/crieur/crieur/publishers/sms"
	"github.com/crieur/crieur/publishers/teams"
	"github.com/crieur/crieur/publishers/telegram"
	"github.com/crieur/crieur/publishers/twitter"
	"github.com/crieur/crieur/publishers/webhook"
	"github.com/crieur/crieur/publishers/webpush"
	"github.com/crieur/crieur/publishers/website"
	"github.com/crieur/crieur/publishers/zulip"
)

// Deps are what channels need beside their configuration.
type Deps struct {
	Site  announce.Site
	Shelf feed.Shelf
}

// list names every channel, in the order in which people read them.
func list() []channel {
	return []channel{
		define("feed", func(c feed.Config, d Deps) (announce.Publisher, error) { return feed.New(c, d.Site, d.Shelf) }),
		define("website", func(c website.Config, d Deps) (announce.Publisher, error) { return website.New(c, d.Site) }),
		define("email", func(c email.Config, d Deps) (announce.Publisher, error) { return email.New(c, d.Site) }),
		define("webpush", func(c webpush.Config, d Deps) (announce.Publisher, error) { return webpush.New(c, d.Site) }).writtenTo(webpush.Address),
		define("sms", func(c sms.Config, d Deps) (announce.Publisher, error) { return sms.New(c, d.Site) }).writtenTo(sms.Address),
		define("slack", func(c slack.Config, d Deps) (announce.Publisher, error) { return slack.New(c, d.Site) }).writtenTo(slack.Address),
		define("discord", func(c discord.Config, d Deps) (announce.Publisher, error) { return discord.New(c, d.Site) }),
		define("telegram", func(c telegram.Config, d Deps) (announce.Publisher, error) { return telegram.New(c, d.Site) }).writtenTo(telegram.Address),
		define("matrix", func(c matrix.Config, d Deps) (announce.Publisher, error) { return matrix.New(c, d.Site) }).writtenTo(matrix.Address),
		define("mattermost", func(c mattermost.Config, d Deps) (announce.Publisher, error) { return mattermost.New(c, d.Site) }),
		define("zulip", func(c zulip.Config, d Deps) (announce.Publisher, error) { return zulip.New(c, d.Site) }),
		define("twitter", func(c twitter.Config, d Deps) (announce.Publisher, error) { return twitter.New(c, d.Site) }),
		define("mastodon", func(c mastodon.Config, d Deps) (announce.Publisher, error) { return mastodon.New(c, d.Site) }),
		define("bluesky", func(c bluesky.Config, d Deps) (announce.Publisher, error) { return bluesky.New(c, d.Site) }),
		define("facebook", func(c facebook.Config, d Deps) (announce.Publisher, error) { return facebook.New(c, d.Site) }),
		define("linkedin", func(c linkedin.Config, d Deps) (announce.Publisher, error) { return linkedin.New(c, d.Site) }),
		define("ntfy", func(c ntfy.Config, d Deps) (announce.Publisher, error) { return ntfy.New(c, d.Site) }).writtenTo(ntfy.Address),
		define("teams", func(c teams.Config, d Deps) (announce.Publisher, error) { return teams.New(c, d.Site) }),
		define("webhook", func(c webhook.Config, d Deps) (announce.Publisher, error) { return webhook.New(c, d.Site) }).writtenTo(webhook.Address),
		define("assisted", func(c assisted.Config, d Deps) (announce.Publisher, error) { return assisted.New(c, d.Site) }),
		define("googlechat", func(c googlechat.Config, d Deps) (announce.Publisher, error) { return googlechat.New(c, d.Site) }),
		define("shoutrrr", func(c shoutrrr.Config, d Deps) (announce.Publisher, error) { return shoutrrr.New(c, d.Site) }),
	}
}

type channel struct {
	name   string
	config any // a zero Config, for Variables
	open   func(environ map[string]string, prefix string, d Deps) (announce.Publisher, error)

	address func(written string) (string, error) // nil: what is written is checked elsewhere, or nobody is written to
}

// writtenTo is c with the function that makes an address of what a person writes as theirs.
func (c channel) writtenTo(address func(written string) (string, error)) channel {
	c.address = address
	return c
}

// Address is what a person wrote as theirs on a channel, checked and always written the same way, so that it is known again.
// The error says what to write, and does not quote it. E-mail addresses are for internal/people to check.
func Address(channel, written string) (string, error) {
	for _, c := range list() {
		if c.name == channel && c.address != nil {
			return c.address(written)
		}
	}
	return strings.TrimSpace(written), nil
}

// define joins a channel's name, its Config and its New.
func define[C any](name string, open func(C, Deps) (announce.Publisher, error)) channel {
	var zero C
	return channel{name: name, config: zero, open: func(environ map[string]string, prefix string, d Deps) (announce.Publisher, error) {
		c, err := env.ParseAsWithOptions[C](env.Options{Environment: environ, Prefix: prefix})
		if err != nil {
			return nil, err
		}
		return open(c, d)
	}}
}

// Names lists the channels.
func Names() []string {
	var names []string
	for _, c := range list() {
		names = append(names, c.name)
	}
	return names
}

// Account is one configured account, ready to publish, with what its settings say.
type Account struct {
	Name      string
	Publisher announce.Publisher
	Languages []announce.Language // of its posts; none: the announcement's default
	Replies   bool                // languages after the first answer it, each in a post of its own
	Hashtags  []string            // words for hashtags of its own
	Handles   map[string]string   // account names on its channel by the name of a speaker or partner
	Campaign  bool                // links carry UTM parameters
	NoImages  bool                // posts have no pictures
	To        string              // the one address that gets everything, on a personal channel
	Aside     bool                // gets only the announcements that name it
}

var accountName = regexp.MustCompile(`^[a-z]+(@[a-z0-9][a-z0-9_-]*)?$`)

// common is what every account may set, whatever its channel.
type common struct {
	Language   string            `env:"LANGUAGE" doc:"Language of this account's posts, or several: fr,en tells both in one post. Default: the announcement's."`
	LanguageAs string            `env:"LANGUAGE_AS" envDefault:"post" doc:"How further languages are told: post (in the same one) or reply (each answers the first post)."`
	Hashtags   string            `env:"HASHTAGS" doc:"Words for hashtags at the end of every post, as saglac io, logiciel libre: they become #SaglacIo #LogicielLibre."`
	Handles    map[string]string `env:"HANDLES" envKeyValSeparator:"=" doc:"Account names on this channel of speakers and partners, as Ada Lovelace=ada,Codelutin=codelutin@example.social."`
	UTM        bool              `env:"UTM" envDefault:"false" doc:"The announcement's link carries utm_source, utm_medium and utm_campaign."`
	Images     bool              `env:"IMAGES" envDefault:"true" doc:"Posts have pictures."`
	Aside      bool              `env:"ASIDE" envDefault:"false" doc:"The account gets only the announcements that name it in channels."`
	To         string            `env:"TO" doc:"On e-mail: one address that gets every announcement instead of the subscribers, such as a mailing list's."`
}

// settings checks what is common and gives it to a.
func (c common) settings(a *Account, prefix string) error {
	var errs []error
	fault := func(variable, say string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s%s: %s", a.Name, prefix, variable, fmt.Sprintf(say, args...)))
	}
	for _, l := range words(c.Language) {
		if _, err := language.Parse(l); err != nil {
			fault("LANGUAGE", "%q is not a language tag: write fr, fr-CA, en, or several as fr,en", l)
		}
		a.Languages = append(a.Languages, announce.Language(l))
	}
	limits := a.Publisher.Limits()
	switch {
	case c.LanguageAs != "post" && c.LanguageAs != "reply":
		fault("LANGUAGE_AS", "%q is neither post nor reply", c.LanguageAs)
	case c.LanguageAs == "reply" && !limits.Replies:
		fault("LANGUAGE_AS", "posts of this channel cannot answer one another: write post")
	case len(a.Languages) > 1 && c.LanguageAs == "post" && (limits.HTML || limits.Personal) && !limits.Multilingual:
		fault("LANGUAGE", "a message of this channel is in one language: name one, or make an account for each")
	}
	a.Replies = c.LanguageAs == "reply" && len(a.Languages) > 1
	if a.Hashtags = words(c.Hashtags); len(a.Hashtags) > 10 {
		fault("HASHTAGS", "has %d words; ten are the most", len(a.Hashtags))
	}
	a.Handles = map[string]string{}
	for who, handle := range c.Handles {
		a.Handles[strings.TrimSpace(who)] = strings.TrimPrefix(strings.TrimSpace(handle), "@")
	}
	to, err := mail.ParseAddress(c.To)
	switch {
	case c.To == "":
	case err != nil || !limits.Personal || !limits.HTML: // HTML to people is mail
		fault("TO", "is for e-mail, and takes one address: list@example.org")
	default:
		a.To = to.Address
	}
	a.Campaign, a.NoImages, a.Aside = c.UTM, !c.Images, c.Aside
	return errors.Join(errs...)
}

// words are what stands between commas.
func words(list string) []string {
	var out []string
	for _, w := range strings.Split(list, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// Named says what is wrong with the names in accounts: unknown channels, names that cannot be, the same or the same variables twice.
func Named(accounts []string) error {
	var errs []error
	for i := range accounts {
		errs = append(errs, named(accounts, i))
	}
	return errors.Join(errs...)
}

// named is Named for one of accounts, beside those before it.
func named(accounts []string, i int) error {
	name := accounts[i]
	switch other := slices.IndexFunc(accounts, func(a string) bool { return Prefix(a) == Prefix(name) }); {
	case slices.Index(accounts, name) < i:
		return fmt.Errorf("CRIEUR_CHANNELS names %s twice", name)
	case !slices.Contains(Names(), announce.Channel(name)):
		return fmt.Errorf("CRIEUR_CHANNELS: %q is not a channel; there are %s", name, strings.Join(Names(), ", "))
	case !accountName.MatchString(name):
		return fmt.Errorf("CRIEUR_CHANNELS: %q is not the name of an account: write slack or slack@partners, in lower-case letters, digits, - and _", name)
	case other < i:
		return fmt.Errorf("CRIEUR_CHANNELS: %s and %s would read the same variables (%s...): rename one", accounts[other], name, Prefix(name))
	}
	return nil
}

// Open configures the accounts from environ. The error names every variable that is missing or wrong, of every account.
func Open(accounts []string, environ map[string]string, d Deps) ([]Account, error) {
	var out []Account
	var errs []error
	for i, name := range accounts {
		if err := named(accounts, i); err != nil {
			errs = append(errs, err)
			continue
		}
		n := slices.IndexFunc(list(), func(c channel) bool { return c.name == announce.Channel(name) })
		prefix := Prefix(name)
		com, err := env.ParseAsWithOptions[common](env.Options{Environment: environ, Prefix: prefix})
		if err != nil {
			errs = append(errs, explain(name, prefix, err, common{})...)
		}
		p, failed := list()[n].open(environ, prefix, d)
		if failed != nil {
			errs = append(errs, explain(name, prefix, failed, list()[n].config)...)
		}
		if err != nil || failed != nil {
			continue
		}
		a := Account{Name: name, Publisher: p}
		if err := com.settings(&a, prefix); err != nil {
			errs = append(errs, err)
		}
		out = append(out, a)
	}
	return out, errors.Join(errs...)
}

// Feeds serves the public feeds and entry pages as the feed's configuration says, or is nil when accounts has no feed.
func Feeds(accounts []string, environ map[string]string, d Deps) (http.Handler, error) {
	if !slices.Contains(accounts, "feed") {
		return nil, nil
	}
	c, err := env.ParseAsWithOptions[feed.Config](env.Options{Environment: environ, Prefix: Prefix("feed")})
	if err != nil {
		return nil, errors.Join(explain("feed", Prefix("feed"), err, c)...)
	}
	return c.Handler(d.Shelf, d.Site), nil
}

// explain names the variables behind err, which came of reading config or of what a channel's New says.
func explain(account, prefix string, err error, config any) []error {
	var all env.AggregateError
	var out []error
	if errors.As(err, &all) {
		for _, e := range all.Errors {
			var wrong env.ParseError
			if errors.As(e, &wrong) {
				f, _ := reflect.TypeOf(config).FieldByName(wrong.Name)
				name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
				e = fmt.Errorf("%s%s: %w", prefix, name, Plainly(wrong.Err))
			}
			out = append(out, fmt.Errorf("%s: %w", account, e))
		}
		return out
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // errors.Join of a channel's New
		for _, e := range joined.Unwrap() {
			out = append(out, fmt.Errorf("%s: %s%w", account, prefix, e))
		}
		return out
	}
	return []error{fmt.Errorf("%s: %s%w", account, prefix, err)}
}

// Plainly is what was wrong with a variable's value, in words for whoever wrote it.
func Plainly(err error) error {
	var number *strconv.NumError
	switch {
	case !errors.As(err, &number):
		return err
	case number.Func == "ParseBool":
		return fmt.Errorf("%q is neither true nor false", number.Num)
	}
	return fmt.Errorf("%q is not a number that fits", number.Num)
}

// Prefix is how the variables of an account begin: CRIEUR_SLACK_PARTNERS_ for slack@partners.
func Prefix(account string) string {
	return "CRIEUR_" + strings.ToUpper(strings.NewReplacer("@", "_", "-", "_", ".", "_").Replace(account)) + "_"
}

// Variable is one setting of a channel.
type Variable struct {
	Name, Default, Doc string
	Required, Secret   bool
}

// Variables lists the settings of every channel, by channel, under the prefix of its first account.
func Variables() map[string][]Variable {
	out := map[string][]Variable{}
	for _, c := range list() {
		out[c.name] = Describe(c.config, Prefix(c.name))
	}
	return out
}

// Common lists the settings of every account, whatever its channel, with <ACCOUNT> for its name.
func Common() []Variable { return Describe(common{}, "CRIEUR_<ACCOUNT>_") }

// Describe lists the settings that a configuration struct reads, from its env and doc tags.
func Describe(config any, prefix string) []Variable {
	var out []Variable
	t := reflect.TypeOf(config)
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "" {
			continue
		}
		out = append(out, Variable{
			Name: prefix + name, Default: f.Tag.Get("envDefault"), Doc: f.Tag.Get("doc"),
			Required: strings.Contains(opts, "notEmpty") || strings.Contains(opts, "required"),
			Secret:   f.Type == reflect.TypeFor[announce.Secret](),
		})
	}
	return out
}

// Reads reports whether some account could read a variable of this name, be it switched on or not.
func Reads(variable string) bool {
	for channel, vars := range Variables() {
		p := Prefix(channel)
		if !strings.HasPrefix(variable, p) {
			continue
		}
		for _, v := range append(Describe(common{}, p), vars...) {
			if strings.HasSuffix(variable, "_"+strings.TrimPrefix(v.Name, p)) {
				return true
			}
		}
	}
	return false
}
