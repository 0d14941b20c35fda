package store

import (
	"fmt"
	"testing"
	"time"
)

// A cursor begins at the end of the log, lasts, and is moved by one of those who would.
func TestCursors(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		servers := p.servers(t)
		db, other, ctx := servers[0], servers[len(servers)-1], t.Context()
		must(t, db.PutTopic(ctx, Topic{Name: "go"}, "ada"))
		end, err := db.LastEvent(ctx)
		must(t, err)
		c, err := db.Cursor(ctx, "site")
		must(t, err)
		if end == 0 || c != (Cursor{Seq: end}) {
			t.Fatalf("%+v, the log ends at %d", c, end)
		}
		must(t, db.PutTopic(ctx, Topic{Name: "rust"}, "ada"))
		if again, err := other.Cursor(ctx, "site"); err != nil || again != c {
			t.Fatalf("%+v %v", again, err)
		}
		mine := Cursor{Seq: end, Tries: 2, Next: db.Now().Add(time.Minute)}
		for i, want := range []bool{true, false} {
			if moved, err := servers[i%len(servers)].MoveCursor(ctx, "site", c, mine); err != nil || moved != want {
				t.Fatalf("%d: %v %v", i, moved, err)
			}
		}
		if got, err := other.Cursor(ctx, "site"); err != nil || fmt.Sprint(got) != fmt.Sprint(mine) {
			t.Errorf("%+v %v", got, err)
		}
	})
}
