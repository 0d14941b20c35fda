package mattermosttest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// shape is a post as clients get it.
func (x *post) shape() map[string]any {
	deleted := int64(0)
	if x.deleted {
		deleted = x.updated.UnixMilli()
	}
	author := user
	if x.foreign {
		author = "ada00000000000000000000000"
	}
	return map[string]any{
		"id": x.id, "channel_id": Channel, "user_id": author, "message": x.message, "props": x.props, "file_ids": x.files,
		"create_at": x.at.UnixMilli(), "update_at": x.updated.UnixMilli(), "delete_at": deleted, "edit_at": 0,
	}
}

// checked answers when the server does not take the words or the files.
func (p *Platform) checked(w http.ResponseWriter, message string, files []string) bool {
	switch {
	case utf8.RuneCountInString(message) > longest:
		refuse(w, http.StatusBadRequest, "model.post.is_valid.message_length.app_error")
		return false
	case strings.TrimSpace(message) == "" && len(files) == 0:
		refuse(w, http.StatusBadRequest, "api.context.invalid_body_param.app_error")
		return false
	case len(files) > mostFiles:
		refuse(w, http.StatusBadRequest, "api.post.create_post.attach_files.error")
		return false
	}
	for _, f := range files {
		if _, ok := p.files[f]; !ok {
			refuse(w, http.StatusBadRequest, "api.context.invalid_body_param.app_error")
			return false
		}
	}
	return true
}

func (p *Platform) create(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Channel string         `json:"channel_id"`
		Message string         `json:"message"`
		Props   map[string]any `json:"props"`
		Files   []string       `json:"file_ids"`
		Pending string         `json:"pending_post_id"`
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(raw, &in) != nil {
		refuse(w, http.StatusBadRequest, "api.context.invalid_body_param.app_error")
		return
	}
	if !p.knows(w, in.Channel, true) {
		return
	}
	if p.settings.Archived {
		refuse(w, http.StatusBadRequest, "api.post.create_post.can_not_post_to_deleted.error")
		return
	}
	if seen, ok := p.pending[in.Pending]; ok && in.Pending != "" && time.Since(seen.at) < remembered {
		x := p.find(seen.id)
		if x == nil {
			refuse(w, http.StatusInternalServerError, "api.post.deduplicate_create_post.failed_to_get")
			return
		}
		answer(w, http.StatusCreated, x.shape())
		return
	}
	if !p.checked(w, in.Message, in.Files) {
		return
	}
	x := p.add(&post{message: in.Message, props: in.Props, files: in.Files, raw: raw})
	p.pings += p.calledBy(in.Message)
	if in.Pending != "" {
		p.pending[in.Pending] = pending{x.id, x.at}
	}
	answer(w, http.StatusCreated, x.shape())
}

func (p *Platform) one(w http.ResponseWriter, r *http.Request) {
	if x := p.find(r.PathValue("post")); x != nil {
		answer(w, http.StatusOK, x.shape())
		return
	}
	refuse(w, http.StatusNotFound, "app.post.get.app_error")
}

func (p *Platform) patch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Message *string   `json:"message"`
		Files   *[]string `json:"file_ids"`
	}
	raw, err := io.ReadAll(r.Body)
	x := p.find(r.PathValue("post"))
	switch {
	case err != nil || json.Unmarshal(raw, &in) != nil:
		refuse(w, http.StatusBadRequest, "api.context.invalid_body_param.app_error")
		return
	case x == nil, x.foreign, p.settings.Outside: // the server says the same of a post that is not there
		refuse(w, http.StatusForbidden, "api.context.permissions.app_error")
		return
	case p.settings.EditLimit:
		refuse(w, http.StatusBadRequest, "api.post.update_post.permissions_time_limit.app_error")
		return
	}
	message, files := x.message, x.files
	if in.Message != nil {
		message = *in.Message
	}
	if in.Files != nil && !p.settings.OldFiles {
		files = *in.Files
	}
	if !p.checked(w, message, files) {
		return
	}
	x.message, x.files, x.raw, x.updated = message, files, raw, time.Now().UTC()
	x.edited++
	answer(w, http.StatusOK, x.shape())
}

func (p *Platform) remove(w http.ResponseWriter, r *http.Request) {
	x := p.find(r.PathValue("post"))
	if x == nil || x.foreign || p.settings.Outside {
		refuse(w, http.StatusForbidden, "api.context.permissions.app_error")
		return
	}
	x.deleted, x.updated = true, time.Now().UTC()
	answer(w, http.StatusOK, map[string]string{"status": "OK"})
}

// since gives what was written, edited or deleted since then, at most a thousand posts of it.
func (p *Platform) since(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, "api.context.invalid_url_param.app_error")
		return
	}
	if !p.knows(w, r.PathValue("channel"), true) {
		return
	}
	order, posts := []string{}, map[string]any{}
	for i := len(p.posts) - 1; i >= 0 && len(order) < mostSince; i-- {
		if x := p.posts[i]; x.updated.UnixMilli() > ms {
			order = append(order, x.id)
			posts[x.id] = x.shape()
		}
	}
	answer(w, http.StatusOK, map[string]any{"order": order, "posts": posts, "next_post_id": "", "prev_post_id": ""})
}

// webhook answers "ok", or with an error as the API does.
func (p *Platform) webhook(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var in struct {
		Text string `json:"text"`
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	raw, err := io.ReadAll(r.Body)
	switch {
	case p.settings.NoHooks:
		refuse(w, http.StatusNotImplemented, "web.incoming_webhook.disabled.app_error")
	case r.URL.Path != hook:
		refuse(w, http.StatusBadRequest, "web.incoming_webhook.invalid.app_error")
	case err != nil || media != "application/json" || json.Unmarshal(raw, &in) != nil:
		refuse(w, http.StatusBadRequest, "api.incoming_webhook.invalid_body.app_error")
	case in.Text == "":
		refuse(w, http.StatusBadRequest, "web.incoming_webhook.text.app_error")
	case p.settings.Archived:
		refuse(w, http.StatusBadRequest, "api.post.create_post.can_not_post_to_deleted.error")
	case utf8.RuneCountInString(in.Text) > longest:
		refuse(w, http.StatusBadRequest, "model.post.is_valid.message_length.app_error")
	default:
		text := strings.NewReplacer("<!channel>", "@channel", "<!here>", "@here", "<!all>", "@all").Replace(in.Text)
		p.add(&post{message: text, raw: raw})
		p.pings += p.calledBy(text)
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "ok")
	}
}
