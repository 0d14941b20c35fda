package mastodon

import (
	"context"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/internal/rest"
)

// rules are what a server takes.
type rules struct {
	text   int // characters of a post, its content warning among them
	link   int // characters that a link counts for
	images int
	alt    int
	bytes  int
	side   int
	types  []string
}

// mastodons are the rules of Mastodon as it is installed.
func mastodons() rules {
	return rules{text: 500, link: 23, images: 4, alt: 1500, bytes: 8 << 20, side: 3840, types: []string{"image/jpeg", "image/png", "image/gif"}}
}

// server keeps the rules of the one server of a channel.
type server struct {
	mu    sync.Mutex
	known *rules
	again time.Time // when to ask again
}

const (
	asksFor   = 3 * time.Second
	asksEvery = 24 * time.Hour
	asksSoon  = 10 * time.Minute // after a failure
)

// rules are the server's own, or Mastodon's when it was not to be had.
func (s *server) rules(client *rest.Client) rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !now.Before(s.again) {
		ctx, cancel := context.WithTimeout(context.Background(), asksFor)
		defer cancel()
		s.again = now.Add(asksSoon)
		if r, err := ask(ctx, client); err == nil {
			s.known, s.again = &r, now.Add(asksEvery)
		}
	}
	if s.known == nil {
		return mastodons()
	}
	return *s.known
}

// instance is how a server describes itself, in the second form of the API and in the first.
type instance struct {
	Configuration struct {
		Statuses struct {
			Characters int  `json:"max_characters"`
			Media      int  `json:"max_media_attachments"`
			Link       *int `json:"characters_reserved_per_url"`
		} `json:"statuses"`
		Media struct {
			Types  []string `json:"supported_mime_types"`
			Bytes  int      `json:"image_size_limit"`
			Matrix int      `json:"image_matrix_limit"`
			Alt    int      `json:"description_limit"`
		} `json:"media_attachments"`
	} `json:"configuration"`
	Characters int `json:"max_toot_chars"`    // Pleroma
	Alt        int `json:"description_limit"` // Pleroma
}

// ask reads what the server says of itself. Servers older than the second form answer in the first.
func ask(ctx context.Context, client *rest.Client) (rules, error) {
	var i instance
	_, err := client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v2/instance", Into: &i, Classify: refusal(reading)})
	if err != nil {
		i = instance{}
		if _, older := client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/instance", Into: &i, Classify: refusal(reading)}); older != nil {
			return rules{}, err
		}
	}
	return i.rules(), nil
}

// rules takes what the server says, and Mastodon's rule where it says nothing.
func (i instance) rules() rules {
	r, c := mastodons(), i.Configuration
	said := func(to *int, numbers ...int) {
		for _, n := range numbers {
			if n > 0 {
				*to = n
				return
			}
		}
	}
	said(&r.text, c.Statuses.Characters, i.Characters)
	said(&r.images, c.Statuses.Media)
	said(&r.alt, c.Media.Alt, i.Alt)
	said(&r.bytes, c.Media.Bytes)
	if c.Media.Matrix > 0 {
		r.side = min(r.side, int(math.Sqrt(float64(c.Media.Matrix))))
	}
	r.link = 0
	if c.Statuses.Link != nil {
		r.link = *c.Statuses.Link
	}
	if types := slices.DeleteFunc(slices.Clone(r.types), func(t string) bool { return !slices.Contains(c.Media.Types, t) }); len(types) > 0 {
		r.types = types
	}
	return r
}
