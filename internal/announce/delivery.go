package announce

import "time"

// Delivery is one announcement on one account (for one person, on a personal channel): what should be true, and what is.
// Announcement, Account, To, Language and Part are unique together; revisions are columns, not keys.
type Delivery struct {
	ID           string // stable over every retry: the key by which channels recognise a repeat
	Announcement ID
	Account      string // slack, slack@partners
	To           string // the address on a personal channel, else empty
	Language     Language
	Part         int

	// What should be true.
	Wanted bool
	Rev    int
	Manner Manner // how a post that can be seen is brought to Rev

	// What is.
	Shown   int       // the revision that can be seen; 0: none
	Receipt Receipt   // zero unless Shown > 0
	Posted  time.Time // when the post was published; zero: it was not
	Edits   int       // how often the post was edited
	Calling Verb      // a call that began and was not seen to end
	CallRev int       // the revision that call carries
	Began   time.Time // when it began

	Attempts int       // calls since the last success or amendment
	Looks    int       // times in a row that a lost call was looked for and not found
	Repeats  int       // times that a call was made again whose answer was lost
	Cuts     int       // times that a call was made again which a death of this program cut
	Since    int       // of what tells a change: the revision of the other announcement that its reader was told last; 0: not known
	Paid     int64     // micro-dollars booked for publishing it anew, from before its post is taken away until that is done or given up
	First    time.Time // when it first became due: the message's Date, kept for ever
	Next     time.Time // no call before this
	Rest     Rest
	Fault    string // for the person who reads it: what went wrong, what to do
}

// Lost reports whether an earlier call was lost, so that it may have had its effect although none is under way.
func (d Delivery) Lost() bool { return d.Repeats+d.Cuts > 0 }

// Manner is how a post that can be seen is brought to a later revision.
type Manner string

// The manners.
const (
	Edited Manner = ""     // edited in place
	Anew   Manner = "anew" // taken away, and published once more
	Kept   Manner = "kept" // it stays as it is: nothing of it changed there, or another post tells what did
)

// Reposting reports whether d was seen before and was taken away only to be published once more.
func (d Delivery) Reposting() bool {
	return d.Wanted && d.Manner == Anew && d.Shown == 0 && !d.Posted.IsZero()
}

// Verb is something to do to the world.
type Verb string

// The verbs. Settle means: find out how a call that was not seen to end did end.
const (
	Nothing Verb = ""
	Publish Verb = "publish"
	Amend   Verb = "amend"
	Retract Verb = "retract"
	Settle  Verb = "settle"
)

// Rest says why nothing more is done by itself. An amendment, a resume or a person clears it.
type Rest string

// The reasons to rest.
const (
	Moving  Rest = ""        // not at rest
	Failed  Rest = "failed"  // refused for good
	Skipped Rest = "skipped" // too late, or no longer wanted by the person
	Person  Rest = "person"  // nobody but a person can tell how a call ended, or do what is left
	Cannot  Rest = "cannot"  // the channel has no way to do what is wanted
)

// Todo is what should happen next. Nothing while at Rest.
func (d Delivery) Todo() Verb {
	switch {
	case d.Rest != Moving:
		return Nothing
	case d.Calling != Nothing:
		return Settle
	case d.Wanted && d.Shown == 0:
		return Publish
	case d.Shown > 0 && d.Manner == Kept:
		return Nothing
	case d.Wanted && d.Shown < d.Rev && d.Manner == Anew, !d.Wanted && d.Shown > 0:
		return Retract
	case d.Wanted && d.Shown < d.Rev:
		return Amend
	}
	return Nothing
}

// State is the one word that people read.
type State string

// The states of a delivery.
const (
	Waiting      State = "waiting"
	CallingNow   State = "calling"
	Published    State = "published"
	FailedState  State = "failed"
	Unknown      State = "unknown"
	Retracted    State = "retracted"
	SkippedState State = "skipped"
)

// State tells how things stand at now. A call under way is calling until somebody has to find out how it ended; then it is unknown.
func (d Delivery) State() State {
	switch {
	case d.Calling != Nothing && (d.Rest != Moving || d.Fault != "" || d.Looks > 0):
		return Unknown
	case d.Calling != Nothing:
		return CallingNow
	case d.Rest == Failed && d.Shown == 0:
		return FailedState
	case d.Rest == Skipped:
		return SkippedState
	case d.Shown > 0 && (d.Wanted || d.Rest != Moving || d.Manner == Kept):
		return Published
	case !d.Wanted && d.Shown == 0:
		return Retracted
	}
	return Waiting
}
