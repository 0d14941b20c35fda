package people

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLinks(t *testing.T) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	old, new := []byte("old key"), []byte("new key")
	before := NewLinks("https://crieur.example.org", old)
	b := Bearer{Address: 1 << 40, Letter: 7}
	for _, p := range []Purpose{Unsubscribe, Preferences, Confirm, Archive} {
		link := before.Make(p, b, now)
		token := link[strings.LastIndexByte(link, '/')+1:]
		for name, l := range map[string]*Links{"same key": before, "rotated key": NewLinks("x", new, old)} {
			if got, err := l.Read(p, token, now); err != nil || got != b {
				t.Errorf("%c, %s: %+v, %v", p, name, got, err)
			}
		}
		if _, err := NewLinks("x", new).Read(p, token, now); !errors.Is(err, ErrLink) {
			t.Errorf("%c: a dropped key still signs: %v", p, err)
		}
		for _, other := range []Purpose{Unsubscribe, Preferences, Confirm, Archive} {
			if _, err := before.Read(other, token, now); (err == nil) != (other == p) {
				t.Errorf("%c read for %c: %v", p, other, err)
			}
		}
		raw, _ := base64.RawURLEncoding.DecodeString(token)
		for i := range len(raw) * 8 {
			raw[i/8] ^= 1 << (i % 8)
			if _, err := before.Read(p, base64.RawURLEncoding.EncodeToString(raw), now); !errors.Is(err, ErrLink) {
				t.Errorf("%c: bit %d turned: %v", p, i, err)
			}
			raw[i/8] ^= 1 << (i % 8)
		}
		_, err := before.Read(p, token, now.AddDate(10, 0, 0))
		if forEver := p == Unsubscribe || p == Archive; forEver != (err == nil) || !forEver && !errors.Is(err, ErrExpired) {
			t.Errorf("%c after ten years: %v", p, err)
		}
	}
	if got := NewLinks("", old).Make(Unsubscribe, b, now); got != "" {
		t.Errorf("a link to nowhere: %q", got)
	}
}

func FuzzLinks(f *testing.F) {
	now := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	l := NewLinks("x", []byte("key"))
	f.Add(l.Token(Unsubscribe, Bearer{Address: 1}, now))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		b, err := l.Read(Unsubscribe, token, now)
		if err == nil && l.Token(Unsubscribe, b, now) != token {
			t.Errorf("%q is read as %+v, whose token is another", token, b)
		}
	})
}

func TestReturnTokens(t *testing.T) {
	l := NewLinks("", []byte("new"), []byte("old"))
	b := Bearer{Address: 1 << 40, Letter: 9}
	for _, maker := range []*Links{l, NewLinks("", []byte("old"))} {
		token := maker.ReturnToken(b)
		if got, ok := l.ReadReturnToken(token); !ok || got != b || len(token) > 38 || strings.ToLower(token) != token {
			t.Errorf("%q: %+v %v", token, got, ok)
		}
		for i := range token {
			forged := []byte(token)
			forged[i] = "ab"[(forged[i]+1)%2]
			if got, ok := l.ReadReturnToken(string(forged)); ok && string(forged) != token {
				t.Errorf("%s is taken for %+v", forged, got)
			}
		}
	}
	for _, token := range []string{"", "a", l.Token(Unsubscribe, b, time.Now()), NewLinks("", []byte("other")).ReturnToken(b)} {
		if got, ok := l.ReadReturnToken(token); ok {
			t.Errorf("%q is taken for %+v", token, got)
		}
	}
}

// A new key signs, the old ones are read; one that leaked is good for leaving and for nothing else.
func TestRotation(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	now := d.clock()
	if err := LoadLinks(ctx, d.db, d.links); err != nil {
		t.Fatal(err)
	}
	b := Bearer{Address: 3, Letter: 4}
	purposes := []Purpose{Unsubscribe, Preferences, Confirm, Archive}
	tokens := func() map[Purpose]string {
		all := map[Purpose]string{}
		for _, p := range purposes {
			all[p] = d.links.Token(p, b, now)
		}
		return all
	}
	first, back, seal := tokens(), d.links.ReturnToken(b), d.links.Seal("form", []byte("x"))
	for i, leaked := range []bool{false, true, false} {
		if err := d.RotateLinks(ctx, leaked, "ada"); err != nil {
			t.Fatal(err)
		}
		if tokens()[Preferences] == first[Preferences] {
			t.Error("the old key still signs")
		}
		elsewhere := NewLinks("x")
		if err := LoadLinks(ctx, d.db, elsewhere); err != nil {
			t.Fatal(err)
		}
		for where, l := range map[string]*Links{"here": d.links, "on another server": elsewhere} {
			good := func(p Purpose) bool { return i == 0 || p == Unsubscribe }
			for _, p := range purposes {
				if _, err := l.Read(p, first[p], now); (err == nil) != good(p) {
					t.Errorf("rotation %d, %s: %c: %v", i, where, p, err)
				}
				if got, err := l.Read(p, tokens()[p], now); err != nil || got != b {
					t.Errorf("rotation %d, %s: a new %c: %v", i, where, p, err)
				}
			}
			if _, ok := l.ReadReturnToken(back); ok != good(0) {
				t.Errorf("rotation %d, %s: a return token is good: %v", i, where, ok)
			}
			if l.Sealed("form", []byte("x"), seal) != good(0) {
				t.Errorf("rotation %d, %s: the seal", i, where)
			}
		}
	}
}
