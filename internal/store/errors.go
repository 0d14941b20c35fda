package store

import (
	"errors"
	"fmt"
)

// What a caller may want to tell apart. Test with errors.Is.
var (
	ErrLocked    = errors.New("another process uses this state directory")           // a *LockedError says which
	ErrStale     = errors.New("the announcement has changed since it was read")      // a *StaleError says to what
	ErrNotFound  = errors.New("not found")                                           //
	ErrRetracted = errors.New("the announcement has been retracted")                 // it cannot be amended any more
	ErrFenced    = errors.New("somebody else has taken over this delivery")          // what was to be recorded is not
	ErrKeyReused = errors.New("this idempotency key was used for something else")    //
	ErrFull      = errors.New("the disk is full, or nearly")                         // nothing was stored; works again when there is room
	ErrBusy      = errors.New("the database does not answer now; try again shortly") // nothing was stored
)

// LockedError names who holds a state directory. It is ErrLocked.
type LockedError struct{ Dir, Holder string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("the state directory %s is in use by another process (%s): stop it first, or choose another directory", e.Dir, e.Holder)
}

// Is makes a LockedError ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// StaleError carries the revision that is current. It is ErrStale.
type StaleError struct{ Current int }

func (e *StaleError) Error() string {
	return fmt.Sprintf("the announcement has changed: its revision is now %d", e.Current)
}

// Is makes a StaleError ErrStale.
func (e *StaleError) Is(target error) bool { return target == ErrStale }
