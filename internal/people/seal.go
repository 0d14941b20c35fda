package people

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Seal signs data that a stranger is given and brings back, as a form does. What it is for is part of what is signed: a
// seal for one use is worthless for every other, and none is a link.
func (l *Links) Seal(use string, data []byte) []byte { return seal(l.keys[0], use, data) }

// Sealed tells whether Seal made the seal for this use of this data, with a key that is still good.
func (l *Links) Sealed(use string, data, mac []byte) bool {
	for _, k := range l.keys {
		if hmac.Equal(seal(k, use, data), mac) {
			return true
		}
	}
	return false
}

func seal(key []byte, use string, data []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("seal\x00" + use + "\x00"))
	m.Write(data)
	return m.Sum(nil)[:macSize]
}
