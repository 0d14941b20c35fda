package announce

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// Message is an announcement shaped for one channel and language, frozen: what was previewed is what is sent.
type Message struct {
	Key          string    `json:"key"` // the delivery's ID; equal on every repeat
	Announcement ID        `json:"announcement"`
	Of           ID        `json:"of,omitempty"` // the announcement that this one follows
	Rev          int       `json:"rev"`
	Kind         Kind      `json:"kind"`
	Language     Language  `json:"language"`
	Subject      string    `json:"subject"`           // one line, plain
	Summary      string    `json:"summary,omitempty"` // one or two sentences, plain
	Text         string    `json:"text"`              // the whole post; Markdown when Limits.Markdown, else plain
	HTML         string    `json:"html,omitempty"`    // when Limits.HTML; may hold UnsubscribeMark
	Link         string    `json:"link,omitempty"`    // where to read more; already in Text unless the template left it out
	Images       []Picture `json:"images,omitempty"`  // at most Limits.Images
	Event        *Event    `json:"event,omitempty"`   // for calendars
	Entry        *Entry    `json:"entry,omitempty"`   // how they show it; nil: as this message says
	Topics       []string  `json:"topics,omitempty"`
	Tags         []string  `json:"tags,omitempty"`        // the hashtags that the template wrote in Text, without "#"; every other "#" is the author's
	Mentions     []string  `json:"mentions,omitempty"`    // the handles that the template wrote in Text, without "@"; every other "@" is the author's
	Part         int       `json:"part,omitempty"`        // its place in a thread, from 0
	Parts        int       `json:"parts,omitempty"`       // of the thread; 0: it stands alone
	Versions     []Version `json:"versions,omitempty"`    // when Limits.Multilingual: every language, the default first
	Created      time.Time `json:"created_at"`            // of the announcement
	Updated      time.Time `json:"updated_at"`            // of this revision
	To           string    `json:"to,omitempty"`          // the address, on a personal channel
	Name         string    `json:"name,omitempty"`        // the person's, when they gave one; NameMark stands for it
	Unsubscribe  string    `json:"unsubscribe,omitempty"` // the person's own link; replaces UnsubscribeMark
	Preferences  string    `json:"preferences,omitempty"` // the person's own link to what they get, why, and how often; replaces PreferencesMark
	Archive      string    `json:"archive,omitempty"`     // the person's own link to this message as a page; replaces ArchiveMark
	ReturnPath   string    `json:"return_path,omitempty"` // where bounces of this one mail go; empty: where the account's go
	Date         time.Time `json:"date,omitzero"`         // when the delivery first became due; equal on every repeat
	Root         Receipt   `json:"-"`                     // of the thread's first part, when Part > 0
	Parent       Receipt   `json:"-"`                     // of the part before this one, which it answers, when Part > 0
}

// Marks stand in Text and HTML where the person's own part goes. They survive HTML and URL escaping unchanged.
const (
	UnsubscribeMark = "https://unsubscribe.invalid/crieur"
	PreferencesMark = "https://preferences.invalid/crieur"
	ArchiveMark     = "https://archive.invalid/crieur"
	NameMark        = "\ue000" // replaced by a blank and Name, or by nothing: "Bonjour\ue000,"
)

// Marks lists the marks and what takes their place for the person that m goes to. The name is one line without markup.
func (m Message) Marks() [4][2]string {
	name := strings.Join(strings.Fields(m.Name), " ")
	if name != "" {
		name = " " + name
	}
	return [4][2]string{{UnsubscribeMark, m.Unsubscribe}, {PreferencesMark, m.Preferences}, {ArchiveMark, m.Archive}, {NameMark, name}}
}

// Filled is the text of m for the person that it goes to: plain text or Markdown, as Text is.
func (m Message) Filled() string {
	var pairs []string
	for _, p := range m.Marks() {
		pairs = append(pairs, p[0], p[1])
	}
	return strings.NewReplacer(pairs...).Replace(m.Text)
}

// Version is a message in one of its languages.
type Version struct {
	Language Language `json:"language"`
	Subject  string   `json:"subject"`
	Summary  string   `json:"summary,omitempty"`
	Text     string   `json:"text"` // as Message.Text
	HTML     string   `json:"html"`
}

// Picture is an image for readers of one language, within the channel's PictureLimits.
type Picture struct {
	URL    string `json:"url,omitempty"` // where anybody can fetch Data; empty when this server has no public address
	Data   []byte `json:"data,omitempty"`
	Type   string `json:"type,omitempty"` // media type of Data
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	Alt    string `json:"alt"`
}

// PictureLimits are what a channel takes for a picture. A zero field sets no limit.
type PictureLimits struct {
	Bytes int      // most
	Side  int      // most pixels of the longer side
	Types []string // media types; none: image/jpeg, image/png and image/gif
}

// Receipt is what a channel needs to amend or retract a post (ID), and where a person can see it (URL).
type Receipt struct {
	ID  string    `json:"id,omitempty"`
	URL string    `json:"url,omitempty"`
	At  time.Time `json:"at,omitzero"`
}

// Limits says what a channel takes, and what repeating a call means there.
type Limits struct {
	Text     int              // most units of Text; 0: no limit
	Short    bool             // readers expect a short post: what, when, where, who, a link
	Measure  func(string) int // how the platform counts units; nil: code points
	Links    bool             // Text may hold links; when false the template leaves them out
	Markdown bool             // Text is Markdown that the channel translates; when false Text is plain
	HTML     bool             // the channel takes HTML beside Text
	Images   int              // most images; 0: none
	Alt      int              // most code points of an image's text alternative; 0: no limit
	Picture  PictureLimits    // what each image must be like
	Card     bool             // an event without an image gets a card, drawn from its title, date and place
	Replies  bool             // a post can answer another one of the account: Root and Parent are heeded
	Thread   int              // most parts in which a longer text is told, each answering the one before; 0 or 1: it is shortened instead

	Kinds        []Kind // takes only these; none: all
	Manual       bool   // a person does what is wanted: every call asks one
	Personal     bool   // one delivery per subscriber
	Multilingual bool   // one delivery carries every language

	Idempotent  time.Duration               // how long after the first call the same key is safe to repeat; 0: never; Forever: a stable object ID
	Again       int                         // how often a lost call may be repeated although nobody can look: receivers drop the copy by its key
	EditWithin  time.Duration               // how long after it was published a post can be edited; 0: for ever. Needs Amender
	Edits       int                         // how often a post can be edited; 0: as often as one likes
	Editable    func(was, now Message) bool // whether Amend can make now of a post that shows was; nil: of any
	FreshAmends bool                        // an amend makes a new object, so a lost amend is as grave as a lost publish

	Pace       time.Duration // least time between two calls; 0: none
	Concurrent int           // most calls at once; 0: one
	Patience   time.Duration // longest that one call may take; 0: one minute

	Group     func(to string) string           // addresses of one group, such as a mail domain, share a pace and a fate; nil, or an empty group: each stands for itself
	GroupPace func(group string) time.Duration // least time between two calls to a group; nil, or 0: none

	Budget int64 // most micro-dollars that publishing and amending may cost in a calendar month (UTC); 0: no ceiling. Needs Coster
}

// Forever is the Idempotent of a channel whose objects have stable IDs.
const Forever = time.Duration(math.MaxInt64)

// Publisher puts one message on one channel. Safe for concurrent use. One call has one side effect.
// Every error it returns is an *Error.
type Publisher interface {
	Name() string // the channel: "slack", whatever the account
	Limits() Limits
	Publish(context.Context, Message) (Receipt, error)
}

// Amender replaces what a receipt stands for by a message. It may be repeated unless Limits.FreshAmends.
type Amender interface {
	Amend(context.Context, Receipt, Message) (Receipt, error)
}

// Retracter takes away what a receipt stands for. It may be repeated; something already gone is success.
type Retracter interface {
	Retract(context.Context, Receipt) error
}

// Finder tells whether a message appeared at or after since. False without an error means: looked, and it was not there.
type Finder interface {
	Find(ctx context.Context, m Message, since time.Time) (Receipt, bool, error)
}

// Checker looks at the account without changing anything: for `crieur doctor`.
type Checker interface {
	Check(context.Context) (Report, error)
}

// Coster tells what one Publish or Amend of a message costs, in micro-dollars, whether or not it succeeds the first time.
type Coster interface {
	Cost(Message) int64
}

// Report is what a Checker saw. Findings are worth a person's attention; none means all is well.
type Report struct {
	Identity string    `json:"identity,omitempty"` // who the platform says we are
	Expires  time.Time `json:"expires,omitzero"`   // of the credentials; zero: never or not known
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is something wrong or soon wrong, and what to do about it.
type Finding struct {
	Severe bool   `json:"severe"` // publishing will fail
	What   string `json:"what"`
	Do     string `json:"do"`
}

// Concern is something that a rehearsal found: what was looked at, where, and the finding.
type Concern struct {
	Probe   string `json:"probe" enum:"account,budget,picture,link,text,people" doc:"What was looked at."`
	Channel string `json:"channel,omitempty" doc:"The account; absent: the announcement itself."`
	Finding
}

// Outcome answers one question: may I do this again?
type Outcome int

// The outcomes of a failed call.
const (
	Ambiguous   Outcome = iota // it may have happened: never repeat it blindly
	Temporary                  // it did not happen: try later
	RateLimited                // it did not happen: the whole channel, or the group of the address, waits RetryAfter; no attempt is counted
	Permanent                  // it did not happen and will not until a person changes something
)

func (o Outcome) String() string {
	return [...]string{"ambiguous", "temporary", "rate limited", "permanent"}[o]
}

// Error is how a publisher says that a call did not succeed.
type Error struct {
	Outcome    Outcome
	Stop       bool          // the account is at fault (dead token, no credit): its deliveries wait, a person is told once
	Gone       bool          // this address is dead; the message is fine
	Group      bool          // with RateLimited: only the group of the address waits, see Limits.Group
	Ask        bool          // only a person can do it: Fault tells them what, and the delivery rests until they settle it
	RetryAfter time.Duration // with RateLimited: how long the channel waits; 0: not said
	Field      string        // the field of the message at fault, when one is
	Status     string        // what the platform answered, shortly: "403", "550 5.1.1"
	Fault      string        // for the console: who, what, what to do next
	Err        error         // the cause, for errors.Is; its text is not shown
}

func (e *Error) Error() string {
	if e.Status != "" {
		return fmt.Sprintf("%s (%s)", e.Fault, e.Status)
	}
	return e.Fault
}

func (e *Error) Unwrap() error { return e.Err }
