// Package sms sends text messages to the phones of subscribers, through Twilio. Each segment has its price, so texts are
// short and a budget can hold them.
package sms

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
)

const name = "sms"

// Config is one account at Twilio and the number that messages come from.
type Config struct {
	Account  string          `env:"ACCOUNT,notEmpty" doc:"Twilio account: its SID, AC and 32 digits."`
	Key      string          `env:"KEY" doc:"SID of an API key (SK and 32 digits), when TOKEN is its secret. Without one TOKEN is the account's auth token."`
	Token    announce.Secret `env:"TOKEN,notEmpty" doc:"Auth token of the account, or the secret of KEY."`
	From     string          `env:"FROM" doc:"Number that messages come from and that people answer STOP to, as +14185550100; or a short code."`
	Service  string          `env:"SERVICE" doc:"Twilio messaging service instead of FROM: its SID, MG and 32 digits."`
	Segments int             `env:"SEGMENTS" envDefault:"3" doc:"Most segments of a message, 1 to 10. A segment is 153 characters, or 67 when a letter is not in the phones' basic alphabet."`
	Price    float64         `env:"PRICE" envDefault:"0" doc:"What a segment costs, in the currency of the account, as 0.0083. For BUDGET."`
	Budget   float64         `env:"BUDGET" envDefault:"0" doc:"Most that messages may cost in a calendar month (UTC), in the currency of PRICE; 0: no ceiling. At the ceiling the account waits for the next month."`
	API      string          `env:"API" envDefault:"https://api.twilio.com" doc:"Address of Twilio's API, or of a service that speaks it."`
}

var (
	accountForm = regexp.MustCompile(`^AC[0-9a-f]{32}$`)
	keyForm     = regexp.MustCompile(`^SK[0-9a-f]{32}$`)
	serviceForm = regexp.MustCompile(`^MG[0-9a-f]{32}$`)
	number      = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) // ITU-T E.164
	shortCode   = regexp.MustCompile(`^[0-9]{3,8}$`)
)

// Address is what somebody wrote as their number, as an address on this channel: +14185550123. The error says what to write.
func Address(written string) (string, error) {
	n := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("()-.\u2011\u2013", r) {
			return -1
		}
		return r
	}, written)
	if !number.MatchString(n) {
		return "", errors.New("write the number with the country's code, as +1 418 555 0123")
	}
	return n, nil
}

const mostSegments = 10 // Twilio takes 1,600 characters

// provider carries messages to phones. Its errors are *announce.Error.
type provider interface {
	send(ctx context.Context, to, text string) (announce.Receipt, error)
	sent(ctx context.Context, to, text string, since time.Time) (announce.Receipt, bool, error)
	check(context.Context) (announce.Report, error)
}

// New returns the publisher.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	micro := func(amount float64) int64 { return int64(math.Round(amount * 1e6)) }
	money := func(amount float64) bool { return amount >= 0 && amount <= 1e6 } // false for NaN, too
	switch {
	case !accountForm.MatchString(c.Account):
		return nil, errors.New("ACCOUNT: is not the SID of a Twilio account: AC and 32 digits from 0 to f")
	case c.Key != "" && !keyForm.MatchString(c.Key):
		return nil, errors.New("KEY: is not the SID of an API key: SK and 32 digits from 0 to f")
	case (c.From == "") == (c.Service == ""):
		return nil, errors.New("FROM: is needed, or SERVICE instead of it, and not both")
	case c.From != "" && !number.MatchString(c.From) && !shortCode.MatchString(c.From):
		return nil, errors.New("FROM: is not a number: write +14185550100, or a short code. A name cannot be answered STOP, so it cannot be used")
	case c.Service != "" && !serviceForm.MatchString(c.Service):
		return nil, errors.New("SERVICE: is not the SID of a messaging service: MG and 32 digits from 0 to f")
	case c.Segments < 1 || c.Segments > mostSegments:
		return nil, errors.New("SEGMENTS: must be from 1 to 10")
	case !money(c.Price):
		return nil, errors.New("PRICE: is not an amount: write 0.0083")
	case !money(c.Budget):
		return nil, errors.New("BUDGET: is not an amount: write 5 or 12.50, or 0 for no ceiling")
	case c.Budget > 0 && micro(c.Price) == 0:
		return nil, errors.New("BUDGET: needs PRICE, what a segment costs")
	case c.Budget > 0 && micro(c.Budget) < micro(c.Price)*int64(c.Segments):
		return nil, fmt.Errorf("BUDGET: does not pay for one message, which costs up to %.4f; raise it, or write 0 for no ceiling", c.Price*float64(c.Segments))
	}
	t, err := newTwilio(c)
	if err != nil {
		return nil, err
	}
	return &channel{t, c.Segments, micro(c.Price), micro(c.Budget)}, nil
}

// channel cannot change or take back a message: it is on the phone.
type channel struct {
	via           provider
	segments      int
	price, budget int64 // in millionths
}

var (
	_ announce.Finder  = (*channel)(nil)
	_ announce.Checker = (*channel)(nil)
	_ announce.Coster  = (*channel)(nil)
)

func (c *channel) Name() string { return name }

// Limits count in characters of the phones' basic alphabet, with the line that says how to stop.
func (c *channel) Limits() announce.Limits {
	return announce.Limits{
		Text: room(c.segments), Measure: weigh, Short: true, Links: true, Personal: true, Budget: c.budget,
		Concurrent: 4, Patience: 30 * time.Second,
	}
}

// weigh is what a text takes when it is sent, whatever its language.
func weigh(s string) int {
	if strings.TrimSpace(s) == "" {
		return 0
	}
	return max(measure(compose(s, "fr")).units(), measure(compose(s, "en")).units())
}

// How to stop. Carriers and laws want it in every message, and these words are what networks act on.
const (
	stopFrench  = "STOP pour se désabonner"
	stopEnglish = "STOP to unsubscribe"
)

var stop = regexp.MustCompile(`\bSTOP\b`)

// compose is a text as it leaves: its last line says how to stop, and signs of print become plain when that spares the wide alphabet.
func compose(text string, l announce.Language) string {
	text = strings.TrimSpace(text)
	if !stop.MatchString(text[strings.LastIndexByte(text, '\n')+1:]) {
		how := stopEnglish
		if l.Base() == "fr" {
			how = stopFrench
		}
		text = strings.TrimSpace(text + "\n" + how)
	}
	if p := plain(text); !measure(p).wide {
		return p
	}
	return text
}

// Cost is the price of the segments of m, whether or not they arrive.
func (c *channel) Cost(m announce.Message) int64 {
	return c.price * int64(measure(compose(m.Filled(), m.Language)).segments)
}

// Publish hands one message to the provider. Whether it arrives is known to the provider later, and not here.
func (c *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if !number.MatchString(m.To) {
		return announce.Receipt{}, &announce.Error{
			Outcome: announce.Permanent, Gone: true, Field: "to",
			Fault: "the subscriber's number is not one with the country's code, as +14185550100: correct or remove it",
		}
	}
	text := compose(m.Filled(), m.Language)
	if n := measure(text).segments; n > c.segments {
		return announce.Receipt{}, &announce.Error{
			Outcome: announce.Permanent, Field: "text",
			Fault: fmt.Sprintf("the message takes %d segments with this person's own links, and SEGMENTS allows %d: shorten it", n, c.segments),
		}
	}
	return c.via.send(ctx, m.To, text)
}

// Find looks among the provider's messages to this person.
func (c *channel) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	return c.via.sent(ctx, m.To, compose(m.Filled(), m.Language), since)
}

// Check asks the provider about the account and the number.
func (c *channel) Check(ctx context.Context) (announce.Report, error) { return c.via.check(ctx) }
