package templates

import (
	"slices"
	"strings"
)

// Card is what the picture of an event says. Alt says the same in words.
type Card struct {
	Title string
	Lines []string // when, in each language, then where
	Alt   string
}

// Card gives the words for the card of the announcement's event. Its language comes first, then those of Also.
func (s *Set) Card(r Request) Card {
	first, _ := r.Announcement.Pick(r.Language)
	var c Card
	where := ""
	for i, l := range r.languages(first) {
		e := s.tell(r, l).page(pen{read: s.read}).Event
		if i == 0 {
			c.Title = s.tell(r, l).text.Title
			if e.Venue != nil {
				where = e.Venue.Name
			} else if e.IsOnline {
				where = map[bool]string{true: "En ligne", false: "Online"}[l.Base() == "fr"]
			}
		}
		if when := capital(e.When); !slices.Contains(c.Lines, when) {
			c.Lines = append(c.Lines, when)
		}
	}
	if where != "" {
		c.Lines = append(c.Lines, where)
	}
	for _, said := range append([]string{c.Title}, c.Lines...) {
		if c.Alt += said + " "; !strings.ContainsAny(said[max(0, len(said)-1):], ".!?") && !strings.HasSuffix(said, "…") {
			c.Alt = strings.TrimSuffix(c.Alt, " ") + ". "
		}
	}
	c.Alt = strings.TrimSpace(c.Alt)
	return c
}
