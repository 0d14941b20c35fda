package linkedintest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func ask(t *testing.T, p *Platform, method, path, body string, header map[string]string) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.Environ()["API"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Authorization": "Bearer " + Token, "LinkedIn-Version": "202607", "X-Restli-Protocol-Version": "2.0.0", "Content-Type": "application/json"} {
		req.Header.Set(k, v)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, res.Header
}

const body = `{"author":"urn:li:organization:104242424","commentary":"Bonjour","visibility":"PUBLIC","distribution":{"feedDistribution":"MAIN_FEED","targetEntities":[],"thirdPartyDistributionChannels":[]},"lifecycleState":"PUBLISHED","isReshareDisabledByAuthor":false}`

func TestPostsAreHeldToTheRules(t *testing.T) {
	with := func(content string) string { return strings.TrimSuffix(body, "}") + `,"content":` + content + "}" }
	for name, x := range map[string]struct {
		body   string
		header map[string]string
		want   int
	}{
		"sound":               {body: body, want: 201},
		"the longest":         {body: strings.Replace(body, "Bonjour", strings.Repeat("é", 3000), 1), want: 201},
		"too long":            {body: strings.Replace(body, "Bonjour", strings.Repeat("é", 3001), 1), want: 400},
		"an unknown field":    {body: strings.Replace(body, "author", "writer", 1), want: 400},
		"another author":      {body: strings.Replace(body, "104242424", "1", 1), want: 403},
		"no feed":             {body: strings.Replace(body, "MAIN_FEED", "NONE", 1), want: 400},
		"no JSON":             {body: "x", want: 400},
		"another token":       {body: body, header: map[string]string{"Authorization": "Bearer x"}, want: 401},
		"no version":          {body: body, header: map[string]string{"LinkedIn-Version": ""}, want: 400},
		"a dead version":      {body: body, header: map[string]string{"LinkedIn-Version": "202507"}, want: 426},
		"another protocol":    {body: body, header: map[string]string{"X-Restli-Protocol-Version": "1.0.0"}, want: 400},
		"another type":        {body: body, header: map[string]string{"Content-Type": "text/plain"}, want: 415},
		"an article":          {body: with(`{"article":{"source":"https://example.org","title":"x"}}`), want: 201},
		"a nameless article":  {body: with(`{"article":{"source":"https://example.org"}}`), want: 400},
		"an article nowhere":  {body: with(`{"article":{"source":"example.org","title":"x"}}`), want: 400},
		"an unknown picture":  {body: with(`{"media":{"id":"urn:li:image:x"}}`), want: 400},
		"a gallery of one":    {body: with(`{"multiImage":{"images":[{"id":"urn:li:image:x"}]}}`), want: 400},
		"two kinds of things": {body: with(`{"article":{"source":"https://example.org","title":"x"},"media":{"id":"urn:li:image:x"}}`), want: 400},
	} {
		p := New()
		status, header := ask(t, p, "POST", "/posts", x.body, x.header)
		if status != x.want || (header.Get("x-restli-id") != "") != (x.want == 201) || len(p.Posts()) != map[bool]int{true: 1}[x.want == 201] {
			t.Errorf("%s: %d, want %d; %d posts", name, status, x.want, len(p.Posts()))
		}
		p.Close()
	}
}

func TestTheRuleOfDuplicates(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	_, header := ask(t, p, "POST", "/posts", body, nil)
	if status, _ := ask(t, p, "POST", "/posts", body, nil); status != 422 {
		t.Errorf("the copy: %d", status)
	}
	path := "/posts/" + strings.ReplaceAll(header.Get("x-restli-id"), ":", "%3A")
	for range 2 {
		if status, _ := ask(t, p, "DELETE", path, "", nil); status != 204 {
			t.Errorf("deleted: %d", status)
		}
	}
	if status, _ := ask(t, p, "POST", "/posts", body, nil); status != 422 {
		t.Errorf("the copy of a deleted one: %d", status)
	}
	if status, _ := ask(t, p, "GET", path, "", nil); status != 404 {
		t.Errorf("the deleted one: %d", status)
	}
	if status, _ := ask(t, p, "GET", "/posts/"+header.Get("x-restli-id"), "", nil); status != 400 {
		t.Errorf("a path that is not escaped: %d", status)
	}
	p.Say("à la main", time.Now())
	if n := len(p.Posts()); n != 1 || !p.Posts()[0].Deleted {
		t.Errorf("%d posts", n)
	}
}

// LinkedIn cuts a text where it stops to understand it, and mentions whom it can.
func TestLittleText(t *testing.T) {
	for little, want := range map[string]string{
		"": "", "Bonjour": "Bonjour", `a\(b\)c`: "a(b)c", "a(b)c": "a", `a\xb`: "a", `a\`: "a", "a_b": "a", "#Go": "", `{hashtag|\#|Go} !`: "#Go !", "{hashtag|#|Go} !": "#Go !",
		`{hashtag|\#|a_b} !`: "", "@Ada": "", "@[Ada](urn:li:person:x) !": "Ada !", "@[Ada](x) !": "", "<b>": "",
	} {
		if got, _ := Shown(little); got != want {
			t.Errorf("%q is shown as %q, want %q", little, got, want)
		}
	}
	if _, n := Shown("@[Ada](urn:li:person:x) @[Club](urn:li:organization:1) \\@[x](urn:li:person:y)"); n != 2 {
		t.Errorf("%d mentions", n)
	}
}
