package bounce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	mostAccepted   = 32 << 20 // bytes of a mail that LMTP takes; Reader looks at the beginning
	mostRecipients = 100
	mostLine       = 1 << 20
	lmtpPatience   = 5 * time.Minute
)

// listen opens what the setting LMTP names: a port of this machine's own, or a unix socket that everybody on this machine may write to.
func listen(address string) (net.Listener, error) {
	path, isPath := strings.CutPrefix(address, "unix:")
	if !isPath {
		return net.Listen("tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s is in use by another process", path)
		}
		if err := os.Remove(path); err != nil { // of a process that died
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// local reports whether an LMTP address is a unix socket or a loopback address with a port.
func local(address string) bool {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return strings.HasPrefix(path, "/")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// ServeLMTP takes mail (RFC 2033) from l until ctx is done, then closes it and lets what is under way end, ten seconds at
// most. Only recipients with a token of the right form exist. A mail is answered 250 after handle returned nil or when it
// reports nothing, and 451 when handle failed: then it comes again.
func (r Reader) ServeLMTP(ctx context.Context, l net.Listener, handle Handler, log *slog.Logger) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{reader: r, ctx: work, handle: handle, log: log}, nil
	}))
	s.LMTP, s.EnableSMTPUTF8, s.Domain = true, true, r.Domain
	s.MaxMessageBytes, s.MaxRecipients, s.MaxLineLength = mostAccepted, mostRecipients, mostLine
	s.ReadTimeout, s.WriteTimeout = lmtpPatience, lmtpPatience
	s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("LMTP: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(work, 10*time.Second)
	defer cancel()
	err := s.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	stop()
	<-ended
	if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// session is one connection of LMTP.
type session struct {
	reader Reader
	ctx    context.Context // ends with the server, not with the connection: the mail is ours once it is here
	handle Handler
	log    *slog.Logger
	to     []string
}

func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if _, ok := ReadReturnPath(s.reader.Prefix, s.reader.Domain, to); !ok {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "Bounces of mail that was sent from here are taken, and nothing else"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data is what LMTPData is for a single recipient; the server calls LMTPData.
func (s *session) Data(in io.Reader) error {
	raw, err := s.take(in)
	if err != nil {
		return err
	}
	for _, to := range s.to {
		if err := s.deliver(raw, to); err != nil {
			return err
		}
	}
	return nil
}

// LMTPData answers for each recipient by itself.
func (s *session) LMTPData(in io.Reader, status smtp.StatusCollector) error {
	raw, err := s.take(in)
	if err != nil {
		return err
	}
	for _, to := range s.to {
		status.SetStatus(to, s.deliver(raw, to))
	}
	return nil
}

func (s *session) take(in io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(in, mostMail))
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	return raw, err
}

func (s *session) deliver(raw []byte, to string) error {
	err := s.reader.Pipe(s.ctx, bytes.NewReader(raw), []string{to}, s.handle)
	if err != nil {
		s.log.Warn("a bounce could not be kept; the mail server will bring it again", "error", err)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "It could not be kept now, try again later"}
	}
	return nil
}
