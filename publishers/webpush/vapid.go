package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// key is the private key that notifications are signed with.
type key struct {
	private *ecdsa.PrivateKey
	public  string // uncompressed point, base64url
}

// NewKey makes a private key for Config.Key: 32 bytes of P-256 in base64url, as other Web Push programs write it.
func NewKey() (announce.Secret, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return announce.Secret{}, err
	}
	raw, err := k.Bytes()
	if err != nil {
		return announce.Secret{}, err
	}
	return announce.NewSecret(base64.RawURLEncoding.EncodeToString(raw)), nil
}

// PublicKey is what a page gives to PushManager.subscribe as applicationServerKey, for the private key in Config.Key: 65
// bytes in base64url. The error does not quote the key.
func PublicKey(private announce.Secret) (string, error) {
	k, err := parseKey(private)
	if err != nil {
		return "", err
	}
	return k.public, nil
}

func parseKey(s announce.Secret) (*key, error) {
	wrong := errors.New("is not a private key: 32 bytes of P-256 in base64url, as crieur webpush keys makes one")
	raw, err := decode(s.Reveal())
	if err != nil {
		return nil, wrong
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, wrong
	}
	public, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, wrong
	}
	return &key{private, base64.RawURLEncoding.EncodeToString(public)}, nil
}

// claims are those of RFC 8292 section 2.
type claims struct {
	Audience string `json:"aud"` // the origin of the push service
	Expires  int64  `json:"exp"` // at most 24 hours from now
	Subject  string `json:"sub"`
}

// sign makes the token of RFC 8292: a JWT with ES256 (RFC 7518 section 3.4).
func (k *key) sign(c claims) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}

// verifies reports whether a token is signed with k.
func (k *key) verifies(token string) bool {
	at := strings.LastIndexByte(token, '.')
	if at < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil || len(signature) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(token[:at]))
	return ecdsa.Verify(&k.private.PublicKey, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

const (
	tokenLife = 12 * time.Hour
	tokenUse  = time.Hour // RFC 8292 section 2.2 wants a token used more than once: checking one costs the service
	mostKept  = 100       // strangers' origins must not fill the memory
)

// tokens keeps the latest token of each push service. Safe for concurrent use.
type tokens struct {
	mu   sync.Mutex
	kept map[string]token
}

type token struct {
	text string
	made time.Time
}

// at is the token for the service at origin: a kept one, or a new one made by sign.
func (t *tokens) at(origin string, now time.Time, sign func(claims) (string, error)) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.kept[origin]; ok && now.Sub(k.made) < tokenUse && !now.Before(k.made) {
		return k.text, nil
	}
	text, err := sign(claims{Audience: origin, Expires: now.Add(tokenLife).Unix()})
	if err != nil {
		return "", err
	}
	if t.kept == nil || len(t.kept) >= mostKept {
		t.kept = map[string]token{}
	}
	t.kept[origin] = token{text, now}
	return text, nil
}
