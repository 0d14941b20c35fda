package store

import (
	"context"
	"slices"
	"strings"
)

// mailbox is what makes two addresses the same.
func mailbox(address string) string { return strings.ToLower(strings.TrimSpace(clean(address))) }

// atOnce is how many people one transaction adds, so that a long list keeps nobody waiting.
const atOnce = 500

// AddSubscribers adds those who are not there, and brings back those who were removed. Somebody who unsubscribed stays
// unsubscribed. When it fails, added are there all the same, and the whole list may be given again. ID, Active and
// Created are not looked at.
func (db *DB) AddSubscribers(ctx context.Context, people []Subscriber) (added int, err error) {
	for some := range slices.Chunk(people, atOnce) {
		n, err := db.addSome(ctx, some)
		if added += n; err != nil {
			return added, err
		}
	}
	return added, nil
}

func (db *DB) addSome(ctx context.Context, people []Subscriber) (added int, err error) {
	if err := db.room(); err != nil {
		return 0, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		added = 0
		for _, p := range people {
			n, err := t.exec(ctx, `INSERT INTO addresses (channel, mailbox, address, name, language, standing, created_at, updated_at) VALUES ('email', ?, ?, ?, ?, 'active', ?, ?)
				ON CONFLICT (channel, mailbox) DO UPDATE SET standing = 'active', address = excluded.address, name = excluded.name,
					language = excluded.language, updated_at = excluded.updated_at WHERE addresses.standing = 'removed'`,
				mailbox(p.Address), strings.TrimSpace(clean(p.Address)), clean(p.Name), string(p.Language), us(t.now), us(t.now))
			if err != nil {
				return err
			}
			added += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

const subscriberColumns = `SELECT id, address, name, language, standing, created_at FROM addresses `

func scanSubscriber(scan func(...any) error) (s Subscriber, err error) {
	var standing string
	var created int64
	err = scan(&s.ID, &s.Address, &s.Name, &s.Language, &standing, &created)
	s.Active, s.Created = standing == "active", at(created)
	return s, err
}

// Subscribers lists active subscribers by address, after the given one.
func (db *DB) Subscribers(ctx context.Context, after string, limit int) ([]Subscriber, error) {
	var all []Subscriber
	err := db.read().each(ctx, subscriberColumns+`WHERE channel = 'email' AND mailbox > ? AND standing = 'active' ORDER BY mailbox LIMIT ?`, []any{mailbox(after), limit},
		func(scan func(...any) error) error {
			s, err := scanSubscriber(scan)
			all = append(all, s)
			return err
		})
	return all, db.fault(err)
}

// RemoveSubscriber takes somebody off the list; AddSubscribers may bring them back. False: they are not on it.
func (db *DB) RemoveSubscriber(ctx context.Context, address string) (removed bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE addresses SET standing = 'removed', updated_at = ? WHERE channel = 'email' AND mailbox = ? AND standing = 'active'`, us(t.now), mailbox(address))
		removed = n > 0
		return err
	})
	return removed && err == nil, err
}

// Subscriber finds a person by ID, also after they left.
func (db *DB) Subscriber(ctx context.Context, id int64) (s Subscriber, err error) {
	found := false
	err = db.read().each(ctx, subscriberColumns+`WHERE id = ?`, []any{id}, func(scan func(...any) error) (err error) {
		found = true
		s, err = scanSubscriber(scan)
		return err
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return s, db.fault(err)
}

// Unsubscribe ends a subscription: no call for that person begins after it returned. True for every known ID, again and again.
func (db *DB) Unsubscribe(ctx context.Context, id int64) (known bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE addresses SET standing = 'unsubscribed', updated_at = ? WHERE id = ?`, us(t.now), id)
		known = n > 0
		return err
	})
	return known && err == nil, err
}
