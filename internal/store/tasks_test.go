package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

func TestTasks(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack", "assisted")
		id := save(t, db, s)
		publish(t, db, "slack", id)
		c := claim(t, db, "assisted", id)
		d := c.Delivery
		d.Rest, d.Fault = announce.Person, "post it"
		record(t, db, c, d)
		tasks, err := db.Tasks(t.Context(), 10)
		must(t, err)
		if len(tasks) != 1 || tasks[0].Account != "assisted" || tasks[0].Fault != "post it" {
			t.Fatalf("%+v", tasks)
		}
		m, ok, err := db.Frozen(t.Context(), tasks[0])
		must(t, err)
		if !ok || m.Text != "un" || m.Key != d.ID {
			t.Errorf("%v %+v", ok, m)
		}
		must(t, db.Revise(t.Context(), 1, s.next(db)))
		if m, _, err = db.Frozen(t.Context(), delivery(t, db, d.ID)); err != nil || m.Text != "un, 2" {
			t.Errorf("%v %+v", err, m)
		}
	})
}

func TestAPostIsOneDeliverys(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		first := publish(t, db, "slack", save(t, db, sample(db, "slack")))
		other := only(t, db, save(t, db, sample(db, "slack")), "slack")
		for receipt, want := range map[string]bool{first.Receipt.ID: true, "another": false, "": false} {
			if got, err := db.Taken(t.Context(), other, receipt); err != nil || got != want {
				t.Errorf("%q: %v, %v", receipt, got, err)
			}
		}
		if got, err := db.Taken(t.Context(), first, first.Receipt.ID); err != nil || got {
			t.Errorf("its own: %v, %v", got, err)
		}
	})
}

func TestPictureByHash(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack")
		data := []byte("a picture")
		s.Payloads[0].Message.Images = []announce.Picture{{Data: data, Type: "image/png"}}
		save(t, db, s)
		sum := sha256.Sum256(data)
		got, err := db.Picture(t.Context(), hex.EncodeToString(sum[:]))
		if must(t, err); !bytes.Equal(got, data) {
			t.Errorf("%q", got)
		}
		for _, hash := range []string{"", "xx", hex.EncodeToString(make([]byte, 32))} {
			_, err := db.Picture(t.Context(), hash)
			want(t, err, ErrNotFound)
		}
	})
}

func TestSecretIsOneForAll(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		var first []byte
		for _, db := range p.servers(t) {
			for range 2 {
				s, err := db.Secret(t.Context(), "links")
				must(t, err)
				if len(s) != 32 || first != nil && !bytes.Equal(s, first) {
					t.Fatalf("%x, then %x", first, s)
				}
				first = s
			}
			other, err := db.Secret(t.Context(), "other")
			if must(t, err); bytes.Equal(other, first) {
				t.Error("two secrets are one")
			}
		}
	})
}
