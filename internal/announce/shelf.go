package announce

import "time"

// ShelfItem is one entry of the website's feed: a message under the delivery's key, kept when it is removed so that
// readers and calendars learn of it.
type ShelfItem struct {
	Key      string    `json:"key"` // the announcement's ID
	Message  Message   `json:"message"`
	First    time.Time `json:"first"`            // when it was first put on the shelf; kept by every later Put
	Updated  time.Time `json:"updated"`          // when it was last put or removed
	Removed  time.Time `json:"removed,omitzero"` // zero: it can be read
	Sequence int       `json:"sequence"`         // one more with each change, for calendars
}
