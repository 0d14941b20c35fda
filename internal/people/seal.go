package people

import (
	"crypto/hmac"
	"slices"
)

// Seal signs data that a stranger is given and brings back, as a form does. What it is for is part of what is signed: a
// seal for one use is worthless for every other, and none is a link.
func (l *Links) Seal(use string, data []byte) []byte {
	mac := make([]byte, macSize)
	l.keys[0].sign(sealed(use, data), mac)
	return mac
}

// Sealed tells whether Seal made the seal for this use of this data, with a key that is still good.
func (l *Links) Sealed(use string, data, seal []byte) bool {
	var mac [macSize]byte
	for _, k := range l.keys {
		if k.sign(sealed(use, data), mac[:]); hmac.Equal(mac[:], seal) {
			return true
		}
	}
	return false
}

// sealed is what is signed; it begins with no purpose of a link.
func sealed(use string, data []byte) []byte {
	return slices.Concat([]byte("seal\x00"), []byte(use), []byte{0}, data)
}
