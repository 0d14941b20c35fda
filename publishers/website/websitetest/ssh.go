package websitetest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// shell serves the repository over SSH.
type shell struct {
	listener  net.Listener
	clientKey string // PEM
	client    ssh.PublicKey

	mu    sync.Mutex
	host  ssh.Signer
	cut   bool
	conns []net.Conn
}

// NewSSH opens a host that speaks SSH, with the same site.
func NewSSH() (*Platform, error) {
	p := empty()
	s := &shell{}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if s.client, err = ssh.NewPublicKey(public); err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "deploy")
	if err != nil {
		return nil, err
	}
	s.clientKey = string(pem.EncodeToMemory(block))
	p.shell = s
	if err := p.RotateHostKey(); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go s.accept(p)
	return p, nil
}

// RotateHostKey gives the host another key.
func (p *Platform) RotateHostKey() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	p.shell.mu.Lock()
	defer p.shell.mu.Unlock()
	p.shell.host = signer
	return nil
}

// CutAfterPush lets the host take the next push and lose the connection before it answers.
func (p *Platform) CutAfterPush() {
	p.shell.mu.Lock()
	defer p.shell.mu.Unlock()
	p.shell.cut = true
}

func (s *shell) address() string { return s.listener.Addr().String() }

func (s *shell) knownHosts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return knownhosts.Line([]string{knownhosts.Normalize(s.address())}, s.host.PublicKey())
}

func (s *shell) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (s *shell) accept(p *Platform) {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if bytes.Equal(k.Marshal(), s.client.Marshal()) {
				return nil, nil
			}
			return nil, fmt.Errorf("an unknown key")
		}}
		config.AddHostKey(s.host)
		s.mu.Unlock()
		go s.serve(p, c, config)
	}
}

func (s *shell) serve(p *Platform, c net.Conn, config *ssh.ServerConfig) {
	defer func() { _ = c.Close() }()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		channel, asked, err := ch.Accept()
		if err != nil {
			return
		}
		for r := range asked {
			if r.Type != "exec" {
				_ = r.Reply(false, nil)
				continue
			}
			var command struct{ Line string }
			_ = ssh.Unmarshal(r.Payload, &command)
			_ = r.Reply(true, nil)
			code := s.run(p, channel, command.Line)
			if code < 0 {
				return
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)}))
			_ = channel.Close()
		}
	}
}

// run carries out a command and returns its exit code, or -1 to lose the connection.
func (s *shell) run(p *Platform, channel ssh.Channel, line string) int {
	service, where, _ := strings.Cut(line, " ")
	p.mu.Lock()
	readOnly := p.readOnly
	p.mu.Unlock()
	serve := map[string]func(io.Reader, io.Writer) error{"git-upload-pack": p.upload, "git-receive-pack": p.receive}[service]
	switch {
	case serve == nil || where != "'"+repo+"'":
		_, _ = io.WriteString(channel.Stderr(), "ERROR: Repository not found.\n")
		return 1
	case readOnly && service == "git-receive-pack":
		_, _ = io.WriteString(channel.Stderr(), "ERROR: The key you are authenticating with has been marked as read only.\n")
		return 1
	}
	p.advertise(channel, service)
	var out bytes.Buffer
	if err := serve(channel, &out); err != nil {
		return 128
	}
	s.mu.Lock()
	cut := s.cut && service == "git-receive-pack"
	s.cut = s.cut && !cut
	s.mu.Unlock()
	if cut {
		return -1
	}
	_, _ = channel.Write(out.Bytes())
	return 0
}
