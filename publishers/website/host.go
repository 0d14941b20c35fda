package website

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// The services of a Git server.
const (
	uploadPack  = "git-upload-pack"  // gives objects
	receivePack = "git-receive-pack" // takes them
)

// host is a Git server, for one repository. Safe for concurrent use. Every error is an *announce.Error.
type host interface {
	open(ctx context.Context, service string) (session, error)
}

// session is one conversation with a service, for one goroutine.
type session interface {
	// refs are the references of the repository when the session was opened.
	refs() *packp.AdvRefs
	// exchange sends a request and writes the whole answer to into. When create, and nobody can tell whether the request was
	// carried out, the error is Ambiguous.
	exchange(ctx context.Context, request []byte, into io.Writer, create bool) error
	close()
}

var scpLike = regexp.MustCompile(`^([A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([^/:][^:]*|/[^:]*)$`)

// dial reads the address of the repository. Nothing is sent yet.
func dial(c Config) (host, error) {
	if m := scpLike.FindStringSubmatch(c.Repository); m != nil && !strings.Contains(c.Repository, "://") {
		return newSSH(c, strings.TrimSuffix(m[1], "@"), strings.Trim(m[2], "[]"), "22", m[3])
	}
	u, err := url.Parse(c.Repository)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("REPOSITORY: is not the address of a repository: write https://github.com/you/site.git or git@github.com:you/site.git")
	case u.Scheme == "ssh":
		if _, secret := u.User.Password(); secret {
			return nil, errors.New("REPOSITORY: must not hold a password: SSH takes KEY")
		}
		port := u.Port()
		if port == "" {
			port = "22"
		}
		path := u.Path
		if strings.HasPrefix(path, "/~") { // of somebody's home
			path = path[1:]
		}
		return newSSH(c, u.User.Username(), u.Hostname(), port, path)
	}
	if err := rest.CheckAddress(c.Repository); err != nil {
		return nil, fmt.Errorf("REPOSITORY: %w; the token goes into TOKEN", err)
	}
	switch {
	case c.Token.Empty():
		return nil, errors.New("TOKEN: is required with https")
	case !c.Key.Empty() || c.KnownHosts != "":
		return nil, errors.New("KEY: and KNOWN_HOSTS go with SSH: write REPOSITORY as git@github.com:you/site.git, or leave them out")
	case strings.ContainsAny(c.User, ":\r\n"):
		return nil, errors.New("USER: is not a user name")
	}
	client, err := rest.New(u.Hostname(), c.Repository, func(r *http.Request) { r.SetBasicAuth(c.User, c.Token.Reveal()) })
	if err != nil {
		return nil, err
	}
	return &web{client, u.Hostname()}, nil
}

// web is a Git server that speaks smart HTTP.
type web struct {
	client *rest.Client
	who    string
}

type webSession struct {
	*web
	service string
	found   *packp.AdvRefs
}

func (w *web) open(ctx context.Context, service string) (session, error) {
	res, err := w.client.Do(ctx, rest.Call{
		Method: http.MethodGet, Path: "/info/refs", Query: url.Values{"service": {service}}, Header: http.Header{"Accept": {"*/*"}}, Classify: w.classify(service),
	})
	if err != nil {
		return nil, err
	}
	found, err := readRefs(strings.NewReader(string(res.Body)))
	if err != nil {
		return nil, garbled(w.who, err)
	}
	return &webSession{w, service, found}, nil
}

// readRefs reads what a service says first. An empty repository has no references.
func readRefs(r io.Reader) (*packp.AdvRefs, error) {
	found := packp.NewAdvRefs()
	if err := found.Decode(r); err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		return nil, err
	}
	return found, nil
}

func garbled(who string, err error) error {
	return &announce.Error{Outcome: announce.Temporary, Err: err, Fault: who + " does not answer as a Git server does: check REPOSITORY; it will be tried again"}
}

func (s *webSession) refs() *packp.AdvRefs { return s.found }

func (s *webSession) exchange(ctx context.Context, request []byte, into io.Writer, create bool) error {
	_, err := s.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/" + s.service, Raw: request, Type: "application/x-" + s.service + "-request",
		Header: http.Header{"Accept": {"application/x-" + s.service + "-result"}}, Sink: into, Create: create, Classify: s.classify(s.service),
	})
	return err
}

func (s *webSession) close() {}

const window = time.Minute // of a server that asks to wait and does not say how long

// classify knows what Git hosts mean by a status.
func (w *web) classify(service string) rest.Classifier {
	return func(status int, header http.Header, _ []byte) *announce.Error {
		e := &announce.Error{Outcome: announce.Permanent, Stop: true, Status: fmt.Sprint(status)}
		switch status {
		case http.StatusUnauthorized:
			e.Fault = w.who + " does not accept the token: make a new one, put it into TOKEN, then resume the account"
		case http.StatusForbidden:
			e.Fault = w.who + " does not let the token read the repository: give it the right to read and write contents, then resume the account"
			if service == receivePack {
				e.Fault = w.who + " does not let the token write to the repository: give it the right to write contents, then resume the account"
			}
		case http.StatusNotFound:
			e.Fault = w.who + " has no such repository, or does not show it to the token: check REPOSITORY and the repositories that the token is for, then resume the account"
		case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			e.Fault = w.who + " has the repository under another address: correct REPOSITORY (the ending .git may be missing), then resume the account"
		case http.StatusTooManyRequests:
			if rest.RetryAfter(header, time.Now()) > 0 {
				return nil
			}
			e.Outcome, e.Stop, e.RetryAfter, e.Fault = announce.RateLimited, false, window, w.who+" asks to wait: the channel pauses, nothing is lost"
		default:
			return nil
		}
		return e
	}
}
