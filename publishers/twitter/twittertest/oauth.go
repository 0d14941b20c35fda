package twittertest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const skew = 5 * time.Minute

// authenticate checks an OAuth 1.0a signature (RFC 5849). Nil: it is right; else the answer to give.
func (p *Platform) authenticate(r *http.Request, now time.Time) func(http.ResponseWriter) {
	unauthorized := func(w http.ResponseWriter) {
		problem(w, http.StatusUnauthorized, "about:blank", "Unauthorized", "Unauthorized")
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
	if !ok {
		return unauthorized
	}
	o := map[string]string{}
	for part := range strings.SplitSeq(given, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		v, err := url.PathUnescape(strings.Trim(v, `"`))
		if _, twice := o[k]; twice || err != nil {
			return unauthorized
		}
		o[k] = v
	}
	at, err := strconv.ParseInt(o["oauth_timestamp"], 10, 64)
	switch {
	case err != nil, o["oauth_signature_method"] != "HMAC-SHA1", o["oauth_version"] != "1.0", o["oauth_nonce"] == "":
		return unauthorized
	case o["oauth_consumer_key"] != consumerKey:
		return func(w http.ResponseWriter) { old(w, http.StatusUnauthorized, 32, "Could not authenticate you.") }
	case o["oauth_token"] != accessToken:
		return func(w http.ResponseWriter) { old(w, http.StatusUnauthorized, 89, "Invalid or expired token.") }
	case now.Sub(time.Unix(at, 0)).Abs() > skew:
		return func(w http.ResponseWriter) { old(w, http.StatusUnauthorized, 135, "Timestamp out of bounds.") }
	}
	base, err := signatureBase(r, o)
	if err != nil {
		return unauthorized
	}
	mac := hmac.New(sha1.New, []byte(escape(consumerSecret)+"&"+escape(accessSecret)))
	mac.Write([]byte(base))
	signature, err := base64.StdEncoding.DecodeString(o["oauth_signature"])
	once := o["oauth_timestamp"] + " " + o["oauth_nonce"]
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) || p.nonces[once] {
		return unauthorized
	}
	p.nonces[once] = true
	return nil
}

// signatureBase is the text that is signed (RFC 5849 section 3.4.1).
func signatureBase(r *http.Request, o map[string]string) (string, error) {
	var pairs []string
	add := func(k, v string) { pairs = append(pairs, escape(k)+"="+escape(v)) }
	for k, v := range o {
		if k != "oauth_signature" && k != "realm" {
			add(k, v)
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	form := url.Values{}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return "", err
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		if form, err = url.ParseQuery(string(b)); err != nil {
			return "", err
		}
	}
	for _, params := range []url.Values{query, form} {
		for k, values := range params {
			for _, v := range values {
				add(k, v)
			}
		}
	}
	slices.Sort(pairs)
	address := "http://" + strings.ToLower(r.Host) + r.URL.EscapedPath()
	return r.Method + "&" + escape(address) + "&" + escape(strings.Join(pairs, "&")), nil
}

// escape is the percent-encoding of RFC 5849 section 3.6.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
