package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/crieur/crieur/internal/store"
)

// visit finds where a counted link leads, or answers what is none. Programs that only look are not counted.
func (s *server) visit(w http.ResponseWriter, r *http.Request, pixel bool) (target string, ok bool) {
	h := r.Header
	ahead := strings.HasPrefix(h.Get("Sec-Purpose"), "prefetch") || h.Get("Purpose") == "prefetch"
	target, err := s.Service.Visit(r.Context(), r.PathValue("token"), pixel, r.Method == http.MethodGet && !ahead)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.unknown(w, s.view(r, ""))
	case err != nil:
		s.unavailable(w, "a counted link could not be read", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	return target, err == nil
}

// counted leads on to where a link of a mail was to lead when it was sent, and to nowhere else.
func (s *server) counted(w http.ResponseWriter, r *http.Request) {
	if target, ok := s.visit(w, r, false); ok {
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusFound)
	}
}

// dot is a picture of one pixel that cannot be seen.
const dot = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

func (s *server) pixel(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.visit(w, r, true); ok {
		w.Header().Set("Content-Type", "image/gif")
		_, _ = w.Write([]byte(dot))
	}
}
