package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// lookEvery is how often letters are looked for that another server, or one that died, left.
const lookEvery = 15 * time.Second

func (s *Service) nudge() {
	select {
	case s.owed <- struct{}{}:
	default:
	}
}

// Run writes the letters that are owed, and signs links with the newest key on record, until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	for {
		if err := LoadLinks(ctx, s.Store, s.Links); err != nil && ctx.Err() == nil {
			s.Log.Warn("the keys of links could not be read; those that are known stay in use", "err", err)
		}
		if err := s.Send(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("letters that are owed could not all be written; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.owed:
		case <-time.After(lookEvery):
		}
	}
}

// Send puts every letter that is owed on record. It may be cut and repeated, by several servers at once: each is one letter.
// One that cannot be written holds back none of the others and stays owed; the error is that of the first.
func (s *Service) Send(ctx context.Context) error {
	var last store.Owing
	var first error
	for {
		some, err := s.Store.Owing(ctx, last, 100)
		if err != nil || len(some) == 0 {
			return errors.Join(first, err)
		}
		for _, o := range some {
			if err := s.write(ctx, o); err != nil && first == nil {
				first = fmt.Errorf("letter %s to address %d: %w", o.Letter, o.Address.ID, err)
			}
			last = o
		}
	}
}

func (s *Service) write(ctx context.Context, o store.Owing) error {
	a := o.Address
	l := Letter{
		Key:     fmt.Sprintf("%s:%d:%d", o.Letter, a.ID, o.Since.UnixMicro()),
		Address: a.ID, Channel: a.Channel, Language: a.Language,
	}
	switch o.Letter {
	case store.OwesConfirm:
		l.Kind = announce.KindConfirm
	case store.OwesWelcome:
		l.Kind = announce.KindWelcome
	default:
		l.Kind = announce.KindPreferences
	}
	if err := s.Write(ctx, l); err != nil {
		return err
	}
	return s.Store.Settled(ctx, o)
}
