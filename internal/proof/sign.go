package proof

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
)

// Proof is a statement with its signature.
type Proof struct {
	Statement Statement `json:"proof" doc:"What is signed. The signed bytes are this value as RFC 8785 writes it."`
	Signature Signature `json:"signature"`
	Page      string    `json:"page,omitempty" doc:"Where anybody who has this address can see it as it stands by then."`
}

// Signature is by the server's key.
type Signature struct {
	Algorithm string `json:"algorithm" enum:"Ed25519" doc:"RFC 8032, without a hash before it."`
	KeyID     string `json:"key_id" doc:"The first 16 hexadecimal digits of the SHA-256 of the public key (SubjectPublicKeyInfo, DER)."`
	Key       string `json:"key,omitempty" doc:"Where the public key is, as PEM."`
	Value     []byte `json:"value" doc:"The 64 bytes, base64."`
}

// KeyPath is where a server keeps its public key.
const KeyPath = "/proof/key.pem"

// ErrForged means that a proof was changed after it was signed, or was signed with another key.
var ErrForged = errors.New("the signature does not fit: the proof was changed after it was signed, or another server signed it")

// PublicKey is the key that proofs are checked with, as PEM.
func (o *Office) PublicKey(ctx context.Context) ([]byte, error) {
	key, err := o.key(ctx)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

func sign(s Statement, key ed25519.PrivateKey, server string) (Proof, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return Proof{}, err
	}
	signed, err := canonical(raw)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Statement: s, Signature: Signature{Algorithm: "Ed25519", Value: ed25519.Sign(key, signed)}}
	if p.Signature.KeyID, err = keyID(key.Public().(ed25519.PublicKey)); err == nil && server != "" {
		p.Signature.Key = server + KeyPath
	}
	return p, err
}

func keyID(key ed25519.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:8]), err
}

// ErrKey means that what proofs are to be checked with is not the public key of a server.
var ErrKey = errors.New("this is not the public key of a server: it must be PEM with a key of Ed25519, as a server has it at " + KeyPath)

// Verify reads a proof that somebody handed over and checks it with the key of the server that it is said to come from.
// Only what it returns was signed. ErrForged, ErrKey; other errors say what is no proof.
func Verify(document, publicKey []byte) (Statement, error) {
	block, _ := pem.Decode(publicKey)
	if block == nil {
		return Statement{}, ErrKey
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return Statement{}, ErrKey
	}
	var p struct {
		Statement json.RawMessage `json:"proof"`
		Signature Signature       `json:"signature"`
	}
	if err := json.Unmarshal(document, &p); err != nil || len(p.Statement) == 0 {
		return Statement{}, errors.New("this is not a proof: it must be the JSON document with the fields proof and signature")
	}
	signed, err := canonical(p.Statement)
	if err != nil {
		return Statement{}, err
	}
	if !ed25519.Verify(key, signed, p.Signature.Value) {
		return Statement{}, ErrForged
	}
	var s Statement
	if err := json.Unmarshal(signed, &s); err != nil {
		return Statement{}, err
	}
	if s.Version != 1 {
		return Statement{}, fmt.Errorf("the proof is of version %d, and this program reads version 1", s.Version)
	}
	return s, nil
}

// canonical writes JSON as RFC 8785 does, as far as statements go: their names are ASCII, their numbers whole, and their
// strings free of what plain takes out.
func canonical(raw []byte) ([]byte, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
