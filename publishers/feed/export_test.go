package feed

import (
	"net/http"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// HandlerAt is Config.Handler with a clock.
func HandlerAt(c Config, shelf Shelf, site announce.Site, now func() time.Time) http.Handler {
	return c.handler(shelf, site, now)
}
