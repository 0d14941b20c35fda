package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// signer signs the content of one event, in the form of the webhook-signature header.
type signer func(content []byte) string

const (
	leastSecret = 24
	mostSecret  = 64
)

// newSigner reads a secret as the specification writes it. The error does not quote it.
func newSigner(secret string) (signer, error) {
	kind, raw, err := material(secret)
	switch {
	case err != nil:
		return nil, err
	case kind == private:
		return asymmetric(raw)
	}
	return func(content []byte) string {
		return "v1," + base64.StdEncoding.EncodeToString(sum(raw, content))
	}, nil
}

// The kinds of secrets.
const shared, private = "whsec", "whsk"

// material is the kind of a secret and its bytes: 24 to 64 of a shared one.
func material(secret string) (kind string, raw []byte, err error) {
	kind, encoded, _ := strings.Cut(secret, "_")
	raw, err = base64.StdEncoding.DecodeString(encoded)
	switch {
	case kind != shared && kind != private:
		return "", nil, errors.New("begins with whsec_ (a shared secret) or whsk_ (a private Ed25519 key)")
	case err != nil:
		return "", nil, errors.New("is not base64 after its first letters")
	case kind == shared && (len(raw) < leastSecret || len(raw) > mostSecret):
		return "", nil, errors.New("must hold 24 to 64 bytes: make one with openssl rand -base64 32, and write whsec_ before it")
	}
	return kind, raw, nil
}

// sum is the HMAC-SHA256 (RFC 2104) of content.
func sum(key, content []byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(content) // a hash takes everything
	return mac.Sum(nil)
}

// ReceiverSecret is the secret of one subscriber's receiver, whsec_ and 32 bytes in base64: the HMAC-SHA256 of "receiver "
// and its address, letter for letter, under the bytes of the account's SECRET. So each has its own, and none is stored. The
// error says what is wrong with the account's secret, and does not quote it.
func ReceiverSecret(account announce.Secret, address string) (announce.Secret, error) {
	kind, raw, err := material(account.Reveal())
	switch {
	case err != nil:
		return announce.Secret{}, err
	case kind != shared:
		return announce.Secret{}, errors.New("must begin with whsec_ with PEOPLE=true: the secret of each receiver is made from it")
	}
	return announce.NewSecret(shared + "_" + base64.StdEncoding.EncodeToString(sum(raw, []byte("receiver "+address)))), nil
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
