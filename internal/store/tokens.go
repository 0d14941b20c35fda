package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

const tokenPrefix = "crr_"

// fresh is how exactly Token.Used is known.
const fresh = time.Minute

func hashed(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// CreateToken makes a token and returns its secret, which is stored nowhere.
func (db *DB) CreateToken(ctx context.Context, name string, scopes []string) (plain announce.Secret, t Token, err error) {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails on a supported system (its documentation)
	word := tokenPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b))
	err = db.write(ctx, func(ctx context.Context, x *tx) error {
		t = Token{ID: string(announce.NewID(x.now)), Name: clean(name), Scopes: scopes, Created: x.now}
		x.log(Event{What: "token-created", Detail: t.Name + ": " + strings.Join(scopes, ", ")})
		_, err := x.exec(ctx, `INSERT INTO tokens (id, name, hash, scopes, created_at) VALUES (?, ?, ?, ?, ?)`,
			t.ID, t.Name, hashed(word), strings.Join(scopes, " "), us(t.Created))
		return err
	})
	if err != nil {
		return announce.Secret{}, Token{}, err
	}
	return announce.NewSecret(word), t, nil
}

// Tokens lists all tokens, revoked ones too, oldest first.
func (db *DB) Tokens(ctx context.Context) ([]Token, error) {
	var all []Token
	err := db.read().each(ctx, tokenColumns+`ORDER BY id`, nil, func(scan func(...any) error) error {
		t, _, err := scanToken(scan)
		all = append(all, t)
		return err
	})
	return all, db.fault(err)
}

const tokenColumns = `SELECT id, name, hash, scopes, created_at, used_at, revoked_at FROM tokens `

func scanToken(scan func(...any) error) (t Token, hash string, err error) {
	var scopes string
	var created, used, revoked int64
	err = scan(&t.ID, &t.Name, &hash, &scopes, &created, &used, &revoked)
	t.Scopes, t.Created, t.Used, t.Revoked = strings.Fields(scopes), at(created), at(used), at(revoked)
	return t, hash, err
}

// RevokeToken makes a token worthless for ever. ErrNotFound: there is none, or it was revoked before.
func (db *DB) RevokeToken(ctx context.Context, id string) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0`, us(t.now), clean(id))
		if err == nil && n == 0 {
			return ErrNotFound
		}
		t.log(Event{What: "token-revoked", Detail: id})
		return err
	})
}

// Authenticate finds the token of a secret. False: unknown or revoked. What the answer takes does not tell how much of
// a secret was right. Its use is noted when the last note is a minute old; failing to note it does not fail the caller.
func (db *DB) Authenticate(ctx context.Context, plain string) (Token, bool, error) {
	want := hashed(plain)
	var t Token
	good := false
	err := db.read().each(ctx, tokenColumns+`WHERE hash = ?`, []any{want}, func(scan func(...any) error) (err error) {
		var hash string
		t, hash, err = scanToken(scan)
		good = subtle.ConstantTimeCompare([]byte(hash), []byte(want)) == 1 && t.Revoked.IsZero()
		return err
	})
	if err != nil || !good {
		return Token{}, false, db.fault(err)
	}
	if now := db.Now(); now.Sub(t.Used) >= fresh {
		err := db.write(ctx, func(ctx context.Context, x *tx) error {
			_, err := x.exec(ctx, `UPDATE tokens SET used_at = ? WHERE id = ? AND used_at < ?`, us(now), t.ID, us(now))
			return err
		})
		if err != nil {
			db.o.Log.Warn("the use of a token was not noted", "token", t.ID, "error", err)
		} else {
			t.Used = now
		}
	}
	return t, true, nil
}
