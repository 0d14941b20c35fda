package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Owner names whoever holds this state directory, for ClaimOptions: the same after every restart. The directory's lock
// lets one process at a time use it.
func (db *DB) Owner() string { return db.owner }

const ownerFile = "server-id"

// openOwner reads the state directory's name, or gives it one. A record without a directory gets a name for this process.
func (db *DB) openOwner() error {
	fresh := make([]byte, 6)
	if _, err := rand.Read(fresh); err != nil {
		return err
	}
	db.owner = "server-" + hex.EncodeToString(fresh)
	if db.o.Dir == "" {
		return nil
	}
	path := filepath.Join(db.o.Dir, ownerFile)
	b, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(b)); err == nil && name != "" {
		db.owner = name
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, []byte(db.owner+"\n"), 0o600); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

const takeBack = `UPDATE deliveries SET lease_until = ? WHERE account IN (SELECT account FROM accounts) AND due > ? AND lease_until > ? AND owner = ?`

// takeBack ends the leases that an earlier process left on this state directory. It is dead: its lock is ours. What it
// was calling is settled at once instead of when the lease lapses.
func (db *DB) takeBack(ctx context.Context) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		now := us(t.now)
		if _, err := t.exec(ctx, takeBack, now, now, now, db.owner); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE leases SET lease_until = ? WHERE lease_until > ? AND owner = ?`, now, now, db.owner); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE cursors SET next = 0 WHERE owner = ?`, db.owner)
		return err
	})
}
