package sms

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// twilio is an account at Twilio, through its API of 2010-04-01.
type twilio struct {
	client        *rest.Client
	path          string
	from, service string
	key           bool // signed in with an API key, which may not read the account itself
}

func newTwilio(c Config) (*twilio, error) {
	user := c.Account
	if c.Key != "" {
		user = c.Key
	}
	client, err := rest.New("Twilio", c.API, func(r *http.Request) { r.SetBasicAuth(user, c.Token.Reveal()) })
	if err != nil {
		return nil, err
	}
	return &twilio{client, "/2010-04-01/Accounts/" + c.Account, c.From, c.Service, c.Key != ""}, nil
}

// resource is a message as Twilio keeps it.
type resource struct {
	SID     string `json:"sid"`
	Body    string `json:"body"`
	From    string `json:"from"`
	Service string `json:"messaging_service_sid"`
	Code    int    `json:"error_code"`   // of a message that failed
	Created string `json:"date_created"` // RFC 2822
}

func (r resource) receipt() announce.Receipt {
	at, err := time.Parse(time.RFC1123Z, r.Created)
	if err != nil {
		at = time.Now()
	}
	return announce.Receipt{ID: r.SID, At: at.UTC()}
}

func (t *twilio) send(ctx context.Context, to, text string) (announce.Receipt, error) {
	form := url.Values{"To": {to}, "Body": {text}}
	if t.service != "" {
		form.Set("MessagingServiceSid", t.service)
	} else {
		form.Set("From", t.from)
	}
	var r resource
	_, err := t.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: t.path + "/Messages.json", Raw: []byte(form.Encode()), Type: "application/x-www-form-urlencoded",
		Into: &r, Create: true, Classify: classify,
	})
	switch {
	case err != nil:
		return announce.Receipt{}, err
	case r.SID == "":
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Twilio says yes without a message: it is looked for"}
	case r.Code != 0:
		if e := byCode(r.Code); e != nil {
			return announce.Receipt{}, e
		}
	}
	return r.receipt(), nil
}

const (
	trial = "Sent from your Twilio trial account - " // stands before every text of a trial account
	drift = 2 * time.Minute                          // between Twilio's clock and ours
	page  = 1000                                     // most that Twilio lists at once
)

// sent looks through all messages to one person: few enough for one page. It does not ask by DateSent, for that is empty
// as long as a message waits in Twilio's queue, which can be hours; it compares when each was made.
func (t *twilio) sent(ctx context.Context, to, text string, since time.Time) (announce.Receipt, bool, error) {
	var list struct {
		Messages *[]resource `json:"messages"`
		Next     string      `json:"next_page_uri"`
	}
	if _, err := t.client.Do(ctx, rest.Call{
		Method: http.MethodGet, Path: t.path + "/Messages.json", Query: url.Values{"To": {to}, "PageSize": {strconv.Itoa(page)}}, Into: &list, Classify: classify,
	}); err != nil {
		return announce.Receipt{}, false, err
	}
	if list.Messages == nil {
		return announce.Receipt{}, false, unreadable()
	}
	for _, r := range *list.Messages {
		made, err := time.Parse(time.RFC1123Z, r.Created)
		if err != nil || r.SID == "" {
			return announce.Receipt{}, false, unreadable()
		}
		ours := t.service != "" && r.Service == t.service || t.service == "" && r.From == t.from
		if ours && strings.TrimPrefix(r.Body, trial) == text && !made.Before(since.Add(-drift)) {
			return r.receipt(), true, nil
		}
	}
	if list.Next != "" {
		return announce.Receipt{}, false, &announce.Error{
			Outcome: announce.Permanent, Ask: true, Fault: "Twilio keeps more messages to this person than it lists at once, so nobody can look whether this one left: ask them, then settle the delivery",
		}
	}
	return announce.Receipt{}, false, nil
}

func unreadable() *announce.Error {
	return &announce.Error{Outcome: announce.Temporary, Fault: "the messages that Twilio gave cannot be read: it is looked at again"}
}

// check reads the account, and whether FROM is one of its numbers. With an API key it reads one message instead of the account.
func (t *twilio) check(ctx context.Context) (announce.Report, error) {
	get := func(path string, query url.Values, into any) error {
		_, err := t.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: t.path + path, Query: query, Into: into, Classify: classify})
		return err
	}
	var r announce.Report
	finding := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if t.key {
		if err := get("/Messages.json", url.Values{"PageSize": {"1"}}, &json.RawMessage{}); err != nil {
			return r, err
		}
		r.Identity = "Twilio, with an API key"
	} else {
		var a struct {
			Name   string `json:"friendly_name"`
			Status string `json:"status"` // active, suspended, closed
			Type   string `json:"type"`   // Trial, Full
		}
		if err := get(".json", nil, &a); err != nil {
			return r, err
		}
		r.Identity = "Twilio account " + a.Name
		if a.Status != "active" {
			finding(true, "the Twilio account is "+a.Status, "sign in on console.twilio.com: mostly it has to be paid")
		}
		if a.Type == "Trial" {
			finding(false, "it is a trial account, which writes only to numbers that were verified there, with words of Twilio's before each text", "upgrade it on console.twilio.com")
		}
	}
	if !number.MatchString(t.from) {
		return r, nil // a service or a short code is not in the list of numbers
	}
	var numbers struct {
		List []struct {
			Can struct {
				SMS bool `json:"sms"`
			} `json:"capabilities"`
		} `json:"incoming_phone_numbers"`
	}
	if err := get("/IncomingPhoneNumbers.json", url.Values{"PhoneNumber": {t.from}}, &numbers); err != nil {
		return r, err
	}
	switch {
	case len(numbers.List) == 0:
		finding(true, fmt.Sprintf("%s is not a number of this account", t.from), "set FROM to one that is, or buy one that can send SMS")
	case !numbers.List[0].Can.SMS:
		finding(true, fmt.Sprintf("%s cannot send SMS", t.from), "set FROM to a number that can")
	}
	return r, nil
}
