package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/crieur/crieur/internal/announce"
)

// Topic is something that people can choose to hear about.
type Topic struct {
	Name    string
	Facet   string // heading under which it is offered: kind, place, theme
	Private bool   // not offered: only whoever was added hears of it
	Labels  map[announce.Language]string
	Place   int // order on pages
}

// Topics lists every topic, in the order of pages.
func (db *DB) Topics(ctx context.Context) ([]Topic, error) {
	var all []Topic
	err := db.read().each(ctx, `SELECT name, facet, private, labels, place FROM topics ORDER BY place, name`, nil, func(scan func(...any) error) error {
		var t Topic
		var private int64
		var labels string
		err := scan(&t.Name, &t.Facet, &private, &labels, &t.Place)
		t.Private = private == 1
		if err == nil {
			err = json.Unmarshal([]byte(labels), &t.Labels)
		}
		all = append(all, t)
		return err
	})
	return all, db.fault(err)
}

// PutTopic adds a topic, or changes the one of that name.
func (db *DB) PutTopic(ctx context.Context, p Topic, actor string) error {
	if p.Labels == nil {
		p.Labels = map[announce.Language]string{}
	}
	labels, err := json.Marshal(p.Labels)
	if err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		t.log(Event{Actor: actor, What: "topic", Detail: p.Name})
		_, err := t.exec(ctx, `INSERT INTO topics (name, facet, private, labels, place) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
			facet = excluded.facet, private = excluded.private, labels = excluded.labels, place = excluded.place`,
			clean(p.Name), clean(p.Facet), flag(p.Private), clean(string(labels)), p.Place)
		return err
	})
}

// RemoveTopic takes a topic out of every choice. Whoever chose nothing else and not everything hears nothing any more.
// ErrNotFound: there is none. ErrNamed: an announcement whose audience is still to be picked names it; without the topic it
// would go to others.
func (db *DB) RemoveTopic(ctx context.Context, name, actor string) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		err := t.each(ctx, `SELECT topics FROM plans WHERE open = 1 AND done = 0`, nil, func(scan func(...any) error) error {
			var written string
			var topics []string
			if err := scan(&written); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(written), &topics); err != nil {
				return err
			}
			if slices.Contains(topics, clean(name)) {
				return ErrNamed
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM subscriptions WHERE topic = ?`, clean(name)); err != nil {
			return err
		}
		n, err := t.exec(ctx, `DELETE FROM topics WHERE name = ?`, clean(name))
		if err == nil && n == 0 {
			return ErrNotFound
		}
		t.log(Event{Actor: actor, What: "topic-removed", Detail: name})
		return err
	})
}

// choose makes topics all that an address subscribes to. The error is a Faults when there is no such topic.
func (t *tx) choose(ctx context.Context, id int64, topics []string) error {
	if _, err := t.exec(ctx, `DELETE FROM subscriptions WHERE address = ?`, id); err != nil {
		return err
	}
	return t.subscribe(ctx, id, topics)
}

// subscribe adds topics to what an address subscribes to.
func (t *tx) subscribe(ctx context.Context, id int64, topics []string) error {
	for _, topic := range topics {
		var known int
		found, err := t.one(ctx, `SELECT 1 FROM topics WHERE name = ?`, []any{clean(topic)}, &known)
		if err != nil {
			return err
		}
		if !found {
			return announce.Faults{{Field: "topics", Say: fmt.Sprintf("%q is not a topic here", topic)}}
		}
		if _, err := t.exec(ctx, `INSERT INTO subscriptions (address, topic) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, clean(topic)); err != nil {
			return err
		}
	}
	return nil
}
