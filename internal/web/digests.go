package web

import (
	"cmp"
	"context"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Digest is what is gathered for whoever chose its name as their frequency.
type Digest struct {
	Name      string                       `json:"name" minLength:"1" maxLength:"40" doc:"Lower-case letters, digits and hyphens. People choose it as their frequency."`
	Schedule  string                       `json:"schedule" maxLength:"200" doc:"A cron line of five fields, read in time_zone: 0 8 * * 1 is Mondays at 8. At most once an hour."`
	TimeZone  string                       `json:"time_zone,omitempty" maxLength:"64" doc:"IANA. Default: the server's."`
	Labels    map[announce.Language]string `json:"labels,omitempty" doc:"What people read where they choose, and as its title, by language."`
	Topics    []string                     `json:"topics,omitempty" maxItems:"50" doc:"Only what is about one of these topics or of these kinds; none: everything."`
	Languages []announce.Language          `json:"languages,omitempty" maxItems:"20" doc:"Only what is written in one of these languages; none: everything."`
	Channels  []string                     `json:"channels,omitempty" maxItems:"50" doc:"Broadcast channels that get a summary too, such as slack or feed."`
	Outside   bool                         `json:"outside,omitempty" doc:"Only started by POST /v1/digests/{name}/runs; the schedule says which periods there are."`
	Off       bool                         `json:"off,omitempty" doc:"Not made, and not offered."`
	Place     int                          `json:"place,omitempty" minimum:"0" maximum:"100000" doc:"Order on pages."`
	People    int                          `json:"people" readOnly:"true" doc:"Who are told by it next."`
	ReadIn    string                       `json:"schedule_zone,omitempty" readOnly:"true" doc:"The zone that the schedule is read in: time_zone, else the server's."`
	Next      *time.Time                   `json:"next_at,omitempty" readOnly:"true" doc:"When it is due next by its own schedule, with the offset of that zone."`
}

// DigestRun is one occurrence of a digest.
type DigestRun struct {
	Digest       string                 `json:"digest"`
	Period       string                 `json:"period" doc:"When it was due, as the wall time in its zone: there is one run of it."`
	TimeZone     string                 `json:"time_zone"`
	Due          time.Time              `json:"due_at" doc:"It tells what came due up to then."`
	Late         bool                   `json:"late,omitempty" doc:"It was started more than an hour after that."`
	How          string                 `json:"started_by"`
	State        store.RunState         `json:"state" enum:"waiting,running,done,skipped" doc:"skipped: there was nothing new for anybody."`
	People       int                    `json:"people" doc:"So many were looked at."`
	Letters      int                    `json:"letters" doc:"So many were written to."`
	Counts       map[announce.State]int `json:"counts,omitempty" doc:"What became of the letters."`
	Announcement announce.ID            `json:"announcement,omitempty" doc:"The summary on broadcast channels."`
	Created      time.Time              `json:"created_at"`
	Ended        *time.Time             `json:"ended_at,omitempty"`
}

// DigestPreview is what somebody would be told now.
type DigestPreview struct {
	Digest   string            `json:"digest"`
	Since    time.Time         `json:"since" doc:"What came due after that is new to them."`
	Items    []DigestItem      `json:"items"`
	Language announce.Language `json:"language,omitempty"`
	Subject  string            `json:"subject,omitempty"`
	Text     string            `json:"text,omitempty" doc:"Empty: there is nothing to tell, and nothing is sent."`
	HTML     string            `json:"html,omitempty"`
}

// DigestItem is an announcement that a digest tells of.
type DigestItem struct {
	ID    announce.ID   `json:"id"`
	Kind  announce.Kind `json:"kind"`
	Title string        `json:"title"`
	Off   bool          `json:"cancelled,omitempty"`
}

func (s *server) digestOf(d store.Digest) Digest {
	out := Digest{
		Name: d.Name, Schedule: d.Schedule, TimeZone: d.Zone, Labels: d.Labels, Topics: d.Topics, Languages: d.Languages, Channels: d.Accounts,
		Outside: d.Outside, Off: d.Off, Place: d.Place, People: d.People, ReadIn: cmp.Or(d.Zone, s.Site.Zone),
	}
	if next := s.Digests.Next(d); !next.IsZero() {
		at := next.In()
		out.Next = &at
	}
	return out
}

func runOf(r store.DigestRun) DigestRun {
	out := DigestRun{
		Digest: r.Digest, Period: r.Period.Wall, TimeZone: r.Period.Zone, Due: r.Period.Instant, Late: r.Late, How: r.How, State: r.State,
		People: r.People, Letters: r.Letters, Counts: r.Counts, Announcement: r.Announcement, Created: r.Created,
	}
	if !r.Ended.IsZero() {
		out.Ended = &r.Ended
	}
	return out
}

// ByDigest names a digest.
type ByDigest struct {
	Name string `path:"name" maxLength:"40"`
}

func (s *server) digests() {
	type digestList struct {
		Digests []Digest `json:"digests"`
	}
	huma.Register(s.api, op("GET", "/v1/digests", "digests", ScopeRead, "List the digests"), func(ctx context.Context, _ *struct{}) (*body[digestList], error) {
		all, err := s.Store.Digests(ctx)
		if err != nil {
			return nil, s.fail(err)
		}
		out := &body[digestList]{digestList{[]Digest{}}}
		for _, d := range all {
			out.Body.Digests = append(out.Body.Digests, s.digestOf(d))
		}
		return out, nil
	})

	put := op("PUT", "/v1/digests/{name}", "putDigest", ScopeAdmin, "Add a digest, or change the one of that name", 422)
	put.Description = "What is not given is as by default: read it first to change a part of it."
	huma.Register(s.api, put, func(ctx context.Context, in *struct {
		ByDigest
		Body Digest
	}) (*body[Digest], error) {
		b := in.Body
		if b.Name != in.Name {
			return nil, s.fail(announce.Faults{{Field: "name", Say: "must be the name in the address: digests are not renamed"}})
		}
		if err := s.Digests.Put(ctx, store.Digest{
			Name: b.Name, Schedule: b.Schedule, Zone: b.TimeZone, Labels: b.Labels, Topics: b.Topics, Languages: b.Languages, Accounts: b.Channels,
			Outside: b.Outside, Off: b.Off, Place: b.Place,
		}, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		d, err := s.Store.Digest(ctx, in.Name)
		if err != nil {
			return nil, s.fail(err)
		}
		return &body[Digest]{s.digestOf(d)}, nil
	})

	huma.Register(s.api, op("DELETE", "/v1/digests/{name}", "removeDigest", ScopeAdmin, "Remove a digest", 404, 422), func(ctx context.Context, in *struct {
		ByDigest
		To string `query:"people_to" maxLength:"40" doc:"The digest that whoever chose this one gets instead; required when somebody did."`
	}) (*struct{}, error) {
		if err := s.Store.RemoveDigest(ctx, in.Name, in.To, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
	s.digestRuns()
}

func (s *server) digestRuns() {
	start := op("POST", "/v1/digests/{name}/runs", "runDigest", ScopeAnnounce, "Start a digest: from a cron job, say", 404, 422)
	start.DefaultStatus = http.StatusAccepted
	start.Description = "Without a period: that of the occurrence at or before now, or at most ten minutes ahead, which is waited for. There is one run of each " +
		"period, however often it is started: 202 the first time, 200 with the same run after that."
	start.Responses = map[string]*huma.Response{"200": {Description: "It was started before"}, "202": {Description: "Started"}}
	huma.Register(s.api, start, func(ctx context.Context, in *struct {
		ByDigest
		Body *struct {
			Period string `json:"period,omitempty" maxLength:"40" doc:"A wall time at which the digest is due: 2027-03-15T08:00."`
		} `required:"false"`
	}) (*struct {
		Status int
		Body   DigestRun
	}, error) {
		period := ""
		if in.Body != nil {
			period = in.Body.Period
		}
		r, began, err := s.Digests.Start(ctx, in.Name, period, actorOf(ctx).Name)
		if err != nil {
			return nil, s.fail(err)
		}
		status := http.StatusOK
		if began {
			status = http.StatusAccepted
		}
		return &struct {
			Status int
			Body   DigestRun
		}{status, runOf(r)}, nil
	})

	type runList struct {
		Runs []DigestRun `json:"runs"`
	}
	huma.Register(s.api, op("GET", "/v1/digests/{name}/runs", "digestRuns", ScopeRead, "List the runs of a digest, the newest period first", 404), func(ctx context.Context, in *struct {
		ByDigest
		Limit int `query:"limit" default:"20" minimum:"1" maximum:"200"`
	}) (*body[runList], error) {
		if _, err := s.Store.Digest(ctx, in.Name); err != nil {
			return nil, s.fail(err)
		}
		all, err := s.Store.DigestRuns(ctx, in.Name, in.Limit)
		if err != nil {
			return nil, s.fail(err)
		}
		out := &body[runList]{runList{[]DigestRun{}}}
		for _, r := range all {
			out.Body.Runs = append(out.Body.Runs, runOf(r))
		}
		return out, nil
	})

	huma.Register(s.api, op("GET", "/v1/digests/{name}/preview", "previewDigest", ScopeSubscribers, "Show what somebody would be told by a digest now; nothing is stored", 404),
		func(ctx context.Context, in *struct {
			ByDigest
			For string `query:"for" required:"true" minLength:"1" maxLength:"320" doc:"A mail address, or the number of a subscriber."`
		}) (*body[DigestPreview], error) {
			a, err := s.subscriberNamed(ctx, in.For)
			if err != nil {
				return nil, s.fail(err)
			}
			p, err := s.Digests.Preview(ctx, in.Name, a)
			if err != nil {
				return nil, s.fail(err)
			}
			out := DigestPreview{Digest: p.Digest, Since: p.Since, Items: []DigestItem{}, Language: p.Message.Language, Subject: p.Message.Subject, Text: p.Message.Text, HTML: p.Message.HTML}
			for _, i := range p.Items {
				_, text := i.Pick(p.Message.Language)
				out.Items = append(out.Items, DigestItem{i.ID, i.Kind, text.Title, i.Off})
			}
			return &body[DigestPreview]{out}, nil
		})
}

// subscriberNamed finds a subscriber by mail address or number.
func (s *server) subscriberNamed(ctx context.Context, who string) (store.Address, error) {
	if id, err := strconv.ParseInt(who, 10, 64); err == nil {
		return s.Store.Address(ctx, id)
	}
	if m, err := mail.ParseAddress(who); err == nil {
		who = m.Address
	}
	return s.Store.AddressOf(ctx, email, strings.TrimSpace(who))
}
