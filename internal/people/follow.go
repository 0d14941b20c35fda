package people

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// How events are told to whoever follows the subscribers.
const (
	follows    = "subscribers" // the name of the cursor
	followPoll = time.Second
	followHold = time.Minute      // one server tells at a time; after a crash another begins when this is over
	followCall = 15 * time.Second // for one event
	firstWait  = 5 * time.Second  // then twice as long each time, up to
	lastWait   = time.Hour
	alarming   = 10 // tries in vain, an hour and a half, before organisers are told
)

// Post sends an event to whoever follows the subscribers. nil: they have it. Before the RetryAfter of an *announce.Error is
// over, nothing more is sent.
type Post func(ctx context.Context, id string, body []byte) error

// Follow tells of every change of a subscriber, in the order of the log of events, until ctx is done. It goes on where it
// ended, after a crash too; the first time it begins with what happens from then on. What is told again has the same ID.
// What cannot be told waits with all that is behind it, and nothing else waits for it.
func (s *Service) Follow(ctx context.Context, post Post) error {
	key, err := s.Store.Secret(ctx, "events")
	if err != nil {
		return err
	}
	c, err := s.Store.Cursor(ctx, follows)
	if err != nil {
		return err
	}
	s.Log.Info("every change of a subscriber is told to whoever follows them", "after_event", c.Seq)
	f := follower{Service: s, post: post, key: key}
	for ctx.Err() == nil {
		wait, err := f.turn(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("whoever follows the subscribers could not be told of a change; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

type follower struct {
	*Service
	post Post
	key  []byte
	seen int64 // nothing between the cursor and here is about subscribers
}

// turn tells what there is to tell, and how long to wait for more.
func (f *follower) turn(ctx context.Context) (wait time.Duration, err error) {
	c, err := f.Store.Cursor(ctx, follows)
	if err != nil || c.Next.After(f.Store.Now()) {
		return followPoll, err
	}
	all, err := f.Store.Events(ctx, max(c.Seq, f.seen), 500)
	if err != nil || len(all) == 0 {
		return followPoll, err
	}
	for _, e := range all {
		if !strings.HasPrefix(e.What, "subscriber") {
			f.seen = e.Seq
			continue
		}
		mine := store.Cursor{Seq: c.Seq, Tries: c.Tries, Next: f.Store.Now().Add(followHold)}
		if ok, err := f.Store.MoveCursor(ctx, follows, c, mine); err != nil || !ok {
			return followPoll, err
		}
		to := store.Cursor{Seq: e.Seq}
		if err = f.tell(ctx, e); err != nil {
			to = f.later(ctx, c, err)
		}
		// Also when the server stops: what was told is not told again.
		if _, moveErr := f.Store.MoveCursor(context.WithoutCancel(ctx), follows, mine, to); err != nil || moveErr != nil || ctx.Err() != nil {
			return followPoll, errors.Join(err, moveErr)
		}
		c = to
	}
	return 0, nil
}

// later is the cursor after a try in vain.
func (f *follower) later(ctx context.Context, c store.Cursor, err error) store.Cursor {
	if ctx.Err() != nil {
		return c
	}
	wait := min(firstWait<<min(c.Tries, 20), lastWait)
	var e *announce.Error
	if errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	if c.Tries++; c.Tries == alarming && f.Tell != nil {
		f.Tell(ctx, "following:"+strconv.FormatInt(c.Seq, 10), unfollowed())
	}
	c.Next = f.Store.Now().Add(wait)
	return c
}

func unfollowed() map[announce.Language]announce.Text {
	return map[announce.Language]announce.Text{
		"fr": {
			Title: "Un programme ne reçoit plus les changements d’abonnement",
			Body: "Le récepteur de `CRIEUR_SUBSCRIBER_WEBHOOK_URL` n’accepte pas les changements d’abonnement ; le journal du serveur dit pourquoi. " +
				"Rien n’est perdu : ils attendent, dans l’ordre, et chacun repart au moins une fois par heure.",
		},
		"en": {
			Title: "A program no longer gets the changes of subscriptions",
			Body: "The receiver of `CRIEUR_SUBSCRIBER_WEBHOOK_URL` does not take the changes of subscriptions; the server's log says why. " +
				"Nothing is lost: they wait, in order, and are tried once an hour at least.",
		},
	}
}

// happening is the body of an event, as the Standard Webhooks specification has it.
type happening struct {
	Type      string    `json:"type"` // subscriber.confirmed, subscribers.imported
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// changed is what is told of a change. The address is that of whoever is known to want to be written to, or was once: neither
// of somebody who was erased, nor of one who never confirmed.
type changed struct {
	Subscriber int64          `json:"subscriber"`
	Person     int64          `json:"person,omitempty"`
	Channel    string         `json:"channel,omitempty"`
	Address    string         `json:"address,omitempty"`
	Standing   store.Standing `json:"standing,omitempty"` // now
	How        string         `json:"how,omitempty"`
}

// many is what is told of people who were added together.
type many struct {
	Count int    `json:"count"`
	How   string `json:"how,omitempty"`
}

func (f *follower) tell(ctx context.Context, e store.Event) error {
	first, act, _ := strings.Cut(e.Detail, " ")
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return err
	}
	h := happening{Type: e.What + "." + act, Timestamp: e.At, Data: many{int(n), e.Actor}}
	if e.What == "subscriber" {
		a, err := f.Store.Address(ctx, n)
		if err != nil {
			return err
		}
		c := changed{n, a.Person, a.Channel, a.Address, a.Standing, e.Actor}
		if a.Standing == store.Pending || a.Standing == store.Erased {
			c.Address = ""
		}
		h.Data = c
	}
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, f.key)
	mac.Write(strconv.AppendInt(nil, e.Seq, 10))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), followCall)
	defer cancel()
	return f.post(ctx, "sub_"+hex.EncodeToString(mac.Sum(nil)[:16]), body)
}
