package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// A push service takes 4,096 bytes (RFC 8030 section 7.2): a header, one record, its delimiter and its tag.
const (
	mostSealed = 4096
	saltLength = 16
	header     = saltLength + 4 + 1 + 65 // salt, record size, length of the key and the key (RFC 8188 section 2.1)
	mostPlain  = mostSealed - header - 1 - 16
)

// seal encrypts plain, at most mostPlain bytes, for the browser of a subscription, with a new key and salt.
func seal(to subscription, plain []byte) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	return sealWith(to, plain, own, salt)
}

// sealWith is RFC 8291 section 3.4, and RFC 8188 section 2 with one record.
func sealWith(to subscription, plain []byte, own *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	shared, err := own.ECDH(to.public)
	if err != nil {
		return nil, err
	}
	public := own.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, shared, to.auth, "WebPush: info\x00"+string(to.public.Bytes())+string(public), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(slices.Clone(salt), mostSealed)
	out = append(append(out, byte(len(public))), public...)
	const last = 2 // the delimiter of the last record
	return gcm.Seal(out, nonce, append(slices.Clone(plain), last), nil), nil
}
