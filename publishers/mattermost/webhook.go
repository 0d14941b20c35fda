package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// webhook posts through an incoming webhook. Mattermost tells it nothing about the post.
type webhook struct {
	client *rest.Client
	reader *markup.Reader
}

func newWebhook(c Config) (announce.Publisher, error) {
	if c.Channel != "" {
		return nil, errors.New("CHANNEL: goes with TOKEN; a webhook posts in the channel it was made for")
	}
	if err := rest.CheckAddress(c.Webhook.Reveal()); err != nil {
		return nil, fmt.Errorf("WEBHOOK: %w", err)
	}
	client, err := rest.New("Mattermost", c.Webhook.Reveal(), nil)
	if err != nil {
		return nil, err
	}
	return &webhook{client, markup.NewReader()}, nil
}

func (w *webhook) Name() string { return name }

func (w *webhook) Limits() announce.Limits { return limits(w.reader) }

// sent is the ID of every receipt: a webhook names no post.
const sent = "sent"

// Publish posts the message once.
func (w *webhook) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	_, err := w.client.Do(ctx, rest.Call{Method: http.MethodPost, Body: map[string]string{"text": compose(w.reader, m, true)}, Create: true, Classify: classifyHook})
	if err != nil {
		return announce.Receipt{}, err
	}
	return announce.Receipt{ID: sent, At: time.Now().UTC()}, nil
}
