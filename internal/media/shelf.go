package media

import (
	"container/list"
	"crypto/sha256"
	"sync"

	"github.com/crieur/crieur/internal/announce"
)

type digest [sha256.Size]byte

func hash(data []byte) digest { return sha256.Sum256(data) }

// wish is a picture within limits.
type wish struct {
	of          digest
	bytes, side int
	types       string
}

// shelf keeps the pictures that were asked for last, at most so many bytes of them.
type shelf[K comparable] struct {
	mu          sync.Mutex
	most, bytes int
	order       list.List // of *kept[K], the last used in front
	places      map[K]*list.Element
}

type kept[K comparable] struct {
	key     K
	picture announce.Picture
}

func newShelf[K comparable](most int) *shelf[K] {
	return &shelf[K]{most: most, places: map[K]*list.Element{}}
}

func (s *shelf[K]) get(k K) (announce.Picture, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.places[k]
	if !ok {
		return announce.Picture{}, false
	}
	s.order.MoveToFront(e)
	return e.Value.(*kept[K]).picture, true
}

func (s *shelf[K]) put(k K, p announce.Picture) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.places[k]; ok || len(p.Data) > s.most {
		return
	}
	s.places[k] = s.order.PushFront(&kept[K]{k, p})
	for s.bytes += len(p.Data); s.bytes > s.most; {
		last := s.order.Remove(s.order.Back()).(*kept[K])
		delete(s.places, last.key)
		s.bytes -= len(last.picture.Data)
	}
}
