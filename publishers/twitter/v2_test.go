package twitter

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/dghubble/go-twitter/twitter"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/twitter/twittertest"
)

// served is a channel whose API gives one answer to everything.
func served(t *testing.T, status int, body string) *channel {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return pointed(t, Config{API: s.URL})
}

func pointed(t *testing.T, c Config) *channel {
	t.Helper()
	p, err := New(c, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*channel)
}

// TestGoTwitterSeesEveryRefusal: by itself go-twitter takes each of these for a success.
func TestGoTwitterSeesEveryRefusal(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		code   int
	}{
		{403, `{"title":"Forbidden","detail":"You are not permitted to perform this action.","type":"about:blank","status":403}`, 403},
		{403, `{"title":"Forbidden","detail":"You are not allowed to create a Tweet with duplicate content.","type":"about:blank","status":403}`, 187},
		{403, `{"errors":[{"code":453,"message":"subset"}]}`, 453},
		{403, `{"title":"x","type":"https://api.twitter.com/2/problems/client-forbidden"}`, 453},
		{429, `{"title":"Too Many Requests","type":"about:blank","status":429}`, 88},
		{401, `{"title":"Unauthorized","type":"about:blank","status":401}`, 32},
		{401, `{"errors":[{"code":89,"message":"Invalid or expired token."}]}`, 89},
		{503, ``, 503},
		{503, `<!DOCTYPE html><html></html>`, 503},
		{500, `[]`, 500},
		{404, `null`, 404},
	} {
		client, _, _ := served(t, c.status, c.body).client(context.Background(), nil)
		_, res, err := client.Statuses.Update("a", nil)
		var api twitter.APIError
		if !errors.As(err, &api) || len(api.Errors) != 1 || api.Errors[0].Code != c.code || api.Errors[0].Message == "" || res.StatusCode != c.status {
			t.Errorf("%d %s: %v, want code %d", c.status, c.body, err, c.code)
		}
	}
}

func TestGoTwitterSeesWhatSuccessLacks(t *testing.T) {
	for _, body := range []string{``, `{}`, `{"data":{}}`, `{"data":null}`, `{"data":{"id":""}}`, `{"data":{"id":"12x"}}`, `{"data":{"id":"1"`, `<html>`, `{"errors":[{"title":"x"}]}`} {
		c := served(t, 200, body)
		for name, call := range map[string]func(*twitter.Client) error{
			"update":  func(x *twitter.Client) error { _, _, err := x.Statuses.Update("a", nil); return err },
			"show":    func(x *twitter.Client) error { _, _, err := x.Statuses.Show(1, nil); return err },
			"verify":  func(x *twitter.Client) error { _, _, err := x.Accounts.VerifyCredentials(nil); return err },
			"destroy": func(x *twitter.Client) error { _, _, err := x.Statuses.Destroy(1, nil); return err },
			"timeline": func(x *twitter.Client) error {
				_, _, err := x.Timelines.UserTimeline(&twitter.UserTimelineParams{UserID: 1, Count: 5})
				return err
			},
		} {
			client, _, _ := c.client(context.Background(), nil)
			if call(client) == nil {
				t.Errorf("%s takes %q for a success", name, body)
			}
		}
	}
}

// TestUnmappedCallsFail: what has no counterpart in v2, or would lose a parameter, never leaves.
func TestUnmappedCallsFail(t *testing.T) {
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	t.Cleanup(s.Close)
	c := pointed(t, Config{API: s.URL})
	for name, call := range map[string]func(*twitter.Client) error{
		"POST statuses/retweet/1": func(x *twitter.Client) error { _, _, err := x.Statuses.Retweet(1, nil); return err },
		"GET followers/ids":       func(x *twitter.Client) error { _, _, err := x.Followers.IDs(nil); return err },
		"POST direct_messages/events/new": func(x *twitter.Client) error {
			_, _, err := x.DirectMessages.EventsNew(&twitter.DirectMessageEventsNewParams{})
			return err
		},
		"POST statuses/update with attachment_url": func(x *twitter.Client) error {
			_, _, err := x.Statuses.Update("a", &twitter.StatusUpdateParams{AttachmentURL: "https://example.org"})
			return err
		},
		"GET statuses/user_timeline with since_id": func(x *twitter.Client) error {
			_, _, err := x.Timelines.UserTimeline(&twitter.UserTimelineParams{UserID: 1, SinceID: 2})
			return err
		},
	} {
		client, _, _ := c.client(context.Background(), nil)
		var unmapped *unmappedError
		if err := call(client); !errors.As(err, &unmapped) || unmapped.call != name || calls != 0 {
			t.Errorf("%s: %v, %d calls", name, err, calls)
		}
	}
}

// TestMappedCalls: every call that is mapped works on X's API v2, through go-twitter's own client.
func TestMappedCalls(t *testing.T) {
	p := twittertest.New()
	t.Cleanup(p.Close)
	e := p.Environ()
	c := pointed(t, Config{
		ConsumerKey: announce.NewSecret(e["CONSUMER_KEY"]), ConsumerSecret: announce.NewSecret(e["CONSUMER_SECRET"]),
		AccessToken: announce.NewSecret(e["ACCESS_TOKEN"]), AccessSecret: announce.NewSecret(e["ACCESS_SECRET"]), API: e["API"],
	})
	client := func() *twitter.Client { x, _, _ := c.client(context.Background(), nil); return x }
	user, _, err := client().Accounts.VerifyCredentials(nil)
	if err != nil || "@"+user.ScreenName != e["HANDLE"] || user.IDStr == "" {
		t.Fatalf("%+v, %v", user, err)
	}
	first, _, err := client().Statuses.Update("Un & deux", nil)
	if err != nil || first.IDStr == "" || strconv.FormatInt(first.ID, 10) != first.IDStr {
		t.Fatalf("%+v, %v", first, err)
	}
	answer, _, err := client().Statuses.Update("Trois", &twitter.StatusUpdateParams{InReplyToStatusID: first.ID})
	if err != nil {
		t.Fatal(err)
	}
	shown, _, err := client().Statuses.Show(first.ID, nil)
	if at, errAt := shown.CreatedAtTime(); err != nil || shown.Text != "Un &amp; deux" || errAt != nil || at.IsZero() {
		t.Errorf("%+v, %v", shown, err)
	}
	list, _, err := client().Timelines.UserTimeline(&twitter.UserTimelineParams{UserID: user.ID, Count: 5})
	if err != nil || len(list) != 2 || list[0].IDStr != answer.IDStr || list[1].IDStr != first.IDStr {
		t.Errorf("%+v, %v", list, err)
	}
	if _, _, err := client().Statuses.Destroy(first.ID, nil); err != nil {
		t.Error(err)
	}
	if _, res, err := client().Statuses.Destroy(first.ID, nil); err == nil || res.StatusCode != 404 {
		t.Errorf("deleted twice: %v", err)
	}
}
