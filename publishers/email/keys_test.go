package email

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

func rsaKey(t testing.TB) announce.Secret {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return keyPEM(t, key, err)
}

func ed25519Key(t testing.TB) announce.Secret {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return keyPEM(t, key, err)
}

func keyPEM(t testing.TB, key any, err error) announce.Secret {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return announce.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}
