// Package publishers is the list of channels. A channel is one folder and one line here.
package publishers

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email"
	"github.com/crieur/crieur/publishers/feed"
	"github.com/crieur/crieur/publishers/slack"
	"github.com/crieur/crieur/publishers/twitter"
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
		define("email", func(c email.Config, d Deps) (announce.Publisher, error) { return email.New(c, d.Site) }),
		define("slack", func(c slack.Config, d Deps) (announce.Publisher, error) { return slack.New(c, d.Site) }),
		define("twitter", func(c twitter.Config, d Deps) (announce.Publisher, error) { return twitter.New(c, d.Site) }),
	}
}

type channel struct {
	name   string
	config any // a zero Config, for Variables
	open   func(environ map[string]string, prefix string, d Deps) (announce.Publisher, error)
}

// define joins a channel's name, its Config and its New.
func define[C any](name string, open func(C, Deps) (announce.Publisher, error)) channel {
	var zero C
	return channel{name, zero, func(environ map[string]string, prefix string, d Deps) (announce.Publisher, error) {
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

// Account is one configured account, ready to publish.
type Account struct {
	Name      string
	Publisher announce.Publisher
	Language  announce.Language // of its posts; empty: the announcement's default
}

var accountName = regexp.MustCompile(`^[a-z]+(@[a-z0-9][a-z0-9_-]*)?$`)

// common is what every account may set, whatever its channel.
type common struct {
	Language announce.Language `env:"LANGUAGE" doc:"Language of this account's posts. Default: the announcement's."`
}

// Open configures the accounts from environ. The error names every variable that is missing or wrong, of every account.
func Open(accounts []string, environ map[string]string, d Deps) ([]Account, error) {
	var out []Account
	var errs []error
	for i, name := range accounts {
		if slices.Index(accounts, name) < i {
			errs = append(errs, fmt.Errorf("CRIEUR_CHANNELS names %s twice", name))
			continue
		}
		n := slices.IndexFunc(list(), func(c channel) bool { return c.name == announce.Channel(name) })
		if n < 0 {
			errs = append(errs, fmt.Errorf("CRIEUR_CHANNELS: %q is not a channel; there are %s", name, strings.Join(Names(), ", ")))
			continue
		}
		prefix := Prefix(name)
		if !accountName.MatchString(name) {
			errs = append(errs, fmt.Errorf("CRIEUR_CHANNELS: %q is not the name of an account: write slack or slack@partners, in lower-case letters, digits, - and _", name))
			continue
		}
		if other := slices.IndexFunc(accounts[:i], func(a string) bool { return Prefix(a) == prefix }); other >= 0 {
			errs = append(errs, fmt.Errorf("CRIEUR_CHANNELS: %s and %s would read the same variables (%s...): rename one", accounts[other], name, prefix))
			continue
		}
		com, err := env.ParseAsWithOptions[common](env.Options{Environment: environ, Prefix: prefix})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		if _, err := language.Parse(string(com.Language)); com.Language != "" && err != nil {
			errs = append(errs, fmt.Errorf("%s: %sLANGUAGE: %q is not a language tag: write fr, fr-CA or en", name, prefix, com.Language))
		}
		p, err := list()[n].open(environ, prefix, d)
		if err != nil {
			errs = append(errs, explain(name, prefix, err)...)
			continue
		}
		out = append(out, Account{name, p, com.Language})
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
		return nil, errors.Join(explain("feed", Prefix("feed"), err)...)
	}
	return c.Handler(d.Shelf, d.Site), nil
}

// explain names the variables behind err.
func explain(account, prefix string, err error) []error {
	var all env.AggregateError
	var out []error
	if errors.As(err, &all) {
		for _, e := range all.Errors {
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
		out[c.name] = append(Describe(c.config, Prefix(c.name)), Describe(common{}, Prefix(c.name))...)
	}
	return out
}

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
		for _, v := range vars {
			if strings.HasSuffix(variable, "_"+strings.TrimPrefix(v.Name, p)) {
				return true
			}
		}
	}
	return false
}
