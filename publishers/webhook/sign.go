package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// signer signs the content of one event, in the form of the webhook-signature header.
type signer func(content []byte) string

const (
	leastSecret = 24
	mostSecret  = 64
)

// newSigner reads a secret as the specification writes it. The error does not quote it.
func newSigner(secret string) (signer, error) {
	kind, encoded, _ := strings.Cut(secret, "_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case kind != "whsec" && kind != "whsk":
		return nil, errors.New("begins with whsec_ (a shared secret) or whsk_ (a private Ed25519 key)")
	case err != nil:
		return nil, errors.New("is not base64 after its first letters")
	case kind == "whsk":
		return asymmetric(raw)
	case len(raw) < leastSecret, len(raw) > mostSecret:
		return nil, errors.New("must hold 24 to 64 bytes: make one with openssl rand -base64 32, and write whsec_ before it")
	}
	return func(content []byte) string {
		mac := hmac.New(sha256.New, raw)
		_, _ = mac.Write(content) // a hash takes everything
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}, nil
}

// asymmetric takes a private key as its seed, or as the seed and the public key that follows from it.
func asymmetric(raw []byte) (signer, error) {
	if len(raw) != ed25519.SeedSize && len(raw) != ed25519.PrivateKeySize {
		return nil, errors.New("is not a private Ed25519 key: 32 bytes, or 64 with the public key behind")
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	if len(raw) == ed25519.PrivateKeySize && !slices.Equal(raw, key) {
		return nil, errors.New("is not a private Ed25519 key: its public half is of another one")
	}
	return func(content []byte) string {
		return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, content))
	}, nil
}

// signatures is the webhook-signature header: one signature for each secret.
func signatures(all []signer, id, at string, body []byte) string {
	content := slices.Concat([]byte(id+"."+at+"."), body)
	var list []string
	for _, sign := range all {
		list = append(list, sign(content))
	}
	return strings.Join(list, " ")
}
