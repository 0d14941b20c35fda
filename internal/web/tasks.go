package web

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// tasks registers what is left to people. The answers go through settle.
func (s *server) tasks() {
	huma.Register(s.api, op("GET", "/v1/tasks", "tasks", ScopeAnnounce, "List what waits for a person, with the text to post"),
		func(ctx context.Context, in *struct {
			Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		}) (*struct {
			Body struct {
				Tasks []broadcast.Task `json:"tasks"`
			}
		}, error) {
			out := &struct {
				Body struct {
					Tasks []broadcast.Task `json:"tasks"`
				}
			}{}
			var err error
			if out.Body.Tasks, err = s.Service.Tasks(ctx, in.Limit); err != nil {
				return nil, s.fail(err)
			}
			return out, nil
		})
	huma.Register(s.api, op("GET", "/v1/tasks/{delivery}", "task", ScopeAnnounce, "Show one task, or how a delivery stands that waits for nobody", 404), s.oneTask)
}

func (s *server) oneTask(ctx context.Context, in *struct {
	Delivery string `path:"delivery" maxLength:"64"`
}) (*struct{ Body broadcast.Task }, error) {
	t, err := s.Service.Task(ctx, in.Delivery)
	if err != nil {
		return nil, s.fail(err)
	}
	return &struct{ Body broadcast.Task }{t}, nil
}

type taskData struct {
	view
	broadcast.Task
	In            announce.Language // of the text to post
	Key           string            // of the page
	Unknown, Done bool
	Fault         string
	Place         string // the first address in what is to be done; empty: none
}

var webAddress = regexp.MustCompile(`https?://[^\s()<>"]+`)

// taskPage shows a task to whoever has its link, and changes nothing.
func (s *server) taskPage(w http.ResponseWriter, r *http.Request) {
	if t, ok := s.taskOf(w, r); ok {
		s.page(w, http.StatusOK, "task.html", s.taskData(t, r))
	}
}

func (s *server) taskData(t broadcast.Task, r *http.Request) taskData {
	return taskData{view: s.taskView(), Task: t, Key: r.FormValue("key"), In: t.Delivery.Language, Place: webAddress.FindString(t.Delivery.Fault), Done: t.Verb == announce.Nothing}
}

// taskView is of a page that speaks both languages at once.
func (s *server) taskView() view {
	return view{Lang: "fr", Site: s.Site, Events: s.Feeds != nil, Fixed: true}
}

// taskOf finds the task of a link, or answers that there is none.
func (s *server) taskOf(w http.ResponseWriter, r *http.Request) (broadcast.Task, bool) {
	t, err := s.Service.TaskByKey(r.Context(), r.PathValue("delivery"), r.FormValue("key"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.page(w, http.StatusNotFound, "task.html", taskData{view: s.taskView(), Unknown: true})
	case err != nil:
		s.unavailable(w, "a task could not be read", err)
	}
	return t, err == nil
}

// settleTask takes the answer of a person.
func (s *server) settleTask(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	t, ok := s.taskOf(w, r)
	if !ok {
		return
	}
	rev, _ := strconv.Atoi(r.FormValue("rev")) // none: of no revision, which fits nothing
	seen := broadcast.Wanted{Verb: announce.Verb(r.FormValue("verb")), Rev: rev}
	var faults announce.Faults
	switch err := s.Service.Finish(r.Context(), t, broadcast.Saw(r.FormValue("saw")), seen, strings.TrimSpace(r.FormValue("url"))); {
	case errors.As(err, &faults):
		data := s.taskData(t, r)
		data.Fault = faults.Error()
		s.page(w, http.StatusUnprocessableEntity, "task.html", data)
	case err != nil:
		s.unavailable(w, "a task could not be settled", err)
	default:
		http.Redirect(w, r, r.URL.Path+"?key="+r.FormValue("key"), http.StatusSeeOther)
	}
}

// taskImage is a picture of a task, for whoever has its link.
func (s *server) taskImage(w http.ResponseWriter, r *http.Request) {
	t, ok := s.taskOf(w, r)
	if !ok {
		return
	}
	for i, p := range t.Message.Images {
		if r.PathValue("n") == strconv.Itoa(i) && len(p.Data) > 0 {
			picture(w, r, p.Type, p.Data)
			return
		}
	}
	http.NotFound(w, r)
}

// media serves the pictures of announcements by their hash: the bytes of an address never change.
func (s *server) media(w http.ResponseWriter, r *http.Request) {
	hash, ext, _ := strings.Cut(r.PathValue("name"), ".")
	kind := mime.TypeByExtension("." + ext)
	if !strings.HasPrefix(kind, "image/") || kind == "image/svg+xml" {
		http.NotFound(w, r)
		return
	}
	if etag := `"` + hash + `"`; r.Header.Get("If-None-Match") == etag { // what the name says never changes
		w.Header().Set("ETag", etag)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	data, err := s.Store.Picture(r.Context(), hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		http.NotFound(w, r)
	case err != nil:
		s.Log.Error("a picture could not be read", "err", err)
		http.Error(w, "the picture cannot be read now", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("ETag", `"`+hash+`"`)
		w.Header().Set("Access-Control-Allow-Origin", "*")
		picture(w, r, kind, data)
	}
}

func picture(w http.ResponseWriter, r *http.Request, kind string, data []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
