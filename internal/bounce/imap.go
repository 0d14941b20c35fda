package bounce

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/crieur/crieur/internal/announce"
)

const (
	imapPatience = 10 * time.Minute // for one look into the mailbox
	longestPause = 15 * time.Minute
)

// Mailbox looks for bounces in a folder of an IMAP account (RFC 9051, RFC 3501).
type Mailbox struct {
	reader   Reader
	address  string // host:port
	tls      *tls.Config
	mode     string
	username string
	password announce.Secret
	folder   string
	done     string // where mail goes after it was handled; empty: it is deleted
	interval time.Duration
}

// Run looks every interval until ctx is done, and after a failure more and more rarely. Its error is ctx's.
func (m *Mailbox) Run(ctx context.Context, handle Handler, log *slog.Logger) error {
	failures := 0
	for {
		pause := m.interval
		if err := m.Poll(ctx, handle); err != nil && ctx.Err() == nil {
			failures++
			pause = backoff(m.interval, failures)
			log.Warn("the mailbox of bounces could not be read to its end", "error", err, "again_in", pause)
		} else {
			failures = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// backoff doubles the interval with each failure after the first, up to a quarter of an hour, give or take a fifth.
func backoff(interval time.Duration, failures int) time.Duration {
	pause := interval
	for range failures - 1 {
		if pause *= 2; pause >= longestPause {
			pause = longestPause
			break
		}
	}
	return pause - pause/5 + time.Duration(rand.Int64N(int64(pause)*2/5+1))
}

// Poll hands to handle what the unseen mails of the folder report, mail by mail, and only after nil flags each \Seen and
// moves or deletes it. Mail that reports nothing is flagged \Seen and stays. Cut at any point it loses nothing: what
// was not done is unseen and comes again, with the same Report.ID. A mail that handle refuses stops none of the others.
func (m *Mailbox) Poll(ctx context.Context, handle Handler) error {
	ctx, cancel := context.WithTimeout(ctx, imapPatience)
	defer cancel()
	c, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })() // every call below ends with ctx
	if err := m.login(c); err != nil {
		return err
	}
	if _, err := c.Select(m.folder, nil).Wait(); err != nil {
		return fmt.Errorf("IMAP: the folder %q cannot be opened: %w", m.folder, err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}}, nil).Wait()
	if err != nil {
		return fmt.Errorf("IMAP: %w", err)
	}
	var kept []error
	for _, uid := range found.AllUIDs() {
		raw, err := read(c, uid)
		if err != nil {
			return fmt.Errorf("IMAP: %w", err)
		}
		if raw == nil {
			continue // somebody else took it
		}
		reports := m.reader.read(raw, nil)
		if len(reports) > 0 {
			if err := handle(ctx, reports); err != nil {
				kept = append(kept, err)
				continue
			}
		}
		if err := m.finish(c, uid, len(reports) > 0); err != nil {
			return fmt.Errorf("IMAP: %w", err)
		}
	}
	if len(kept) > 0 {
		return fmt.Errorf("%d mails stay unseen, for they could not be kept: %w", len(kept), kept[0])
	}
	_ = c.Logout().Wait() // all is done; how the server takes leave changes nothing
	return nil
}

func (m *Mailbox) dial(ctx context.Context) (*imapclient.Client, error) {
	d := &net.Dialer{Timeout: 30 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", m.address)
	if err != nil {
		return nil, fmt.Errorf("IMAP: %s cannot be reached, check IMAP: %w", m.address, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	o := &imapclient.Options{TLSConfig: m.tls}
	var c *imapclient.Client
	switch m.mode {
	case tlsNone:
		c = imapclient.New(conn, o)
	case tlsStart:
		if c, err = imapclient.NewStartTLS(conn, o); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("IMAP: no encryption with %s, so nothing was sent: %w", m.address, err)
		}
	default:
		t := tls.Client(conn, m.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("IMAP: no encryption with %s, check IMAP and IMAP_CA: %w", m.address, err)
		}
		c = imapclient.New(t, o)
	}
	if err := c.WaitGreeting(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("IMAP: %s does not answer as a mailbox: %w", m.address, err)
	}
	return c, nil
}

// login logs in. Its error has nothing of what was sent.
func (m *Mailbox) login(c *imapclient.Client) error {
	err := c.Login(m.username, m.password.Reveal()).Wait()
	var refused *imap.Error
	if errors.As(err, &refused) {
		return fmt.Errorf("IMAP: %s refuses the login, check IMAP_USERNAME and IMAP_PASSWORD; some providers want an application password", m.address)
	}
	if err != nil {
		return fmt.Errorf("IMAP: the connection to %s ended at the login", m.address)
	}
	return nil
}

// read returns the beginning of a mail and leaves it unseen; nil when it is gone.
func read(c *imapclient.Client, uid imap.UID) ([]byte, error) {
	section := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: mostMail}}
	got, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		return nil, err
	}
	for _, g := range got {
		for _, s := range g.BodySection {
			if g.UID == uid {
				return bytes.Clone(s.Bytes), nil
			}
		}
	}
	return nil, nil
}

// finish flags a mail as seen, and a handled one puts away. Each step ends before the next begins: a copy that failed
// must not be followed by a deletion, as in the library's own Move on servers without MOVE (RFC 6851).
func (m *Mailbox) finish(c *imapclient.Client, uid imap.UID, handled bool) error {
	one := imap.UIDSetNum(uid)
	flag := func(f imap.Flag) error {
		return c.Store(one, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{f}}, nil).Close()
	}
	if err := flag(imap.FlagSeen); err != nil || !handled {
		return err
	}
	if m.done != "" && c.Caps().Has(imap.CapMove) {
		if _, err := c.Move(one, m.done).Wait(); err != nil {
			return fmt.Errorf("a mail cannot be moved to %q, check IMAP_DONE: %w", m.done, err)
		}
		return nil
	}
	if m.done != "" {
		if _, err := c.Copy(one, m.done).Wait(); err != nil {
			return fmt.Errorf("a mail cannot be moved to %q, check IMAP_DONE: %w", m.done, err)
		}
	}
	if err := flag(imap.FlagDeleted); err != nil {
		return err
	}
	if c.Caps().Has(imap.CapUIDPlus) {
		return c.UIDExpunge(one).Close()
	}
	return nil // a bare EXPUNGE would take with it what others have marked
}
