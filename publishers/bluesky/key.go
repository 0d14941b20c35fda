package bluesky

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// dated is the moment of a post, equal on every repeat. Parts of a thread follow one another by a millisecond.
func dated(m announce.Message) (time.Time, error) {
	at := m.Date
	if at.IsZero() {
		at = m.Created
	}
	if at.Unix() <= 0 {
		return time.Time{}, &announce.Error{Outcome: announce.Permanent, Fault: "the message has no date, from which the post's name on Bluesky follows; this is a fault of the program"}
	}
	return at.UTC().Truncate(time.Millisecond).Add(time.Duration(m.Part) * time.Millisecond), nil
}

// recordKey is the post's name, equal on every repeat: the second of its date, then 30 bits that tell apart the posts
// of that second, in the form that the AT Protocol asks for (a TID).
func recordKey(m announce.Message) (string, error) {
	at, err := dated(m)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(m.Key))
	hash := binary.BigEndian.Uint64(sum[:])
	micros := uint64(at.Truncate(time.Second).UnixMicro()) + hash>>10%1_000_000 //nolint:gosec // dates are after 1970
	const alphabet = "234567abcdefghijklmnopqrstuvwxyz"
	var key [13]byte
	for n, i := micros<<10|hash&0x3ff, len(key)-1; i >= 0; n, i = n>>5, i-1 {
		key[i] = alphabet[n&31]
	}
	return string(key[:]), nil
}
