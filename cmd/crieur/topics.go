package main

import (
	"context"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/web"
)

type topicsCmd struct {
	Add    addTopicCmd    `cmd:"" help:"Add a topic, or change the one of that name."`
	List   listTopicsCmd  `cmd:"" help:"List what people can choose to hear about."`
	Remove removeTopicCmd `cmd:"" help:"Take a topic out of every choice."`
}

func (topicsCmd) Help() string {
	return "Example:\n  crieur topics add rust --label fr=Rust --label en=Rust"
}

type addTopicCmd struct {
	Name    string                       `arg:"" help:"As announcements name it."`
	Facet   string                       `help:"Heading under which it is offered: kind, place, theme."`
	Private bool                         `help:"Not offered: of the people subscribed, only whoever was added hears of it. Public channels and the feed are told like of any other, unless the announcement names its channels."`
	Label   map[announce.Language]string `help:"What people read, by language: --label fr=Rencontres --label en=Meetups."`
	Place   int                          `help:"Order on pages."`
}

func (addTopicCmd) Help() string {
	return "Example:\n  crieur topics add meetup --facet kind --label fr=Rencontres --label en=Meetups"
}

func (c addTopicCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.PutTopic(ctx, web.Topic{Name: c.Name, Facet: c.Facet, Private: c.Private, Labels: c.Label, Place: c.Place}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "People can choose %s.\n", c.Name)
		return err
	})
}

type listTopicsCmd struct {
	JSON bool `help:"Print JSON."`
}

func (listTopicsCmd) Help() string {
	return "Example:\n  crieur topics list"
}

func (c listTopicsCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		all, err := r.Topics(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, all)
		}
		var rows [][]string
		for _, t := range all {
			private := "-"
			if t.Private {
				private = "private"
			}
			rows = append(rows, []string{t.Name, t.Facet, private, t.Labels["fr"], t.Labels["en"]})
		}
		return s.table([]string{"TOPIC", "FACET", "PRIVATE", "FR", "EN"}, rows)
	})
}

type removeTopicCmd struct {
	Name string `arg:"" help:"The topic's name, as listed."`
}

func (removeTopicCmd) Help() string {
	return "Example:\n  crieur topics remove rust"
}

func (c removeTopicCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, func(r *reached) error {
		if err := r.RemoveTopic(ctx, c.Name); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%s is no topic any more.\n", c.Name)
		return err
	})
}
