package broadcast

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Task is a delivery that waits for a person, with what they need.
type Task struct {
	Announcement announce.ID `json:"announcement"`
	Title        string      `json:"title"`
	Delivery     Row         `json:"delivery"`
	Wanted
	Lost    bool             `json:"lost" doc:"A call was made and its answer was lost: first look whether it happened."`
	Message announce.Message `json:"-"`
	Text    string           `json:"text,omitempty" doc:"The text, ready to be posted."`
	Images  []TaskImage      `json:"images,omitempty"`
	kind    announce.Kind
	Page    string `json:"page,omitempty" doc:"Where a person can do it without a token. Whoever has this address can."`
}

// TaskImage is a picture that goes with a post.
type TaskImage struct {
	URL string `json:"url,omitempty"`
	Alt string `json:"alt"`
}

// open reports whether a delivery waits for a person.
func open(d announce.Delivery) bool {
	return d.To == "" && (d.Rest == announce.Failed || d.Rest == announce.Person || d.Rest == announce.Cannot)
}

// Tasks lists what waits for a person, that of the newest announcements first.
func (s *Service) Tasks(ctx context.Context, limit int) ([]Task, error) {
	rows, err := s.Store.Tasks(ctx, limit)
	if err != nil {
		return nil, err
	}
	out := []Task{}
	for _, d := range rows {
		t, err := s.task(ctx, d)
		if err != nil {
			return nil, err
		}
		for i := range t.Message.Images {
			t.Message.Images[i].Data = nil // a list is not for looking at pictures
		}
		out = append(out, t)
	}
	return out, nil
}

// Task is one of them, or how a delivery stands that waits for nobody.
func (s *Service) Task(ctx context.Context, delivery string) (Task, error) {
	d, err := s.Store.Delivery(ctx, delivery)
	if err != nil {
		return Task{}, err
	}
	return s.task(ctx, d)
}

func (s *Service) task(ctx context.Context, d announce.Delivery) (Task, error) {
	t := Task{Announcement: d.Announcement, Delivery: RowOf(d)}
	a, _, err := s.Store.Announcement(ctx, d.Announcement)
	if err != nil {
		return t, err
	}
	_, text := a.Pick(d.Language)
	t.Title, t.kind = text.Title, a.Kind
	if t.Message, _, err = s.Store.Frozen(ctx, d); err != nil {
		return t, err
	}
	t.Text = t.Message.Text
	for _, p := range t.Message.Images {
		t.Images = append(t.Images, TaskImage{p.URL, p.Alt})
	}
	t.Wanted = wantedOf(d)
	t.Lost = d.Calling != announce.Nothing && !s.accounts[d.Account].Manual
	t.Page, err = s.taskPage(ctx, d.ID)
	return t, err
}

// taskPage is the address at which whoever holds it can do and settle a task; empty without a public address.
func (s *Service) taskPage(ctx context.Context, delivery string) (string, error) {
	if s.Site.URL == "" {
		return "", nil
	}
	key, err := s.taskKey(ctx, delivery)
	return s.Site.URL + "/tasks/" + url.PathEscape(delivery) + "?key=" + key, err
}

func (s *Service) taskKey(ctx context.Context, delivery string) (string, error) {
	secret, err := s.Store.Secret(ctx, "tasks")
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("task:" + delivery))
	return hex.EncodeToString(mac.Sum(nil)[:16]), nil
}

// TaskByKey is a task by the key of its page. store.ErrNotFound when the key is not its own.
func (s *Service) TaskByKey(ctx context.Context, delivery, key string) (Task, error) {
	want, err := s.taskKey(ctx, delivery)
	if err != nil {
		return Task{}, err
	}
	if !hmac.Equal([]byte(want), []byte(key)) {
		return Task{}, store.ErrNotFound
	}
	return s.Task(ctx, delivery)
}

// Finish settles a task as the person on its page says: at is where the post can be seen, if they told.
func (s *Service) Finish(ctx context.Context, t Task, saw Saw, seen Wanted, at string) error {
	_, err := s.Settle(ctx, t.Announcement, t.Delivery.ID, saw, &seen, announce.Receipt{URL: at}, "a person with the task's link")
	if errors.Is(err, store.ErrFenced) {
		return announce.Faults{{Field: "delivery", Say: "is being worked on this moment: try again in a minute"}}
	}
	return err
}
