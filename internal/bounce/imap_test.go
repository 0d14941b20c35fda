package bounce

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/crieur/crieur/internal/announce"
)

// account is a mailbox server of the test's own, over TLS by its own authority.
type account struct {
	user    *imapmemserver.User
	address string
	ca      string
	cut     atomic.Int64 // bytes that the server may still say on the next connection; below zero: all
	dialled atomic.Int32
}

// cutter ends a connection after so many bytes.
type cutter struct {
	net.Conn
	mu   sync.Mutex
	left int64
}

func (c *cutter) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left < 0 {
		return c.Conn.Write(b)
	}
	if int64(len(b)) > c.left {
		n, _ := c.Conn.Write(b[:c.left])
		c.left = 0
		_ = c.Conn.Close()
		return n, net.ErrClosed
	}
	c.left -= int64(len(b))
	return c.Conn.Write(b)
}

type cutting struct {
	net.Listener
	a *account
}

func (l cutting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.a.dialled.Add(1)
	return &cutter{Conn: c, left: l.a.cut.Load()}, nil
}

func newAccount(t *testing.T, caps imap.CapSet) *account {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{user: imapmemserver.NewUser("crieur", "p4ssw0rd"), ca: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
	a.cut.Store(-1)
	for _, folder := range []string{"INBOX", "Done"} {
		if err := a.user.Create(folder, nil); err != nil {
			t.Fatal(err)
		}
	}
	memory := imapmemserver.New()
	memory.AddUser(a.user)
	s := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps: caps, Logger: log.New(discard{}, "", 0), InsecureAuth: true,
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.address = l.Addr().String()
	ended := make(chan struct{})
	go func() {
		_ = s.Serve(tls.NewListener(cutting{l, a}, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
		close(ended)
	}()
	t.Cleanup(func() { _ = s.Close(); <-ended })
	return a
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func (a *account) config() Config {
	return Config{
		ReturnPath: "b@bounce.example.org", IMAP: a.address, IMAPTLS: tlsImplicit, IMAPCA: a.ca, IMAPUsername: "crieur", IMAPPassword: announce.NewSecret("p4ssw0rd"),
		IMAPFolder: "INBOX", IMAPDone: "Done", IMAPInterval: time.Second,
	}
}

func (a *account) open(t *testing.T, change func(*Config)) *Mailbox {
	t.Helper()
	c := a.config()
	if change != nil {
		change(&c)
	}
	in, err := c.Open(testReader().Known, nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Mailbox.reader.now = testNow
	return in.Mailbox
}

func (a *account) put(t *testing.T, raw []byte) {
	t.Helper()
	if _, err := a.user.Append("INBOX", literal{bytes.NewReader(raw)}, &imap.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// count returns how many mails a folder has, and how many of them nobody has seen.
func (a *account) count(t *testing.T, folder string) (all, unseen uint32) {
	t.Helper()
	s, err := a.user.Status(folder, &imap.StatusOptions{NumMessages: true, NumUnseen: true})
	if err != nil {
		t.Fatal(err)
	}
	return *s.NumMessages, *s.NumUnseen
}

func (a *account) expect(t *testing.T, what string, inbox, unseen, done uint32) {
	t.Helper()
	i, u := a.count(t, "INBOX")
	d, _ := a.count(t, "Done")
	if i != inbox || u != unseen || d != done {
		t.Errorf("%s: %d in the folder, %d unseen, %d done; want %d, %d, %d", what, i, u, d, inbox, unseen, done)
	}
}

func capabilities(more ...imap.Cap) imap.CapSet {
	s := imap.CapSet{imap.CapIMAP4rev1: {}}
	for _, c := range more {
		s[c] = struct{}{}
	}
	return s
}

func TestTheMailboxIsEmptiedAfterReportsAreKept(t *testing.T) {
	for name, caps := range map[string]imap.CapSet{"MOVE": capabilities(imap.CapMove, imap.CapUIDPlus), "UIDPLUS": capabilities(imap.CapUIDPlus), "old": capabilities()} {
		for _, done := range []string{"Done", ""} {
			t.Run(name+" "+done, func(t *testing.T) {
				a := newAccount(t, caps)
				m := a.open(t, func(c *Config) { c.IMAPDone = done })
				a.put(t, sample(t, "postfix"))
				a.put(t, sample(t, "vacation"))
				a.put(t, sample(t, "arf"))
				k := &kept{fails: true}
				if err := m.Poll(t.Context(), k.handle); err == nil || !strings.Contains(err.Error(), "2 mails stay unseen") {
					t.Fatalf("%v", err)
				}
				a.expect(t, "after the handler failed", 3, 2, 0)
				k.set(false)
				if err := m.Poll(t.Context(), k.handle); err != nil {
					t.Fatal(err)
				}
				moved := uint32(0)
				if done != "" {
					moved = 2
				}
				if name == "old" {
					a.expect(t, "after it kept them", 3, 0, moved) // marked as deleted
				} else {
					a.expect(t, "after it kept them", 1, 0, moved)
				}
				if err := m.Poll(t.Context(), k.handle); err != nil || len(k.reports()) != 2 {
					t.Errorf("%v, %+v", err, k.reports())
				}
			})
		}
	}
}

func TestAFolderThatIsMissingDeletesNothing(t *testing.T) {
	for _, caps := range []imap.CapSet{capabilities(imap.CapMove, imap.CapUIDPlus), capabilities(imap.CapUIDPlus), capabilities()} {
		a := newAccount(t, caps)
		m := a.open(t, func(c *Config) { c.IMAPDone = "Nowhere" })
		a.put(t, sample(t, "postfix"))
		k := &kept{}
		if err := m.Poll(t.Context(), k.handle); err == nil || !strings.Contains(err.Error(), "IMAP_DONE") {
			t.Errorf("%v", err)
		}
		a.expect(t, "without the folder", 1, 0, 0)
	}
}

// However early the connection is cut, each report arrives, with one ID however often it comes.
func TestTheConnectionIsCutAtEveryPoint(t *testing.T) {
	var want []string
	for _, s := range []string{"postfix", "arf"} {
		want = append(want, testReader().read(sample(t, s), nil)[0].ID)
	}
	slices.Sort(want)
	cuts := 0
	for left := int64(0); ; left += 157 {
		a := newAccount(t, capabilities(imap.CapUIDPlus))
		m := a.open(t, nil)
		a.put(t, sample(t, "postfix"))
		a.put(t, sample(t, "arf"))
		k := &kept{}
		a.cut.Store(left)
		err := m.Poll(t.Context(), k.handle)
		a.cut.Store(-1)
		if err2 := m.Poll(t.Context(), k.handle); err2 != nil {
			t.Fatalf("after %d bytes: %v", left, err2)
		}
		var got []string
		for _, g := range k.reports() {
			got = append(got, g.ID)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Fatalf("cut after %d bytes: %v, want %v", left, got, want)
		}
		if err == nil {
			break
		}
		cuts++
	}
	if cuts < 10 {
		t.Errorf("only %d cuts", cuts)
	}
}

func TestTheMailboxIsReachedAgain(t *testing.T) {
	a := newAccount(t, capabilities(imap.CapMove, imap.CapUIDPlus))
	m := a.open(t, nil)
	m.interval = time.Millisecond
	a.cut.Store(0)
	a.put(t, sample(t, "postfix"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	kept := make(chan Report, 8)
	go func() {
		ended <- m.Run(ctx, func(_ context.Context, r []Report) error { kept <- r[0]; return nil }, quiet())
	}()
	for ; a.dialled.Load() < 3; time.Sleep(time.Millisecond) {
	}
	a.cut.Store(-1)
	if r := <-kept; r.Class != Hard {
		t.Errorf("%+v", r)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTheMailboxSaysWhatIsWrong(t *testing.T) {
	a := newAccount(t, capabilities())
	for want, change := range map[string]func(*Config){
		"IMAP_USERNAME": func(c *Config) { c.IMAPPassword = announce.NewSecret("wr0ng") },
		"IMAP_CA":       func(c *Config) { c.IMAPCA = "" },
		"Nowhere":       func(c *Config) { c.IMAPFolder = "Nowhere" },
	} {
		err := a.open(t, change).Poll(t.Context(), (&kept{}).handle)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "p4ssw0rd") {
			t.Errorf("%s: %v", want, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.open(t, nil).Poll(ctx, (&kept{}).handle); err == nil {
		t.Error("a cancelled look ended well")
	}
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	for failures, most := range map[int]time.Duration{1: time.Minute, 2: 2 * time.Minute, 3: 4 * time.Minute, 50: longestPause} {
		for range 100 {
			if got := backoff(time.Minute, failures); got < most*4/5 || got > most*6/5+1 {
				t.Errorf("after %d failures %v, want about %v", failures, got, most)
			}
		}
	}
}
