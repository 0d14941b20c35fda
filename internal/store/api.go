package store

import (
	"context"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Recall returns what an earlier request with this key was answered. ErrKeyReused: its body was another. Expired keys are not found.
func (db *DB) Recall(ctx context.Context, k Key) (answer []byte, status int, found bool, err error) {
	panic("building")
}

// Save accepts an announcement. If its key was saved meanwhile with the same body, the earlier answer is returned,
// replayed is true and nothing is stored; with another body it is ErrKeyReused.
func (db *DB) Save(ctx context.Context, s Submission) (replay []byte, replayed bool, err error) {
	panic("building")
}

// Revise brings an announcement from revision expected to s.Announcement.Rev. *StaleError when expected is not current.
func (db *DB) Revise(ctx context.Context, expected int, s Submission) error { panic("building") }

// Withdraw makes nothing of an announcement wanted any more. cannot holds, by account, what to tell a person where a shown post cannot be retracted.
// Repeating it is fine.
func (db *DB) Withdraw(ctx context.Context, id announce.ID, expected int, actor string, cannot map[string]string, at time.Time) error {
	panic("building")
}

// Prune deletes idempotency keys that have expired.
func (db *DB) Prune(ctx context.Context) error { panic("building") }

// Announcement returns the current revision and whether it was retracted.
func (db *DB) Announcement(ctx context.Context, id announce.ID) (a announce.Announcement, retracted bool, err error) {
	panic("building")
}

// Announcements lists newest first, starting below before (empty: from the newest).
func (db *DB) Announcements(ctx context.Context, before announce.ID, limit int) ([]Entry, error) {
	panic("building")
}

// Deliveries returns an announcement's rows on broadcast accounts.
func (db *DB) Deliveries(ctx context.Context, id announce.ID) ([]announce.Delivery, error) {
	panic("building")
}

// Delivery returns one row.
func (db *DB) Delivery(ctx context.Context, deliveryID string) (announce.Delivery, error) {
	panic("building")
}

// Counts tells how a personal account stands.
func (db *DB) Counts(ctx context.Context, id announce.ID, account string) (Counts, error) {
	panic("building")
}

// PersonalAccounts lists the personal accounts that an announcement goes to.
func (db *DB) PersonalAccounts(ctx context.Context, id announce.ID) ([]string, error) {
	panic("building")
}

// Totals counts all deliveries by account and state. oldestDue is zero when nothing is due now or later.
func (db *DB) Totals(ctx context.Context) (by map[string]map[announce.State]int, oldestDue time.Time, err error) {
	panic("building")
}

// Due lists pairs with work due now on accounts that may be called, longest due first. Plans to enumerate are work too.
func (db *DB) Due(ctx context.Context, limit int) ([]Job, error) { panic("building") }

// NextDue is the earliest moment after now at which work becomes due; zero when there is none.
func (db *DB) NextDue(ctx context.Context) (time.Time, error) { panic("building") }

// Claim takes the longest due delivery of the pair for one call. No other claim gets it before the lease ends.
func (db *DB) Claim(ctx context.Context, account string, id announce.ID, o ClaimOptions) (Claim, bool, error) {
	panic("building")
}

// Record writes how a call ended and releases the lease. ErrFenced: the lease was lost to another claim, nothing is written.
func (db *DB) Record(ctx context.Context, fence int64, d announce.Delivery) error { panic("building") }

// Renew makes the lease end later. ErrFenced as for Record.
func (db *DB) Renew(ctx context.Context, deliveryID string, fence int64, lease time.Duration) error {
	panic("building")
}

// Skip lets every delivery of the pair that was never called rest at Skipped, and ends its plan. For announcements that came too late.
func (db *DB) Skip(ctx context.Context, account string, id announce.ID, fault, actor string) (int, error) {
	panic("building")
}

// SettleByPerson lets change decide over a delivery that no worker holds. ErrFenced: one does.
func (db *DB) SettleByPerson(ctx context.Context, deliveryID string, change func(announce.Delivery) (announce.Delivery, error), actor string) (announce.Delivery, error) {
	panic("building")
}

// Pause keeps an account from being called before until. The later of two pauses wins.
func (db *DB) Pause(ctx context.Context, account string, until time.Time, why string) error {
	panic("building")
}

// StopAccount keeps an account from being called until ResumeAccount. first: it was not stopped before.
func (db *DB) StopAccount(ctx context.Context, account, fault string) (first bool, err error) {
	panic("building")
}

// ResumeAccount ends a stop and a pause.
func (db *DB) ResumeAccount(ctx context.Context, account string) error { panic("building") }

// Accounts lists every account that was ever used, by name.
func (db *DB) Accounts(ctx context.Context) ([]AccountState, error) { panic("building") }

// Stop keeps everything from being called: no claim succeeds after it returned.
func (db *DB) Stop(ctx context.Context, actor, why string) error { panic("building") }

// Resume ends Stop.
func (db *DB) Resume(ctx context.Context, actor string) error { panic("building") }

// Stopped tells whether, since when and why everything is stopped.
func (db *DB) Stopped(ctx context.Context) (stopped bool, since time.Time, why string, err error) {
	panic("building")
}

// Plan enumerates up to page subscribers of one due plan. done: no plan is due any more. Safe to cut and repeat at any point.
func (db *DB) Plan(ctx context.Context, page int) (done bool, planned int, err error) {
	panic("building")
}

// AddSubscribers adds those who are not there. Somebody who unsubscribed stays unsubscribed.
func (db *DB) AddSubscribers(ctx context.Context, people []Subscriber) (added int, err error) {
	panic("building")
}

// Subscribers lists active subscribers by address, after the given one.
func (db *DB) Subscribers(ctx context.Context, after string, limit int) ([]Subscriber, error) {
	panic("building")
}

// RemoveSubscriber takes somebody off the list; AddSubscribers may bring them back.
func (db *DB) RemoveSubscriber(ctx context.Context, address string) (bool, error) { panic("building") }

// SubscriberByToken finds whom an unsubscribe link belongs to.
func (db *DB) SubscriberByToken(ctx context.Context, token string) (Subscriber, error) {
	panic("building")
}

// UnsubscribeByToken ends a subscription: no call for that person begins after it returned. True for every known token, again and again.
func (db *DB) UnsubscribeByToken(ctx context.Context, token string) (bool, error) { panic("building") }

// CreateToken makes a token and returns its secret, which is stored nowhere.
func (db *DB) CreateToken(ctx context.Context, name string, scopes []string) (plain announce.Secret, t Token, err error) {
	panic("building")
}

// Tokens lists all tokens, revoked ones too, oldest first.
func (db *DB) Tokens(ctx context.Context) ([]Token, error) { panic("building") }

// RevokeToken makes a token worthless for ever.
func (db *DB) RevokeToken(ctx context.Context, id string) error { panic("building") }

// Authenticate finds the token of a secret. False: unknown or revoked.
func (db *DB) Authenticate(ctx context.Context, plain string) (Token, bool, error) {
	panic("building")
}

// Events lists the audit log after seq, oldest first.
func (db *DB) Events(ctx context.Context, after int64, limit int) ([]Event, error) {
	panic("building")
}

// LastEvent is the highest Seq; 0 when there is none.
func (db *DB) LastEvent(ctx context.Context) (int64, error) { panic("building") }

// Shelf is the website's feed, kept in the record.
func (db *DB) Shelf() Shelf { panic("building") }

// Shelf holds what the feed shows.
type Shelf struct{ db *DB }

// Put shows an item, new or changed. Its original First stays; a removed one comes back.
func (s Shelf) Put(ctx context.Context, item announce.ShelfItem) error { panic("building") }

// Remove turns an item into a tombstone. Removing again changes nothing.
func (s Shelf) Remove(ctx context.Context, key string, at time.Time) error { panic("building") }

// List returns the newest 200 by Updated, newest first, tombstones too.
func (s Shelf) List(ctx context.Context) ([]announce.ShelfItem, error) { panic("building") }
