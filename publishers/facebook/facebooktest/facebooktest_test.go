package facebooktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func ask(t *testing.T, p *Platform, method, path string, form url.Values, token string) (code int, version string) {
	t.Helper()
	var body string
	if method == http.MethodPost {
		body = form.Encode()
	} else {
		path += "?" + form.Encode()
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.Environ()["API"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Error struct{ Code int } }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Error.Code, res.Header.Get("facebook-api-version")
}

func signed(more ...string) url.Values {
	mac := hmac.New(sha256.New, []byte(AppSecret))
	mac.Write([]byte(Token))
	v := url.Values{"appsecret_proof": {hex.EncodeToString(mac.Sum(nil))}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

func TestCallsAreHeldToTheRules(t *testing.T) {
	for name, x := range map[string]struct {
		method, path string
		form         url.Values
		token        string
		want         int
	}{
		"sound":                  {"POST", "/v26.0/" + Page + "/feed", signed("message", "x", "published", "true"), Token, 0},
		"no token":               {"POST", "/v26.0/" + Page + "/feed", signed("message", "x", "published", "true"), "", 2500},
		"another token":          {"POST", "/v26.0/" + Page + "/feed", signed("message", "x", "published", "true"), "x", 190},
		"no proof":               {"POST", "/v26.0/" + Page + "/feed", url.Values{"message": {"x"}, "published": {"true"}}, Token, 100},
		"another proof":          {"POST", "/v26.0/" + Page + "/feed", url.Values{"message": {"x"}, "published": {"true"}, "appsecret_proof": {"x"}}, Token, 100},
		"a token in the address": {"GET", "/v26.0/" + Page, signed("access_token", Token), Token, 100},
		"an unknown parameter":   {"POST", "/v26.0/" + Page + "/feed", signed("text", "x", "published", "true"), Token, 100},
		"nothing to say":         {"POST", "/v26.0/" + Page + "/feed", signed("published", "true"), Token, 100},
		"too long":               {"POST", "/v26.0/" + Page + "/feed", signed("message", strings.Repeat("🎉", 31_604), "published", "true"), Token, 100},
		"a link nowhere":         {"POST", "/v26.0/" + Page + "/feed", signed("message", "x", "link", "https://localhost/", "published", "true"), Token, 100},
		"an unknown photo":       {"POST", "/v26.0/" + Page + "/feed", signed("message", "x", "attached_media", `[{"media_fbid":"1"}]`, "published", "true"), Token, 100},
		"a photo of nothing":     {"POST", "/v26.0/" + Page + "/photos", signed("published", "true"), Token, 324},
		"another Page":           {"POST", "/v26.0/1/feed", signed("message", "x"), Token, 100},
		"an unknown post":        {"DELETE", "/v26.0/1_2", signed(), Token, 100},
		"too many at once":       {"GET", "/v26.0/" + Page + "/published_posts", signed("limit", "101"), Token, 100},
	} {
		p := New()
		if code, _ := ask(t, p, x.method, x.path, x.form, x.token); code != x.want {
			t.Errorf("%s: code %d, want %d", name, code, x.want)
		}
		if n := len(p.Posts()); n != map[bool]int{true: 1}[name == "sound"] {
			t.Errorf("%s: %d posts", name, n)
		}
		p.Close()
	}
}

func TestConsecutiveDuplicates(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	for i, x := range []struct {
		message string
		want    int
	}{{"a", 0}, {"a", 506}, {" a\n", 506}, {"b", 0}, {"a", 0}} {
		if code, _ := ask(t, p, "POST", "/v26.0/"+Page+"/feed", signed("message", x.message, "published", "true"), Token); code != x.want {
			t.Errorf("%d: code %d, want %d", i, code, x.want)
		}
	}
	p.Say("à la main", time.Now())
	if code, _ := ask(t, p, "POST", "/v26.0/"+Page+"/feed", signed("message", "@[12:1:Page] a", "published", "true"), Token); code != 0 || p.Mentions() != 1 || len(p.Posts()) != 4 {
		t.Errorf("code %d, %d mentions, %d posts", code, p.Mentions(), len(p.Posts()))
	}
}

func TestAVersionThatEndedIsServedByTheNext(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	p.Change(func(s *Settings) { s.Oldest = "v21.0" })
	for asked, want := range map[string]string{"v20.0": "v21.0", "v26.0": "v26.0"} {
		if code, got := ask(t, p, "GET", "/"+asked+"/"+Page, signed(), Token); code != 0 || got != want {
			t.Errorf("%s: code %d, %s", asked, code, got)
		}
	}
}
