package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// knows is every table that knows a person, and how the rows of one address are found in it. A test walks the schema for
// others.
func knows() []struct{ table, query string } {
	return []struct{ table, query string }{
		{"addresses", `SELECT * FROM addresses WHERE id = ?`},
		{"subscriptions", `SELECT * FROM subscriptions WHERE address = ? ORDER BY topic`},
		{"consents", `SELECT c.*, COALESCE(w.text, '') AS words FROM consents c LEFT JOIN wordings w ON w.hash = c.wording WHERE c.address = ? ORDER BY c.at`},
		{"letters", `SELECT p.announcement, p.account, l.* FROM plans p JOIN letters l ON l.plan = p.id WHERE l.address = ? ORDER BY l.first_due, l.plan`},
		{"reports", `SELECT * FROM reports WHERE address = ? ORDER BY at`},
	}
}

// Export is everything on record of some addresses, as JSON: for each table its rows. Moments are RFC 3339; where there is none, null.
func (db *DB) Export(ctx context.Context, all []Address) ([]byte, error) {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return nil, err
	}
	out := map[string][]map[string]any{"suppressions": {}, "requests": {}}
	for _, k := range knows() {
		out[k.table] = []map[string]any{}
		for _, a := range all {
			if err := db.table(ctx, out, k.table, k.query, a.ID); err != nil {
				return nil, err
			}
		}
	}
	for _, a := range all {
		hash := conceal(key, a.Channel, Mailbox(a.Channel, a.Address))
		if err := db.table(ctx, out, "suppressions", `SELECT reason, at FROM suppressions WHERE hash = ?`, hash); err != nil {
			return nil, err
		}
		if err := db.table(ctx, out, "requests", `SELECT what, at FROM requests WHERE what = 'address' AND who = ? ORDER BY at`, hash); err != nil {
			return nil, err
		}
	}
	return json.MarshalIndent(out, "", "  ")
}

// table appends the rows of a query to those of a table.
func (db *DB) table(ctx context.Context, out map[string][]map[string]any, table, query string, arg any) (err error) {
	rows, err := db.read().on.QueryContext(ctx, query, arg)
	if err != nil {
		return db.fault(err)
	}
	defer func() {
		if end := rows.Close(); err == nil {
			err = db.fault(end)
		}
	}()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return db.fault(err)
		}
		row := map[string]any{}
		for i, c := range columns {
			row[c] = legible(c, values[i])
		}
		out[table] = append(out[table], row)
	}
	return db.fault(rows.Err())
}

// legible makes a moment of what is stored as one.
func legible(column string, v any) any {
	n, whole := v.(int64)
	moment := column == "at" || column == "next" || column == "began" || column == "first_due" || strings.HasSuffix(column, "_at") || strings.HasSuffix(column, "_until")
	switch {
	case !whole || !moment:
		return v
	case n == 0:
		return nil
	}
	return at(n).Format(time.RFC3339)
}
