// Package people is who is told: how they join and leave, what they chose, what they agreed to, and the signed links by
// which they decide about it without an account.
package people

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/store"
)

// Purpose is what a link may be used for. A link for one purpose is worthless for every other.
type Purpose byte

// The purposes of links.
const (
	Unsubscribe Purpose = 'u' // to end a subscription; never expires
	Preferences Purpose = 'p' // to see and change what one gets
	Confirm     Purpose = 'c' // to join, by whoever reads the mail
	Archive     Purpose = 'a' // to read one message as a page
)

// Lifetimes of links; zero: for ever. Canada's law asks that an unsubscribe link works for 60 days at least (CASL, section 11(2)).
func (p Purpose) lifetime() time.Duration {
	switch p {
	case Confirm:
		return 72 * time.Hour
	case Preferences:
		return 400 * 24 * time.Hour
	}
	return 0
}

// path is where the page of a purpose is.
func (p Purpose) path() string {
	switch p {
	case Unsubscribe:
		return "/unsubscribe/"
	case Preferences:
		return "/preferences/"
	case Confirm:
		return "/confirm/"
	}
	return "/read/"
}

// Links makes the links that people get in messages, and reads what they bring back. Safe for concurrent use.
type Links struct {
	base string
	keys atomic.Pointer[[]*key] // newest first
}

// key is a signing key whose hash is begun once and reused: a mailing makes three links per letter.
type key struct {
	leaked bool
	begun  sync.Pool
}

// Key signs links.
type Key struct {
	Secret []byte
	Leaked bool // somebody else may have it: what it signed is good for leaving, and for nothing else
}

// NewLinks signs with the first of keys and reads links of all of them. base is where people reach this server, without a
// final slash; empty: there are no links.
func NewLinks(base string, keys ...[]byte) *Links {
	l := &Links{base: base}
	all := make([]Key, len(keys))
	for i, k := range keys {
		all[i].Secret = k
	}
	l.Use(all)
	return l
}

// Use makes the first of keys sign from now on, and all of them be read.
func (l *Links) Use(keys []Key) {
	all := make([]*key, len(keys))
	for i, k := range keys {
		all[i] = &key{k.Leaked, sync.Pool{New: func() any { return hmac.New(sha256.New, k.Secret) }}}
	}
	l.keys.Store(&all)
}

// LoadLinks makes links use the keys that are on record.
func LoadLinks(ctx context.Context, db *store.DB, l *Links) error {
	all, err := db.LinkKeys(ctx)
	if err != nil {
		return err
	}
	keys := make([]Key, len(all))
	for i, k := range all {
		keys[i] = Key(k)
	}
	l.Use(keys)
	return nil
}

// RotateLinks makes a new key that signs every link from now on, on this server at once and within lookEvery on others. Links of
// the keys before stay good. leaked: somebody else may have those keys; then their links are good for leaving only.
func (s *Service) RotateLinks(ctx context.Context, leaked bool, who string) error {
	if err := s.Store.RotateLinkKey(ctx, leaked, who); err != nil {
		return err
	}
	return LoadLinks(ctx, s.Store, s.Links)
}

// signing is the key that signs.
func (l *Links) signing() *key { return (*l.keys.Load())[0] }

// reading are the keys whose word is taken for a purpose; a seal has none, 0.
func (l *Links) reading(p Purpose) []*key {
	all := *l.keys.Load()
	if p == Unsubscribe || !slices.ContainsFunc(all, func(k *key) bool { return k.leaked }) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(k *key) bool { return k.leaked })
}

// Bearer is what a link stands for.
type Bearer struct {
	Address int64 // the store's number of the address
	Letter  int64 // of an Archive link: the mailing that the message belongs to; else 0
}

// Make returns a link for a purpose, or "" when people cannot reach this server. now begins its lifetime.
func (l *Links) Make(p Purpose, b Bearer, now time.Time) string {
	if l.base == "" {
		return ""
	}
	return l.base + p.path() + l.Token(p, b, now)
}

// A token is purpose, address, letter and end of life (hours since 1970), then 16 bytes of HMAC-SHA256 over these.
const (
	headSize = 1 + 6 + 6 + 4
	macSize  = 16
)

// Token is the last part of a link: 44 characters that are safe in URLs.
func (l *Links) Token(p Purpose, b Bearer, now time.Time) string {
	var t [headSize + macSize]byte
	t[0] = byte(p)
	put48(t[1:], b.Address)
	put48(t[7:], b.Letter)
	if life := p.lifetime(); life > 0 {
		binary.BigEndian.PutUint32(t[13:], uint32(now.Add(life).Unix()/3600)+1)
	}
	l.signing().sign(t[:headSize], t[headSize:])
	return base64.RawURLEncoding.EncodeToString(t[:])
}

// ErrLink means that a link was not made here, or not for this; ErrExpired that it was, but is too old.
var (
	ErrLink    = errors.New("this link is not one of ours")
	ErrExpired = errors.New("this link is too old")
)

// Read checks a token for a purpose. On ErrExpired the bearer is told too, so that they can be sent a fresh link.
func (l *Links) Read(p Purpose, token string, now time.Time) (Bearer, error) {
	t, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(t) != headSize+macSize || t[0] != byte(p) || !l.signed(t) {
		return Bearer{}, ErrLink
	}
	b := Bearer{get48(t[1:]), get48(t[7:])}
	if end := binary.BigEndian.Uint32(t[13:]); end > 0 && now.Unix()/3600 >= int64(end) {
		return b, ErrExpired
	}
	return b, nil
}

// back is the purpose of a return token, which is in no link.
const back Purpose = 'b'

var returned = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ReturnToken names a letter in the address that its bounces come to: 34 lower-case letters and digits of base32 (RFC 4648).
// It never expires.
func (l *Links) ReturnToken(b Bearer) string {
	var t [13]byte
	t[0] = byte(back)
	put48(t[1:], b.Address)
	put48(t[7:], b.Letter)
	return returned.EncodeToString(append(t[1:], l.signing().mac(t[:])[:9]...))
}

// ReadReturnToken checks a return token and says whose it is.
func (l *Links) ReadReturnToken(token string) (Bearer, bool) {
	raw, err := returned.DecodeString(token)
	if err != nil || len(raw) != 21 || returned.EncodeToString(raw) != token {
		return Bearer{}, false
	}
	head := append([]byte{byte(back)}, raw[:12]...)
	for _, k := range l.reading(back) {
		if hmac.Equal(k.mac(head)[:9], raw[12:]) {
			return Bearer{get48(head[1:]), get48(head[7:])}, true
		}
	}
	return Bearer{}, false
}

func (l *Links) signed(t []byte) bool {
	var mac [macSize]byte
	for _, k := range l.reading(Purpose(t[0])) {
		if k.sign(t[:headSize], mac[:]); hmac.Equal(mac[:], t[headSize:]) {
			return true
		}
	}
	return false
}

// mac is the first bytes of the HMAC of data.
func (k *key) mac(data []byte) []byte {
	mac := make([]byte, macSize)
	k.sign(data, mac)
	return mac
}

// sign writes the first bytes of the HMAC of head to mac.
func (k *key) sign(head, mac []byte) {
	h := k.begun.Get().(hash.Hash)
	var sum [sha256.Size]byte
	h.Reset()
	h.Write(head)
	copy(mac[:macSize], h.Sum(sum[:0]))
	k.begun.Put(h)
}

func put48(b []byte, n int64) {
	var w [8]byte
	binary.BigEndian.PutUint64(w[:], uint64(n))
	copy(b, w[2:])
}

func get48(b []byte) int64 {
	var w [8]byte
	copy(w[2:], b[:6])
	return int64(binary.BigEndian.Uint64(w[:]))
}
