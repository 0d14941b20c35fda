package webpush

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// subscription is where a browser takes notifications, and what they are encrypted with.
type subscription struct {
	origin, host, path string // https://host, host, and what follows
	public             *ecdh.PublicKey
	auth               []byte
}

const (
	authLength = 16   // RFC 8291 section 3.2
	longest    = 4096 // of a subscription; real ones have some 500 bytes
)

// written is a subscription as PushSubscription.toJSON writes it.
type written struct {
	Endpoint string `json:"endpoint"`
	Keys     struct {
		P256dh string `json:"p256dh"`
		Auth   string `json:"auth"`
	} `json:"keys"`
}

// Address is what a browser's subscription is as an address on this channel: the same for the same subscription, whatever
// its browser writes beside. The error says what is wrong with it, and does not quote it. Whether anybody is there only
// a notification can tell.
func Address(subscription string) (string, error) {
	s, err := parse(subscription)
	if err != nil {
		return "", err
	}
	var out written
	out.Endpoint = s.origin + s.path
	out.Keys.P256dh, out.Keys.Auth = base64.RawURLEncoding.EncodeToString(s.public.Bytes()), base64.RawURLEncoding.EncodeToString(s.auth)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(out) // strings
	return strings.TrimSpace(b.String()), nil
}

// parse reads a subscription. The error does not quote it, and ends a sentence.
func parse(to string) (subscription, error) {
	var in written
	if len(to) > longest || json.Unmarshal([]byte(to), &in) != nil {
		return subscription{}, errors.New("it is not JSON with endpoint and keys")
	}
	u, err := url.Parse(in.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return subscription{}, errors.New("its endpoint is not an address")
	}
	s := subscription{origin: u.Scheme + "://" + u.Host, host: strings.ToLower(u.Hostname()), path: u.RequestURI()}
	raw, err := decode(in.Keys.P256dh)
	if err != nil {
		return subscription{}, errors.New("its p256dh is not base64url")
	}
	if s.public, err = ecdh.P256().NewPublicKey(raw); err != nil {
		return subscription{}, errors.New("its p256dh is not a point of P-256")
	}
	if s.auth, err = decode(in.Keys.Auth); err != nil || len(s.auth) != authLength {
		return subscription{}, errors.New("its auth is not 16 bytes in base64url")
	}
	return s, nil
}

// decode reads base64url, padded or not.
func decode(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
