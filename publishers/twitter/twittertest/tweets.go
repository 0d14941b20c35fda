package twittertest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// tweet is a post with its versions, the oldest first. Only the last one is in the timeline.
type tweet struct {
	versions []version
	deleted  bool
}

type version struct {
	id       string
	text     string // as it was written, composed
	kept     string // as X keeps it
	entities []entity
	media    []*media
	at       time.Time
	raw      string
}

const (
	editTime  = 30 * time.Minute
	editTimes = 5
)

type draft struct {
	Text  string `json:"text"`
	Media *struct {
		IDs    []string `json:"media_ids"`
		Tagged []string `json:"tagged_user_ids"`
	} `json:"media"`
	Reply *struct {
		To string `json:"in_reply_to_tweet_id"`
	} `json:"reply"`
	ReplySettings string `json:"reply_settings"`
	MadeWithAI    bool   `json:"made_with_ai"`
	Partnership   bool   `json:"paid_partnership"`
	Edit          *struct {
		Previous string `json:"previous_post_id"`
	} `json:"edit_options"`
}

func forbidden(w http.ResponseWriter, detail string) {
	problem(w, http.StatusForbidden, "about:blank", "Forbidden", detail)
}

const notPermitted = "You are not permitted to perform this action."

func (p *Platform) create(w http.ResponseWriter, r *http.Request, _ string, now time.Time) {
	var d draft
	raw, ok := told(w, r, &d)
	if !ok {
		return
	}
	v := version{text: strings.TrimSpace(norm.NFC.String(d.Text)), at: now, raw: string(raw)}
	var keys []string
	if d.Media != nil {
		if n := len(d.Media.IDs); n < 1 || n > 4 {
			invalid(w, fmt.Sprintf("$.media.media_ids: has %d items; 1 to 4 are allowed", n))
			return
		}
		for _, id := range d.Media.IDs {
			m := p.media[id]
			if m == nil {
				invalid(w, "Your media IDs are invalid.")
				return
			}
			v.media, keys = append(v.media, m), append(keys, m.key)
		}
	}
	switch {
	case v.text == "" && len(v.media) == 0:
		invalid(w, "$.text: is required without media")
		return
	case weigh(v.text) > 280:
		forbidden(w, notPermitted)
		return
	case len(cashtag.FindAllString(v.text, -1)) > 1:
		forbidden(w, "You are only permitted to use one cashtag per post.")
		return
	case d.Reply != nil && p.post(d.Reply.To) == nil:
		forbidden(w, "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged by the author of the post you are replying to.")
		return
	case p.duplicate(v.text):
		forbidden(w, "You are not allowed to create a Tweet with duplicate content.")
		return
	}
	t := &tweet{}
	if d.Edit != nil {
		if t = p.editable(w, d.Edit.Previous, now); t == nil {
			return
		}
	} else {
		p.tweets = append(p.tweets, t)
	}
	v.id = p.number(now)
	v.kept, v.entities = rewrite(v.id, v.text, keys)
	t.versions = append(t.versions, v)
	reply(w, http.StatusCreated, map[string]any{"data": map[string]any{"id": v.id, "text": v.kept, "edit_history_tweet_ids": t.history()}})
}

// editable is the post whose last version is previous, if it may be edited; else the answer is given.
func (p *Platform) editable(w http.ResponseWriter, previous string, now time.Time) *tweet {
	t := p.post(previous)
	switch {
	case !p.premium:
		forbidden(w, notPermitted)
	case t == nil || t.deleted:
		invalid(w, "$.edit_options.previous_post_id: no such post")
	case t.last().id != previous:
		forbidden(w, "The post was edited since.")
	case len(t.versions) > editTimes || now.Sub(t.versions[0].at) > editTime:
		forbidden(w, "The post can no longer be edited.")
	default:
		return t
	}
	return nil
}

// duplicate reports whether the account posted the text before, also if that was deleted.
func (p *Platform) duplicate(text string) bool {
	same := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
	return text != "" && slices.ContainsFunc(p.tweets, func(t *tweet) bool {
		return slices.ContainsFunc(t.versions, func(v version) bool { return same(v.text) == same(text) })
	})
}

// post is the post with a version of that number, or nil.
func (p *Platform) post(id string) *tweet {
	for _, t := range p.tweets {
		if slices.Contains(t.history(), id) {
			return t
		}
	}
	return nil
}

func (t *tweet) last() version { return t.versions[len(t.versions)-1] }

func (t *tweet) history() []string {
	ids := make([]string, len(t.versions))
	for i, v := range t.versions {
		ids[i] = v.id
	}
	return ids
}

func (p *Platform) delete(w http.ResponseWriter, _ *http.Request, id string, _ time.Time) {
	t := p.post(id)
	if t == nil || t.deleted {
		problem(w, http.StatusNotFound, problems+"resource-not-found", "Not Found Error", "Could not find tweet with id: ["+id+"].")
		return
	}
	t.deleted = true
	reply(w, http.StatusOK, map[string]any{"data": map[string]bool{"deleted": true}})
}

func (p *Platform) show(w http.ResponseWriter, r *http.Request, id string, _ time.Time) {
	if !asked(w, r, "tweet.fields", "expansions") {
		return
	}
	t := p.post(id)
	if t == nil || t.deleted { // X answers 200 here
		reply(w, http.StatusOK, map[string]any{"errors": []any{map[string]any{
			"value": id, "detail": "Could not find tweet with id: [" + id + "].", "title": "Not Found Error", "resource_type": "tweet",
			"parameter": "id", "resource_id": id, "type": problems + "resource-not-found",
		}}})
		return
	}
	v := t.versions[slices.Index(t.history(), id)]
	reply(w, http.StatusOK, map[string]any{"data": v.shown(t, r)})
}

// shown is a version with the fields that were asked for.
func (v version) shown(t *tweet, r *http.Request) map[string]any {
	out := map[string]any{"id": v.id, "text": v.kept, "edit_history_tweet_ids": t.history()}
	for f := range strings.SplitSeq(r.URL.Query().Get("tweet.fields"), ",") {
		switch {
		case f == "created_at":
			out[f] = v.at.UTC().Format("2006-01-02T15:04:05.000Z")
		case f == "entities" && len(v.entities) > 0:
			out[f] = map[string]any{"urls": v.entities}
		}
	}
	return out
}

func (p *Platform) timeline(w http.ResponseWriter, r *http.Request, id string, _ time.Time) {
	if !asked(w, r, "max_results", "start_time", "end_time", "pagination_token", "tweet.fields", "exclude") {
		return
	}
	q := r.URL.Query()
	most, err := strconv.Atoi(q.Get("max_results"))
	if q.Has("max_results") && (err != nil || most < 5 || most > 100) {
		invalid(w, "The `max_results` query parameter value ["+q.Get("max_results")+"] is not between 5 and 100")
		return
	}
	if most == 0 {
		most = 10
	}
	var since time.Time
	if s := q.Get("start_time"); s != "" {
		if since, err = time.Parse(time.RFC3339, s); err != nil {
			invalid(w, "Invalid 'start_time':'"+s+"'. Expected RFC 3339")
			return
		}
	}
	if id != userID {
		problem(w, http.StatusNotFound, problems+"resource-not-found", "Not Found Error", "Could not find user with id: ["+id+"].")
		return
	}
	from, _ := strconv.Atoi(q.Get("pagination_token"))
	var shown []map[string]any
	for _, t := range slices.Backward(p.tweets) {
		if v := t.last(); !t.deleted && !v.at.Before(since) {
			shown = append(shown, v.shown(t, r))
		}
	}
	shown = shown[min(from, len(shown)):]
	meta := map[string]any{"result_count": min(most, len(shown))}
	if len(shown) > most {
		shown = shown[:most]
		meta["next_token"] = strconv.Itoa(from + most)
	}
	answer := map[string]any{"meta": meta}
	if len(shown) > 0 {
		answer["data"] = shown
	}
	reply(w, http.StatusOK, answer)
}
