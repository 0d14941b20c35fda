package store

import (
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Submission is everything that one acceptance writes.
type Submission struct {
	Announcement announce.Announcement // ID, Rev and times set
	Payloads     []Payload             // frozen messages of this revision
	Deliveries   []announce.Delivery   // broadcast accounts: the rows to insert, or to bring to this revision
	Plans        []Plan                // personal accounts
	Cannot       map[string]string     // Revise: by account that is not wanted any more, what to tell a person where a shown post cannot be retracted
	Counted      []Counted             // links of its mails; Count does not matter
	Actor        string                // who asked, for the audit log
	Why          string                // Revise: why, for the audit log; empty: the title is there
	Key          *Key                  // nil: none. Only Save reads it
	Waves        *Waves                // nil: nothing more is made of those that there are
	Apart        time.Duration         // of a wave: least time between two messages about its event, for people and on an account. Only Save reads it
	Hold         bool                  // of a wave whose moment was missed: it waits for a person. In a revision: if it does already
	follows      map[string]string     // by account, the delivery whose post is told a change of
}

// Payload is a message frozen for one account and language, and its Part of the thread. Key, To, Unsubscribe, Date, Root
// and Parent are filled at Claim.
type Payload struct {
	Account  string
	Language announce.Language
	Message  announce.Message
	Since    int  // of what tells a change: for readers who were told that revision last; 0: for those of whom none has a payload of its own
	Silent   bool // with Since: those readers are told nothing, and Message does not matter
}

// Plan is the intention to write to people over one personal account, from Next on. Who they are, the announcement says.
type Plan struct {
	Account string
	First   time.Time // the Date of the messages; zero: Next
	Next    time.Time
	Only    int64 // the one address that is written to; 0: the announcement's audience
	Before  int   // those are written to who have a letter of Announcement.Of on the account, from before that revision; 0: the announcement's audience
	Keeps   bool  // a letter that was seen stays as it is when the announcement is amended: the account cannot change it
	Run     int64 // the run of a digest that adds the letters; 0: the planner does
}

// Key makes a repeated request the same request: Token and Key name it, Hash is of its body, Answer and Status are
// what it was answered and is answered again until TTL has passed.
type Key struct {
	Token, Key string
	Hash       [32]byte
	Answer     []byte
	Status     int
	TTL        time.Duration
	Derived    bool // made from the body by the server, not chosen by the caller; not stored
}

// Entry is one line in the list of announcements. Pictures come without their data.
type Entry struct {
	Announcement announce.Announcement
	Retracted    bool
	Counts       map[announce.State]int // every delivery, personal ones too
	Planned      int                    // personal deliveries so far
}

// Counts is how a personal account stands. By always sums to Planned.
type Counts struct {
	Planned int
	By      map[announce.State]int
	Done    bool      // nobody will be added any more
	Rest    time.Time // when those are written to on whom it is not tried out; zero: at once
}

// Job is work due on one account for one announcement.
type Job struct {
	Account      string
	Announcement announce.ID
}

// ClaimOptions say who claims, for how long, and how far apart calls on the account must be.
type ClaimOptions struct {
	Owner string
	Lease time.Duration
	Pace  time.Duration
}

// Claim is one delivery taken for one call. Message shares memory with other claims: it is read, never changed.
type Claim struct {
	Delivery announce.Delivery // as after claiming
	Verb     announce.Verb     // what to do
	Message  announce.Message  // of revision Delivery.CallRev, with Key and Date; for Retract it may have no text
	Fence    int64             // for Record and Renew
	Wait     time.Duration     // nothing was claimed, only because the account must wait so long
}

// AccountState is what holds an account back.
type AccountState struct {
	Account     string
	PausedUntil time.Time // zero or past: not paused
	Why         string    // of the pause
	Stopped     bool      // until ResumeAccount
	Since       time.Time // when it was stopped
	Fault       string    // why it is stopped, for a person
}

// Token is a key to the API, without its secret.
type Token struct {
	ID      string
	Name    string
	Scopes  []string
	Created time.Time
	Used    time.Time // to the minute; zero: never
	Revoked time.Time // zero: it is good
}

// Event is one line of the audit log. What is one of: submitted, amended, retracted, delivery (State is its new state),
// settled, skipped, missed, released, rehearsed, planned, paused, group-paused, held, announcement-resumed, account-stopped, account-resumed, stopped, resumed, token-created, token-revoked,
// subscriber (Detail is the number of the address, and what was done), subscribers (how many at once, and what), digest, digest-removed, digest-run,
// suppression-lifted, topic, topic-removed.
type Event struct {
	Seq          int64 // increases in order of commit; never reused
	At           time.Time
	Actor        string
	What         string
	Announcement announce.ID
	Delivery     string
	Account      string
	State        announce.State
	Detail       string
}
