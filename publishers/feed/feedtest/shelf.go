package feedtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
)

// shelf keeps the entries in memory, by the rules that feed.Shelf and feed.Indexed promise.
type shelf struct {
	mu      sync.Mutex
	items   map[string]announce.ShelfItem
	changes int
}

var _ feed.Indexed = (*shelf)(nil)

func (s *shelf) Put(_ context.Context, item announce.ShelfItem) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = map[string]announce.ShelfItem{}
	}
	if old, ok := s.items[item.Key]; ok {
		before, err := json.Marshal(old.Message)
		if err != nil {
			return err
		}
		after, err := json.Marshal(item.Message)
		if err != nil {
			return err
		}
		if bytes.Equal(before, after) && old.Removed.IsZero() {
			return nil
		}
		item.First, item.Sequence = old.First, old.Sequence+1
	}
	s.items[item.Key] = item
	s.changes++
	return nil
}

func (s *shelf) Remove(_ context.Context, key string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.items[key]
	if !ok || !item.Removed.IsZero() {
		return nil
	}
	item.Removed, item.Updated = at, at
	item.Sequence++
	s.items[key] = item
	s.changes++
	return nil
}

func (s *shelf) List(context.Context) ([]announce.ShelfItem, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []announce.ShelfItem{}
	for _, i := range s.items {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b announce.ShelfItem) int {
		return cmp.Or(b.Updated.Compare(a.Updated), strings.Compare(b.Key, a.Key))
	})
	return all, nil
}

func (s *shelf) Edition(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.Itoa(s.changes), nil
}

func (s *shelf) Item(_ context.Context, key string) (announce.ShelfItem, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.items[key]
	return i, ok, nil
}

// ServeHTTP answers the shelf's calls.
func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/shelf/")
	var answer any = struct{}{}
	var item announce.ShelfItem
	var at time.Time
	var err error
	switch r.Method {
	case http.MethodPut:
		if err = json.NewDecoder(r.Body).Decode(&item); err == nil {
			err = s.Put(r.Context(), item)
		}
	case http.MethodDelete:
		if err = json.NewDecoder(r.Body).Decode(&at); err == nil {
			err = s.Remove(r.Context(), key, at)
		}
	default:
		answer, err = s.List(r.Context())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
