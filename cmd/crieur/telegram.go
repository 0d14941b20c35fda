package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/publishers"
	"github.com/crieur/crieur/publishers/telegram"
)

// chats hears what people do in their chats with the bot of the personal Telegram account.
type chats struct {
	bot    *telegram.People
	people *people.Service
	links  *people.Links
	log    *slog.Logger
	name   atomic.Value // string: the bot's user name, once Telegram told it
}

// chatsOf is nil where no account writes to people over Telegram.
func chatsOf(accounts []publishers.Account) *chats {
	for _, a := range accounts {
		if bot, ok := a.Publisher.(*telegram.People); ok {
			return &chats{bot: bot}
		}
	}
	return nil
}

// link opens a chat with the bot: for the bearer of an address, who moves there, or for a stranger; from a page in the language
// shown. Empty until the bot's name is known.
func (c *chats) link(b people.Bearer, shown announce.Language) string {
	name, _ := c.name.Load().(string)
	return telegram.StartLink(name, c.links.Invitation(b, shown, time.Now()))
}

// retry is how long Telegram is left alone after it could not be heard.
const retry = 30 * time.Second

// run listens until ctx is done. What is heard twice does no harm.
func (c *chats) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := c.listen(ctx)
		if err == nil {
			continue
		}
		var e *announce.Error
		wait := retry
		if errors.As(err, &e) && e.Outcome == announce.Permanent {
			wait = time.Hour // a person must mend it, and may not restart the server for it
		}
		c.log.Warn("what people write to the Telegram bot is not heard; it is tried again", "in", wait, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

func (c *chats) listen(ctx context.Context) error {
	name, err := c.bot.Username(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	c.name.Store(name)
	return c.bot.Listen(ctx, 0, func(s telegram.Start) error {
		if s.Stop {
			return c.people.Stop(ctx, s.ChatID)
		}
		return c.people.Start(ctx, s.ChatID, s.Name, s.Language, s.Payload)
	})
}
