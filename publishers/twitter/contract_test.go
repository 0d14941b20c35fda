package twitter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/twitter"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
)

func TestContract(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	reset := map[string]string{
		"Date": now.Format(http.TimeFormat), "x-rate-limit-limit": "100", "x-rate-limit-remaining": "0",
		"x-rate-limit-reset": strconv.FormatInt(now.Add(40*time.Second).Unix(), 10),
	}
	tooMany := `{"title":"Too Many Requests","detail":"Too Many Requests","type":"about:blank","status":429}`
	plain := publishertest.Case{
		Name: "without Premium", Open: opener(), Message: message, Can: []string{"retract", "find", "check"},
		Secrets: []string{"simulatedConsumerKey", "simulated/consumer+secret", "1893377219055689728-simulatedToken", "simulated~access&secret", "OAuth "},
		Method:  http.MethodPost, Create: "/2/tweets",
		Unauthorized:    answer(401, `{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}`),
		RateLimited:     sim.Fault{Kind: sim.Answer, Status: 429, Header: reset, Body: tooMany},
		RateLimitedBare: answer(429, tooMany),
		Refusal:         answer(403, `{"detail":"You are not permitted to perform this action.","type":"about:blank","title":"Forbidden","status":403}`),
		Wait:            40 * time.Second, Window: 15 * time.Minute,
	}
	publishertest.Run(t, plain)
	premium := plain
	premium.Name, premium.Open, premium.Can = "with Premium", opener((*twittertest.Platform).Premium), append([]string{"amend"}, plain.Can...)
	publishertest.Run(t, premium)
	linkless := plain
	linkless.Name, linkless.Open = "without links", func(t testing.TB) (announce.Publisher, sim.Platform) {
		p := platform(t)
		return open(t, p, "LINKS", "false"), p
	}
	publishertest.Run(t, linkless)
}

func platform(t testing.TB, change ...func(*twittertest.Platform)) *twittertest.Platform {
	p := twittertest.New()
	t.Cleanup(p.Close)
	for _, c := range change {
		c(p)
	}
	return p
}

func opener(change ...func(*twittertest.Platform)) func(testing.TB) (announce.Publisher, sim.Platform) {
	return func(t testing.TB) (announce.Publisher, sim.Platform) {
		p := platform(t, change...)
		return open(t, p), p
	}
}

// open points the channel at p, with more settings as name, value.
func open(t testing.TB, p *twittertest.Platform, more ...string) announce.Publisher {
	t.Helper()
	environ := p.Environ()
	for s := range slices.Chunk(more, 2) {
		environ[s[0]] = s[1]
	}
	pub, err := configure(environ)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func configure(environ map[string]string) (announce.Publisher, error) {
	c, err := env.ParseAsWithOptions[twitter.Config](env.Options{Environment: environ})
	if err != nil {
		return nil, err
	}
	return twitter.New(c, announce.Site{Name: "Meetup"})
}

func message(n int) announce.Message {
	title := fmt.Sprintf("Rencontre nº %d : l’été à Québec & ses « surprises »", n)
	return announce.Message{
		Key: fmt.Sprintf("delivery-%d", n), Announcement: "a", Rev: 1, Kind: announce.KindEvent, Language: "fr", Subject: title,
		Text: title + " 🎉\n\nMercredi 22 octobre, 18 h 30, voir programme.md\nhttps://example.org/evenements/" + strconv.Itoa(n) + "?a=1&copy=2",
		Link: "https://example.org/evenements/" + strconv.Itoa(n), Date: time.Now(), Created: time.Now(), Updated: time.Now(),
	}
}

func answer(status int, body string) sim.Fault {
	return sim.Fault{Kind: sim.Answer, Status: status, Body: body}
}

func on(method, path string, f sim.Fault) sim.Fault {
	f.OnlyMethod, f.OnlyPath = method, path
	return f
}

func failed(t *testing.T, err error, want announce.Outcome, stop bool) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T), want an *announce.Error", err, err)
	}
	if e.Outcome != want || e.Stop != stop || e.Fault == "" {
		t.Errorf("%s, stop %t, want %s, stop %t: %v", e.Outcome, e.Stop, want, stop, e)
	}
	return e
}

func live(p *twittertest.Platform) []string {
	var texts []string
	for _, post := range p.Posts() {
		if !post.Deleted {
			texts = append(texts, post.Text)
		}
	}
	return texts
}

func publish(t *testing.T, p announce.Publisher, m announce.Message) announce.Receipt {
	t.Helper()
	r, err := p.Publish(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRefusals holds every refusal of X to its outcome, in each form in which it comes.
func TestRefusals(t *testing.T) {
	problem := func(status int, kind, detail string) sim.Fault {
		return answer(status, fmt.Sprintf(`{"title":"x","detail":%q,"type":%q,"status":%d}`, detail, kind, status))
	}
	const at = "https://api.twitter.com/2/problems/"
	const page = "<!DOCTYPE html><html><body><h1>Forbidden</h1></body></html>"
	for name, c := range map[string]struct {
		fault sim.Fault
		want  announce.Outcome
		stop  bool
		wait  time.Duration
		say   string
	}{
		"403 without a reason":           {fault: answer(403, ""), want: announce.Permanent, say: "edge"},
		"403 of v2":                      {fault: problem(403, "about:blank", "You are not permitted to perform this action."), want: announce.Permanent, say: "not permitted"},
		"403 as a page":                  {fault: answer(403, page), want: announce.Permanent, say: "edge"},
		"403 of a forbidden app":         {fault: problem(403, at+"client-forbidden", "no"), want: announce.Permanent, stop: true, say: "project"},
		"403 of a token that reads":      {fault: problem(403, at+"oauth1-permissions", "no"), want: announce.Permanent, stop: true, say: "Read and Write"},
		"403 of a suspended account":     {fault: problem(403, at+"user-suspended", "no"), want: announce.Permanent, stop: true, say: "suspended"},
		"403 code 64":                    {fault: answer(403, `{"errors":[{"code":64,"message":"Your account is suspended"}]}`), want: announce.Permanent, stop: true, say: "suspended"},
		"403 code 326":                   {fault: answer(403, `{"errors":[{"code":326,"message":"locked"}]}`), want: announce.Permanent, stop: true, say: "locked"},
		"403 code 226":                   {fault: answer(403, `{"errors":[{"code":226,"message":"automated"}]}`), want: announce.Permanent, stop: true, say: "machine"},
		"403 code 453":                   {fault: answer(403, `{"errors":[{"code":453,"message":"subset"}]}`), want: announce.Permanent, stop: true, say: "API v2"},
		"403 code 185":                   {fault: answer(403, `{"errors":[{"code":185,"message":"daily"}]}`), want: announce.RateLimited, wait: 30 * time.Minute},
		"401 of v2":                      {fault: problem(401, "about:blank", "Unauthorized"), want: announce.Permanent, stop: true, say: "CONSUMER_KEY"},
		"401 code 32":                    {fault: answer(401, `{"errors":[{"code":32,"message":"Could not authenticate you."}]}`), want: announce.Permanent, stop: true},
		"401 code 89":                    {fault: answer(401, `{"errors":[{"code":89,"message":"Invalid or expired token."}]}`), want: announce.Permanent, stop: true},
		"401 code 135":                   {fault: answer(401, `{"errors":[{"code":135,"message":"Timestamp out of bounds."}]}`), want: announce.Permanent, stop: true, say: "clock"},
		"401 empty":                      {fault: answer(401, ""), want: announce.Permanent, stop: true},
		"402":                            {fault: problem(402, at+"credits", "no credits"), want: announce.Permanent, stop: true, say: "credits"},
		"402 empty":                      {fault: answer(402, ""), want: announce.Permanent, stop: true, say: "credits"},
		"429 of a spending cap":          {fault: problem(429, at+"usage-capped", "Usage cap exceeded"), want: announce.Permanent, stop: true, say: "credits"},
		"429 of v2":                      {fault: problem(429, "about:blank", "Too Many Requests"), want: announce.RateLimited, wait: 15 * time.Minute},
		"429 code 88":                    {fault: answer(429, `{"errors":[{"code":88,"message":"Rate limit exceeded"}]}`), want: announce.RateLimited, wait: 15 * time.Minute},
		"429 as a page":                  {fault: answer(429, page), want: announce.RateLimited, wait: 15 * time.Minute},
		"429 until the window ends":      {fault: limited(map[string]int{"x-rate-limit": 600}), want: announce.RateLimited, wait: 602 * time.Second},
		"429 until the day ends":         {fault: limited(map[string]int{"x-rate-limit": 600, "x-app-limit-24hour": 7200}), want: announce.RateLimited, wait: 7202 * time.Second},
		"429 of a window that is over":   {fault: limited(map[string]int{"x-rate-limit": -5}), want: announce.RateLimited, wait: 2 * time.Second},
		"400":                            {fault: problem(400, at+"invalid-request", "One or more parameters to your request was invalid."), want: announce.Permanent, say: "invalid"},
		"404":                            {fault: answer(404, page), want: announce.Permanent, say: "API setting"},
		"503 of v2":                      {fault: problem(503, "about:blank", "Service Unavailable"), want: announce.Ambiguous},
		"503 empty":                      {fault: answer(503, ""), want: announce.Ambiguous},
		"503 as a page":                  {fault: answer(503, page), want: announce.Ambiguous},
		"201 that names nothing":         {fault: answer(201, `{"data":{}}`), want: announce.Ambiguous},
		"201 with a number that is none": {fault: answer(201, `{"data":{"id":"x"}}`), want: announce.Ambiguous},
		"200 with an error in it":        {fault: answer(200, `{"errors":[{"title":"x","detail":"y","type":"about:blank"}]}`), want: announce.Ambiguous},
		"200 that does not find":         {fault: answer(200, `{"errors":[{"title":"x","type":"https://api.twitter.com/2/problems/resource-not-found"}]}`), want: announce.Ambiguous},
		"204":                            {fault: answer(204, ""), want: announce.Ambiguous},
		"302":                            {fault: answer(302, ""), want: announce.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			p := platform(t)
			p.Script().Push(on(http.MethodPost, "/2/tweets", c.fault))
			_, err := open(t, p).Publish(context.Background(), message(1))
			e := failed(t, err, c.want, c.stop)
			if e.RetryAfter != c.wait || !strings.Contains(e.Fault, c.say) {
				t.Errorf("waits %s and says %q, want %s and %q", e.RetryAfter, e.Fault, c.wait, c.say)
			}
			if n := len(p.Posts()); n != 0 {
				t.Errorf("%d posts", n)
			}
		})
	}
}

// limited is a 429 whose windows end after so many seconds by X's clock, which is not this machine's.
func limited(seconds map[string]int) sim.Fault {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	f := answer(429, `{"title":"Too Many Requests","type":"about:blank","status":429}`)
	f.Header = map[string]string{"Date": now.Format(http.TimeFormat)}
	for limit, s := range seconds {
		f.Header[limit+"-remaining"] = "0"
		f.Header[limit+"-reset"] = strconv.FormatInt(now.Add(time.Duration(s)*time.Second).Unix(), 10)
	}
	return f
}
