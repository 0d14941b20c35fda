package website

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/crieur/crieur/internal/announce"
)

// shell is a Git server behind SSH, whose host keys are known beforehand.
type shell struct {
	who, address, path string
	user               string
	key                ssh.Signer
	known              *knownhosts.HostKeyDB
}

const connecting = 20 * time.Second // until the server has taken the key

func newSSH(c Config, user, hostname, port, path string) (host, error) {
	if user == "" {
		user = "git"
	}
	s := &shell{who: hostname, address: net.JoinHostPort(hostname, port), path: path, user: user}
	switch {
	case !c.Token.Empty():
		return nil, errors.New("TOKEN: goes with https: write REPOSITORY as https://github.com/you/site.git, or leave it out")
	case c.Key.Empty():
		return nil, errors.New("KEY: is required with SSH: the private key of a deploy key; KEY_FILE may name its file")
	case strings.TrimSpace(c.KnownHosts) == "":
		return nil, errors.New("KNOWN_HOSTS: is required with SSH: the server's host keys, as ssh-keyscan prints them; compare them with those that the host publishes")
	case strings.Trim(path, "/") == "" || strings.ContainsAny(path, "\r\n\x00"):
		return nil, errors.New("REPOSITORY: has no path: write git@github.com:you/site.git")
	}
	var err error
	if s.key, err = ssh.ParsePrivateKey([]byte(c.Key.Reveal() + "\n")); err != nil {
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) {
			return nil, errors.New("KEY: has a passphrase, which nobody could type: make a deploy key without one")
		}
		return nil, errors.New("KEY: is not a private key: it begins with -----BEGIN OPENSSH PRIVATE KEY-----")
	}
	if s.known, err = readKnownHosts(c.KnownHosts); err != nil {
		return nil, errors.New("KNOWN_HOSTS: cannot be read: each line is a host, a kind of key and the key, as ssh-keyscan prints them")
	}
	if len(s.known.HostKeys(s.address)) == 0 {
		return nil, fmt.Errorf("KNOWN_HOSTS: has no key of %s: add the lines of: ssh-keyscan -p %s %s", s.address, port, hostname)
	}
	return s, nil
}

// readKnownHosts reads lines of a known_hosts file. The library takes files only.
func readKnownHosts(lines string) (*knownhosts.HostKeyDB, error) {
	f, err := os.CreateTemp("", "crieur-known-hosts")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(lines + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return knownhosts.NewDB(f.Name())
}

type shellSession struct {
	*shell
	client  *ssh.Client
	run     *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	said    *remark
	service string
	found   *packp.AdvRefs
	stop    func() bool
}

// open connects, is authenticated, and reads the references. The end of ctx cuts the connection.
func (s *shell) open(ctx context.Context, service string) (session, error) {
	x := &shellSession{shell: s, service: service, said: &remark{}}
	if err := x.connect(ctx); err != nil {
		return nil, err
	}
	var err error
	if x.run, err = x.client.NewSession(); err == nil {
		x.in, _ = x.run.StdinPipe()   // these fail only when they are
		x.out, _ = x.run.StdoutPipe() // asked for a second time
		x.run.Stderr = x.said
		err = x.run.Start(service + " " + quoted(s.path))
	}
	if err == nil {
		x.found, err = readRefs(x.out)
	}
	if err == nil {
		return x, nil
	}
	err = x.refused(ctx, err)
	x.close()
	return nil, err
}

func (x *shellSession) connect(ctx context.Context) error {
	d := net.Dialer{Timeout: connecting}
	conn, err := d.DialContext(ctx, "tcp", x.address)
	if err != nil {
		return x.unreachable(ctx, err)
	}
	x.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(connecting))
	var changed ssh.PublicKey // the host key that is not the pinned one
	denied := false
	check := x.known.HostKeyCallback()
	c, channels, requests, err := ssh.NewClientConn(conn, x.address, &ssh.ClientConfig{
		User: x.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(x.key)},
		HostKeyAlgorithms: x.known.HostKeyAlgorithms(x.address),
		HostKeyCallback: func(hostname string, remote net.Addr, key ssh.PublicKey) error {
			err := check(hostname, remote, key)
			if err != nil {
				changed = key
			}
			return err
		},
		AuthCallback: func(a *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			for _, m := range a.TriedMethods {
				denied = denied || m == "publickey"
			}
			return nil, nil
		},
		ClientVersion: "SSH-2.0-crieur",
	})
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case err == nil:
		_ = conn.SetDeadline(time.Time{})
		x.client = ssh.NewClient(c, channels, requests)
		return nil
	case changed != nil:
		return stopped("%s shows a host key that KNOWN_HOSTS does not have (%s %s). Nothing was sent to it. Compare it with those that the host publishes: if it has new keys, replace the lines of KNOWN_HOSTS; if not, somebody is in between",
			x.who, changed.Type(), fingerprint(changed))
	case errors.As(err, &negotiation):
		return stopped("%s and KNOWN_HOSTS have no kind of host key in common: add the other lines of ssh-keyscan, compared with what the host publishes", x.who)
	case denied:
		return stopped("%s does not accept the deploy key: add its public half to the repository, with the right to write, then resume the account", x.who)
	}
	return x.unreachable(ctx, err)
}

func fingerprint(k ssh.PublicKey) string {
	sum := sha256.Sum256(k.Marshal())
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func stopped(format string, a ...any) error {
	return &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: fmt.Sprintf(format, a...)}
}

func (x *shellSession) unreachable(ctx context.Context, err error) error {
	why := "the connection failed"
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil:
		why, err = "the call was ended before it got through", ctx.Err()
	case errors.As(err, &dns):
		why = "its name cannot be found"
	}
	return &announce.Error{Outcome: announce.Temporary, Err: err, Fault: x.who + " cannot be reached over SSH: " + why + ". Nothing was sent; it will be tried again"}
}

// refused tells why a service did not even list the references.
func (x *shellSession) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil || x.run == nil {
		return x.unreachable(ctx, err)
	}
	_ = x.in.Close()
	var exit *ssh.ExitError
	if wait := x.run.Wait(); errors.As(wait, &exit) {
		e := &announce.Error{Outcome: announce.Permanent, Stop: true, Status: x.said.first(),
			Fault: x.who + " does not open the repository to the deploy key: check REPOSITORY, and that the key belongs to it"}
		if x.service == receivePack {
			e.Fault = x.who + " does not let the deploy key write: allow it to, then resume the account"
		}
		return e
	}
	return garbled(x.who, err)
}

func (x *shellSession) refs() *packp.AdvRefs { return x.found }

func (x *shellSession) exchange(ctx context.Context, request []byte, into io.Writer, create bool) error {
	lost := func(err error) error {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if create {
			return &announce.Error{Outcome: announce.Ambiguous, Err: err, Fault: "the connection to " + x.who + " was lost during the push: the commit may have arrived; look before it is repeated"}
		}
		return &announce.Error{Outcome: announce.Temporary, Err: err, Fault: "the connection to " + x.who + " was lost: it will be tried again"}
	}
	if err := ctx.Err(); err != nil {
		return x.unreachable(ctx, err)
	}
	if _, err := io.Copy(x.in, bytes.NewReader(request)); err != nil {
		return lost(err)
	}
	if err := x.in.Close(); err != nil && !errors.Is(err, io.EOF) {
		return lost(err)
	}
	if _, err := io.Copy(into, x.out); err != nil {
		return lost(err)
	}
	if err := x.run.Wait(); err != nil && !create {
		return lost(err)
	}
	return nil // of a push, the report says more than the exit code
}

// close ends the conversation, politely if nothing was asked.
func (x *shellSession) close() {
	if x.stop != nil {
		x.stop()
	}
	if x.client != nil {
		if x.in != nil {
			_ = pktline.NewEncoder(x.in).Flush()
		}
		_ = x.client.Close()
	}
}

// quoted is a path as one word of a POSIX shell.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// remark keeps the beginning of what a server says beside its answers.
type remark struct {
	mu   sync.Mutex
	text []byte
}

func (r *remark) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, b[:min(len(b), 1000-len(r.text))]...)
	return len(b), nil
}

func (r *remark) first() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(string(r.text)) {
		if line = strings.TrimSpace(line); line != "" {
			return short(line)
		}
	}
	return ""
}

// short is a server's word, fit to stand in a status.
func short(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if r := []rune(s); len(r) > 50 {
		s = string(r[:50]) + "…"
	}
	return s
}
