package templates

import (
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// zones remembers time zones, which take longer to read than a text to write. Nil remembers nothing.
type zones struct{ known sync.Map }

// location is an IANA zone. Those of strangers are few: a zone that does not exist is not remembered.
func (z *zones) location(name string) (*time.Location, error) {
	if z == nil {
		return announce.Zone(name)
	}
	if l, ok := z.known.Load(name); ok {
		return l.(*time.Location), nil
	}
	l, err := announce.Zone(name)
	if err == nil {
		z.known.Store(name, l)
	}
	return l, err
}

// in is announce.When.In.
func (z *zones) in(w announce.When) time.Time {
	l, err := z.location(w.Zone)
	if err != nil {
		return w.Instant.UTC()
	}
	return w.Instant.In(l)
}
