package announce

// Digest is what one digest tells: what was announced since the last one, in its present form.
type Digest struct {
	Name   string `json:"name"`
	Period When   `json:"period"`         // when it was due
	Late   bool   `json:"late,omitempty"` // it is made well after that
	Items  []Item `json:"items"`          // events to come by date, then news, then what was called off
	More   int    `json:"more,omitempty"` // so many more that the channel has no room for
}

// Item is an announcement that a digest tells of. The announcement has no pictures.
type Item struct {
	Announcement
	Page string `json:"page,omitempty"` // where it can be read when it has no link of its own
	Off  bool   `json:"off,omitempty"`  // it was called off
}

// Upcoming reports whether the item is an event to come.
func (i Item) Upcoming() bool { return !i.Off && i.Event != nil && !i.Kind.AboutPast() }
