package people

import "crypto/hmac"

// Seal signs data that a stranger is given and brings back, as a form does. What it is for is part of what is signed: a
// seal for one use is worthless for every other, and none is a link.
func (l *Links) Seal(use string, data []byte) []byte { return l.signing().mac(sealing(use, data)) }

// Sealed tells whether Seal made the seal for this use of this data, with a key that is still good.
func (l *Links) Sealed(use string, data, mac []byte) bool {
	for _, k := range l.reading(0) {
		if hmac.Equal(k.mac(sealing(use, data)), mac) {
			return true
		}
	}
	return false
}

// sealing is what is signed for a use.
func sealing(use string, data []byte) []byte { return append([]byte("seal\x00"+use+"\x00"), data...) }
