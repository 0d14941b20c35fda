package blueskytest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// send makes a call at the entryway or, signed, at the server that keeps the account.
func send(t *testing.T, p *Platform, method, name, token, body string) (int, map[string]any) {
	t.Helper()
	at := p.entry.URL
	if token != "" {
		at = p.pds.URL
	}
	req, err := http.NewRequestWithContext(t.Context(), method, at+"/xrpc/"+name, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := p.entry.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return res.StatusCode, v
}

func TestIsAsStrictAsTheServer(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	_, session := send(t, p, "POST", "com.atproto.server.createSession", "", `{"identifier":"rencontre.test","password":"`+Password+`"}`)
	token, _ := session["accessJwt"].(string)
	if token == "" || session["did"] != did {
		t.Fatalf("%v", session)
	}
	post := func(record, more string) string {
		return `{"repo":"` + did + `","collection":"app.bsky.feed.post","rkey":"3n2uakgx6f6qq"` + more + `,"record":{"$type":"app.bsky.feed.post","createdAt":"2027-03-14T18:30:00.000Z",` + record + `}}`
	}
	facet := func(start, end, feature string) string {
		return post(`"text":"é #io","facets":[{"index":{"byteStart":`+start+`,"byteEnd":`+end+`},"features":[`+feature+`]}]`, "")
	}
	const tag = `{"$type":"app.bsky.richtext.facet#tag","tag":"io"}`
	const put, get, remove = "com.atproto.repo.putRecord", "com.atproto.repo.getRecord?repo=" + did + "&collection=app.bsky.feed.post&rkey=3n2uakgx6f6qq", "com.atproto.repo.deleteRecord"
	for _, c := range []struct {
		say, method, name, token, body string
		code                           int
		word                           string
	}{
		{"nothing there yet", "GET", get, token, "", 400, "RecordNotFound"},
		{"a repository's call at the entryway", "POST", put, "", post(`"text":"x"`, ""), 404, "XRPCNotSupported"},
		{"a token of nobody's", "POST", put, "a.b.c", post(`"text":"x"`, ""), 400, "InvalidToken"},
		{"a wrong password", "POST", "com.atproto.server.createSession", "", `{"identifier":"rencontre.test","password":"x"}`, 401, "AuthenticationRequired"},
		{"another verb", "GET", put, token, "", 405, "InvalidRequest"},
		{"301 characters", "POST", put, token, post(`"text":"`+strings.Repeat("é", 301)+`"`, ""), 400, "InvalidRequest"},
		{"3001 bytes", "POST", put, token, post(`"text":"`+strings.Repeat("👩‍👩‍👧‍👦", 121)+`"`, ""), 400, "InvalidRequest"},
		{"a name of another form", "POST", put, token, strings.Replace(post(`"text":"x"`, ""), "3n2uakgx6f6qq", "rencontre-2027", 1), 400, "InvalidRequest"},
		{"a facet outside", "POST", put, token, facet("3", "9", tag), 400, "InvalidRequest"},
		{"a facet in characters instead of bytes", "POST", put, token, facet("2", "5", tag), 400, "InvalidRequest"},
		{"an unknown picture", "POST", put, token, post(`"text":"x","embed":{"$type":"app.bsky.embed.images","images":[{"alt":"","image":{"$type":"blob","ref":{"$link":"bafkrei"},"mimeType":"image/png","size":1}}]}`, ""), 400, "BlobNotFound"},
		{"an unknown field", "POST", put, token, post(`"text":"x","txet":"y"`, ""), 400, "InvalidRequest"},
		{"a new one", "POST", put, token, post(`"text":"x"`, `,"swapRecord":null`), 200, ""},
		{"the same again", "POST", put, token, post(`"text":"x"`, `,"swapRecord":null`), 200, ""},
		{"another one of that name", "POST", put, token, post(`"text":"y"`, `,"swapRecord":null`), 400, "InvalidSwap"},
		{"a facet in bytes", "POST", put, token, facet("3", "6", tag), 200, ""},
		{"it is there", "GET", get, token, "", 200, ""},
		{"deleted", "POST", remove, token, `{"repo":"` + did + `","collection":"app.bsky.feed.post","rkey":"3n2uakgx6f6qq"}`, 200, ""},
		{"deleted again", "POST", remove, token, `{"repo":"` + did + `","collection":"app.bsky.feed.post","rkey":"3n2uakgx6f6qq"}`, 200, ""},
		{"gone", "GET", get, token, "", 400, "RecordNotFound"},
	} {
		code, v := send(t, p, c.method, c.name, c.token, c.body)
		if word, _ := v["error"].(string); code != c.code || word != c.word {
			t.Errorf("%s: %d %v, want %d %s", c.say, code, v, c.code, c.word)
		}
	}
	posts := p.Posts()
	if len(posts) != 1 || !posts[0].Deleted || posts[0].Edited != 1 || !strings.Contains(posts[0].HTML, `<a class="mention">#io</a>`) {
		t.Errorf("%+v", posts)
	}
}
