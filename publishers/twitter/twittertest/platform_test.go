package twittertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"
)

type noncer string

func (n noncer) Nonce() string { return string(n) }

// call makes a signed request.
func call(t *testing.T, p *Platform, config *oauth1.Config, method, path, body string) (status int, answer string, h http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, p.Environ()["API"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return send(t, config, req)
}

func send(t *testing.T, config *oauth1.Config, req *http.Request) (status int, answer string, h http.Header) {
	t.Helper()
	res, err := config.Client(context.Background(), oauth1.NewToken(accessToken, accessSecret)).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func signer() *oauth1.Config { return oauth1.NewConfig(consumerKey, consumerSecret) }

func start(t *testing.T) *Platform {
	p := New()
	t.Cleanup(p.Close)
	return p
}

// TestSignatureBase is the example of RFC 5849 section 3.4.1.1.
func TestSignatureBase(t *testing.T) {
	r := httptest.NewRequest("POST", "/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", strings.NewReader("c2&a3=2+q"))
	r.Host = "EXAMPLE.com"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := signatureBase(r, map[string]string{
		"realm": "Example", "oauth_consumer_key": "9djdj82h48djs9d2", "oauth_token": "kkk9d7dh3k39sjv7", "oauth_signature_method": "HMAC-SHA1",
		"oauth_timestamp": "137131201", "oauth_nonce": "7d8f3e4a", "oauth_signature": "bYT5CMsGcbgUdFHObYMEfcx6bsw=",
	})
	const want = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26" +
		"oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26" +
		"oauth_token%3Dkkk9d7dh3k39sjv7"
	if err != nil || got != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}

func TestOnlySignedRequestsAreServed(t *testing.T) {
	p := start(t)
	if status, answer, h := call(t, p, signer(), "GET", "/2/users/me", ""); status != 200 || h.Get("x-rate-limit-remaining") != "74" {
		t.Fatalf("%d %s", status, answer)
	}
	once := signer()
	once.Noncer = noncer("again")
	if status, _, _ := call(t, p, once, "GET", "/2/users/me", ""); status != 200 {
		t.Fatal(status)
	}
	if status, _, _ := call(t, p, once, "GET", "/2/users/me", ""); status != 401 {
		t.Errorf("a nonce used twice: %d", status)
	}
	for name, config := range map[string]*oauth1.Config{"key": oauth1.NewConfig("other", consumerSecret), "secret": oauth1.NewConfig(consumerKey, "other")} {
		if status, _, _ := call(t, p, config, "GET", "/2/users/me", ""); status != 401 {
			t.Errorf("another %s: %d", name, status)
		}
	}
	req, err := http.NewRequest("GET", p.Environ()["API"]+"/2/users/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("unsigned: %d", res.StatusCode)
	}
}

func TestOldTimestampIsRefused(t *testing.T) {
	p := start(t)
	req, err := http.NewRequest("GET", p.Environ()["API"]+"/2/users/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", `OAuth oauth_consumer_key="`+consumerKey+`", oauth_nonce="n", oauth_signature="eA%3D%3D", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1", oauth_token="`+accessToken+`", oauth_version="1.0"`)
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 401 || !strings.Contains(string(b), `"code":135`) {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

func TestStrictness(t *testing.T) {
	p := start(t)
	long := strings.Repeat("a", 281)
	for _, c := range []struct {
		method, path, body string
		status             int
		say                string
	}{
		{"POST", "/2/tweets", `{"text":"a"}`, 201, `"id":`},
		{"POST", "/2/tweets", `{"text":"a"}`, 403, "duplicate content"},
		{"POST", "/2/tweets", `{"text":" A "}`, 403, "duplicate content"},
		{"POST", "/2/tweets", `{"text":"b","colour":"red"}`, 400, "colour"},
		{"POST", "/2/tweets", `{"text":"b","media":{"media_ids":["1"]}}`, 400, "media IDs"},
		{"POST", "/2/tweets", `{"text":"b","media":{"media_ids":[]}}`, 400, "media_ids"},
		{"POST", "/2/tweets", `{"text":"b","edit_options":{"previous_post_id":"1"}}`, 403, "not permitted"},
		{"POST", "/2/tweets", `{"text":"b","reply":{"in_reply_to_tweet_id":"1"}}`, 403, "Reply"},
		{"POST", "/2/tweets", `{"text":"$AAA et $BBB"}`, 403, "cashtag"},
		{"POST", "/2/tweets", `{}`, 400, "text"},
		{"POST", "/2/tweets", `{`, 400, "JSON"},
		{"POST", "/2/tweets", `{"text":"` + long + `"}`, 403, "not permitted"},
		{"POST", "/2/tweets", `{"text":"https://example.org/` + long + `"}`, 201, "https://t.co/"},
		{"POST", "/2/tweets", `{"text":"a & b < c"}`, 201, "a &amp; b &lt; c"},
		{"DELETE", "/2/tweets/1", ``, 404, "resource-not-found"},
		{"GET", "/2/tweets/1", ``, 200, "resource-not-found"},
		{"GET", "/2/tweets/1?x=1", ``, 400, "x"},
		{"GET", "/2/users/1/tweets", ``, 404, "resource-not-found"},
		{"GET", "/2/users/" + userID + "/tweets?max_results=4", ``, 400, "between 5 and 100"},
		{"GET", "/2/users/" + userID + "/tweets?start_time=now", ``, 400, "start_time"},
		{"GET", "/2/users/" + userID + "/tweets?start_time=2000-01-01T00:00:00Z&tweet.fields=entities", ``, 200, `"expanded_url":"https://example.org/`},
		{"GET", "/2/users/" + userID + "/tweets?start_time=2100-01-01T00:00:00Z", ``, 200, `{"meta":{"result_count":0}}`},
		{"POST", "/2/media/metadata", `{"id":"1","metadata":{"alt_text":{"text":"a"}}}`, 400, "media"},
		{"POST", "/2/media/upload", `{}`, 400, "multipart"},
		{"POST", "/1.1/statuses/update.json", `{}`, 403, `"code":453`},
		{"GET", "/2/elsewhere", ``, 404, "Not Found"},
	} {
		t.Run(c.method+c.path+c.body[:min(len(c.body), 40)], func(t *testing.T) {
			if status, answer, _ := call(t, p, signer(), c.method, c.path, c.body); status != c.status || !strings.Contains(answer, c.say) {
				t.Errorf("%d %s, want %d and %q", status, answer, c.status, c.say)
			}
		})
	}
}

func TestMediaIsChecked(t *testing.T) {
	p := start(t)
	upload := func(category string, data []byte) (int, string) {
		body := "--b\r\nContent-Disposition: form-data; name=\"media_category\"\r\n\r\n" + category +
			"\r\n--b\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a\"\r\n\r\n" + string(data) + "\r\n--b--\r\n"
		req, err := http.NewRequest("POST", p.Environ()["API"]+"/2/media/upload", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		status, answer, _ := send(t, signer(), req)
		return status, answer
	}
	gif := []byte("GIF89a\x01\x00\x01\x00")
	for _, c := range []struct {
		category string
		data     []byte
		status   int
	}{
		{"tweet_image", gif, 200}, {"tweet_video", gif, 400}, {"tweet_image", []byte("text"), 400},
		{"tweet_image", append(gif, bytes.Repeat([]byte("x"), 5<<20)...), 400}, {"tweet_image", append(gif, bytes.Repeat([]byte("x"), 9<<20)...), 413},
	} {
		if status, answer := upload(c.category, c.data); status != c.status {
			t.Errorf("%s, %d bytes: %d %.200s", c.category, len(c.data), status, answer)
		}
	}
	_, answer := upload("tweet_image", gif)
	var media struct{ Data struct{ ID string } }
	if err := json.Unmarshal([]byte(answer), &media); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]int{0: 400, 1: 200, 1000: 200, 1001: 400} {
		body := fmt.Sprintf(`{"id":%q,"metadata":{"alt_text":{"text":%q}}}`, media.Data.ID, strings.Repeat("é", n))
		if status, answer, _ := call(t, p, signer(), "POST", "/2/media/metadata", body); status != want {
			t.Errorf("%d characters: %d %s", n, status, answer)
		}
	}
	if status, answer, _ := call(t, p, signer(), "POST", "/2/tweets", `{"text":"<b>","media":{"media_ids":["`+media.Data.ID+`"]}}`); status != 201 || !strings.Contains(answer, "https://t.co/") {
		t.Errorf("%d %s", status, answer)
	}
	post := p.Posts()[0]
	if post.Text != "<b>" || len(post.Images) != 1 || strings.Contains(post.HTML, "<b></") || !strings.Contains(post.HTML, `src="data:image/gif;base64,`) {
		t.Errorf("%+v", post)
	}
}

func TestWindows(t *testing.T) {
	p := start(t)
	for n := range 101 {
		status, answer, h := call(t, p, signer(), "POST", "/2/tweets", `{"text":"`+strconv.Itoa(n)+`"}`)
		if want := map[bool]int{true: 201, false: 429}[n < 100]; status != want || h.Get("x-rate-limit-remaining") != strconv.Itoa(max(0, 99-n)) || h.Get("x-rate-limit-reset") == "" {
			t.Fatalf("%d: %d %s %v", n, status, answer, h)
		}
	}
}

func TestWeigh(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "été": 3, "聚会": 4, "👨‍👩‍👧‍👦👍🏽🇨🇦1️⃣🎉": 10, "18 h 30\u202f!": 10, "https://example.org/a.": 24, "(example.com/a_(b))": 25, "l’example.com": 25,
		"@example.com a@example.com": 26, "README.md": 23, "README.\u200cmd": 10, "notes.txt": 9,
	} {
		if got := weigh(text); got != want {
			t.Errorf("%q weighs %d, want %d", text, got, want)
		}
	}
}
