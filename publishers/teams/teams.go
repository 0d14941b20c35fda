// Package teams publishes Adaptive Cards in a Microsoft Teams channel or chat, through the webhook of a Workflows flow. The
// flow says that it has queued a card, never that it has posted it, and nothing can be changed or looked for afterwards.
package teams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "teams"

// Config is one flow.
type Config struct {
	Webhook announce.Secret `env:"WEBHOOK,notEmpty" doc:"Address of a flow that begins with \"When a Teams webhook request is received\", with its query."`
}

// New returns the publisher of one flow.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	u, err := url.Parse(c.Webhook.Reveal())
	if err != nil || u.Host == "" {
		return nil, errors.New("WEBHOOK: is not an address: copy it from the flow, whole")
	}
	base := &url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Fragment: u.Fragment}
	if err := rest.CheckAddress(base.String()); err != nil {
		return nil, fmt.Errorf("WEBHOOK: %w", err)
	}
	host, query := strings.ToLower(u.Hostname()), u.Query()
	switch {
	case within(host, "webhook.office.com"), within(host, "outlook.office.com"), within(host, "outlook.office365.com"):
		return nil, errors.New("WEBHOOK: is a connector's address; Microsoft has switched connectors off: make a flow from the template \"Send webhook alerts to a channel\" and take its address")
	case !slices.ContainsFunc(hosts(), func(h string) bool { return within(host, h) }) && !loopback(host):
		return nil, errors.New("WEBHOOK: is not the address of a flow: its server ends in environment.api.powerplatform.com or logic.azure.com")
	case query.Get("sig") == "":
		return nil, errors.New("WEBHOOK: lacks its signature (sig=...): copy the address whole, with all that follows the question mark")
	}
	client, err := rest.New("Microsoft Teams", base.String(), nil)
	if err != nil {
		return nil, err
	}
	return &flow{client, u.EscapedPath(), query, markup.NewReader()}, nil
}

// hosts are the servers of flows, those of national clouds included.
func hosts() []string {
	return []string{
		"environment.api.powerplatform.com", "logic.azure.com",
		"environment.api.gov.powerplatform.microsoft.us", "environment.api.high.powerplatform.microsoft.us", "logic.azure.us",
		"environment.api.powerplatform.partner.microsoftonline.cn", "logic.azure.cn",
	}
}

func within(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

type flow struct {
	client *rest.Client
	path   string
	query  url.Values
	reader *markup.Reader
}

func (f *flow) Name() string { return name }

// queued is the ID of every receipt: the flow has taken the card and names no post. Whether it appears is up to the flow.
const queued = "queued"

// Publish hands the card to the flow once.
func (f *flow) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	_, err := f.client.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.path, Query: f.query, Body: f.compose(m), Create: true, Classify: classify})
	if err != nil {
		return announce.Receipt{}, err
	}
	return announce.Receipt{ID: queued, At: time.Now().UTC()}, nil
}

// window is for a 429 that names no wait.
const window = time.Minute

// classify knows the answers of a flow's trigger: 202 without a word, or a code.
func classify(status int, header http.Header, body []byte) *announce.Error {
	var refusal struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &refusal) // not JSON: no code
	code := refusal.Error.Code
	e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(status)}
	if code != "" && len(code) <= 50 && strings.Trim(strings.ToLower(code), "abcdefghijklmnopqrstuvwxyz") == "" {
		e.Status += " " + code
	}
	switch {
	case status == http.StatusAccepted, status >= 500:
		return nil
	case status < 300:
		e.Outcome, e.Fault = announce.Ambiguous, "whatever answered is not a Teams flow: look whether the post has appeared, and check WEBHOOK"
	case status == http.StatusTooManyRequests:
		e.Outcome, e.Fault = announce.RateLimited, "Microsoft Teams asks to wait: the channel pauses, nothing is lost"
		if e.RetryAfter = rest.RetryAfter(header, time.Now()); e.RetryAfter == 0 {
			e.RetryAfter = window
		}
	case status == http.StatusRequestEntityTooLarge:
		e.Field, e.Fault = "text", "the post is too long for Microsoft Teams: shorten it"
	case code == "WorkflowTriggerIsNotEnabled", code == "WorkflowDisabled":
		e.Stop, e.Fault = true, "the Teams flow is switched off or deleted (it stops when its owner leaves): switch it on, or put the address of a new one in WEBHOOK, then resume the account"
	case code == "TriggerInputSchemaMismatch":
		e.Stop, e.Fault = true, "the Teams flow expects something else than a card: make one from the template \"Send webhook alerts to a channel\", put its address in WEBHOOK, then resume the account"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Stop, e.Fault = true, "the Teams flow does not let Crieur in: in its trigger, let anyone post, copy its address to WEBHOOK anew, then resume the account"
	case status == http.StatusNotFound, status == http.StatusGone:
		e.Stop, e.Fault = true, "the Teams flow is gone: make a new one, put its address in WEBHOOK, then resume the account"
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		e.Fault = "the Teams flow refuses the post: change it, or report this as a fault of the program"
	default:
		return nil
	}
	return e
}
