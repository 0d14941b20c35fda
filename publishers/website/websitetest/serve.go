package websitetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/revlist"
)

func (p *Platform) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		p.mu.Lock()
		readOnly := p.readOnly
		p.mu.Unlock()
		switch {
		case user == "" || password != Token:
			w.Header().Set("WWW-Authenticate", `Basic realm="Git"`)
			http.Error(w, "Invalid username or token.", http.StatusUnauthorized)
		case readOnly && strings.Contains(r.URL.String(), "git-receive-pack"):
			http.Error(w, "Write access to repository not granted.", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (p *Platform) info(w http.ResponseWriter, r *http.Request) {
	service := r.URL.Query().Get("service")
	if service != "git-upload-pack" && service != "git-receive-pack" {
		http.Error(w, "Please upgrade your git client.", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	w.Header().Set("Cache-Control", "no-cache")
	var b bytes.Buffer
	e := pktline.NewEncoder(&b)
	_ = e.Encodef("# service=%s\n", service) // a bytes.Buffer takes everything
	_ = e.Flush()
	p.advertise(&b, service)
	_, _ = w.Write(b.Bytes())
}

// advertise tells the references and what the service can do.
func (p *Platform) advertise(w io.Writer, service string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	refs := packp.NewAdvRefs()
	can := []capability.Capability{capability.OFSDelta, capability.Shallow, capability.NoProgress, capability.Filter}
	if service == "git-receive-pack" {
		can = []capability.Capability{capability.OFSDelta, capability.ReportStatus, capability.DeleteRefs}
	}
	for _, c := range can {
		_ = refs.Capabilities.Set(c) // none takes an argument
	}
	_ = refs.Capabilities.Set(capability.Agent, "simulated")
	all, _ := p.store.IterReferences() // memory does not fail
	_ = all.ForEach(func(r *plumbing.Reference) error {
		if r.Type() == plumbing.HashReference {
			refs.References[r.Name().String()] = r.Hash()
		}
		return nil
	})
	_ = refs.Encode(w)
}

func (p *Platform) post(service string, serve func(io.Reader, io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/x-"+service+"-request" {
			http.Error(w, "Unsupported Media Type", http.StatusUnsupportedMediaType)
			return
		}
		var out bytes.Buffer
		if err := serve(r.Body, &out); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-"+service+"-result")
		_, _ = w.Write(out.Bytes())
	}
}

// upload answers a request for objects. Wanted must be what a reference names.
func (p *Platform) upload(in io.Reader, out io.Writer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var wants []plumbing.Hash
	depth, limit := 0, int64(1)<<62
	lines := pktline.NewScanner(in)
	for done := false; !done; {
		if !lines.Scan() {
			return errors.New("the request ends early")
		}
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "want":
			wants = append(wants, plumbing.NewHash(rest[:40]))
		case "deepen":
			depth, _ = strconv.Atoi(rest)
		case "filter":
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(rest, "blob:limit="), "k"))
			if err != nil {
				return errors.New("an unknown filter")
			}
			limit = int64(n) << 10
		case "done":
			done = true
		case "":
		default:
			return errors.New("an unknown line")
		}
	}
	for _, h := range wants {
		if !p.tip(h) {
			return fmt.Errorf("upload-pack: not our ref %s", h)
		}
	}
	objects, err := p.wanted(wants, depth, limit)
	if err != nil {
		return err
	}
	e := pktline.NewEncoder(out)
	if depth > 0 {
		for _, h := range wants {
			if c, err := object.GetCommit(p.store, h); err == nil && c.NumParents() > 0 {
				_ = e.Encodef("shallow %s\n", h) // the buffers take everything
			}
		}
		_ = e.Flush()
	}
	_ = e.Encodef("NAK\n")
	_, err = packfile.NewEncoder(out, p.store, false).Encode(objects, 0)
	return err
}

func (p *Platform) tip(h plumbing.Hash) bool {
	all, _ := p.store.IterReferences() // memory does not fail
	found := false
	_ = all.ForEach(func(r *plumbing.Reference) error { found = found || r.Hash() == h; return nil })
	return found
}

func (p *Platform) wanted(commits []plumbing.Hash, depth int, limit int64) ([]plumbing.Hash, error) {
	if depth != 1 {
		return revlist.Objects(p.store, commits, nil)
	}
	seen := map[plumbing.Hash]bool{}
	var out []plumbing.Hash
	add := func(h plumbing.Hash) {
		if !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	for _, h := range commits {
		c, err := object.GetCommit(p.store, h)
		if err != nil {
			return nil, err
		}
		add(h)
		add(c.TreeHash)
		t, err := c.Tree()
		if err != nil {
			return nil, err
		}
		w := object.NewTreeWalker(t, true, nil)
		for {
			_, entry, err := w.Next()
			if err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			if size, err := p.store.EncodedObjectSize(entry.Hash); entry.Mode == filemode.Dir || err == nil && size < limit {
				add(entry.Hash)
			}
		}
		w.Close()
	}
	return out, nil
}

// receive takes a push.
func (p *Platform) receive(in io.Reader, out io.Writer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	update := packp.NewReferenceUpdateRequest()
	if err := update.Decode(in); err != nil {
		return err
	}
	report := packp.NewReportStatus()
	report.UnpackStatus = "ok"
	if err := packfile.UpdateObjectStorage(p.store, update.Packfile); err != nil {
		report.UnpackStatus = "index-pack abnormal exit"
	}
	for _, c := range update.Commands {
		status := &packp.CommandStatus{ReferenceName: c.Name, Status: p.refusal(report.UnpackStatus, c)}
		if status.Status == "ok" {
			_ = p.store.SetReference(plumbing.NewHashReference(c.Name, c.New)) // memory does not fail
		}
		report.CommandStatuses = append(report.CommandStatuses, status)
	}
	p.build()
	return report.Encode(out)
}

// refusal is "ok", or why the host does not let a branch go where a command wants it.
func (p *Platform) refusal(unpacked string, c *packp.Command) string {
	at := plumbing.ZeroHash
	if r, err := p.store.Reference(c.Name); err == nil {
		at = r.Hash()
	}
	commit, err := object.GetCommit(p.store, c.New)
	switch {
	case unpacked != "ok":
		return "unpacker error"
	case !strings.HasPrefix(c.Name.String(), "refs/heads/"):
		return "funny refname"
	case p.protected:
		return "protected branch hook declined"
	case at != c.Old:
		return "fetch first"
	case err != nil || !p.complete(commit):
		return "missing necessary objects"
	case !at.IsZero() && !slices.Contains(commit.ParentHashes, at):
		return "non-fast-forward"
	}
	return "ok"
}

// complete reports whether everything that a commit names is there, and it is one that a person can make sense of.
func (p *Platform) complete(c *object.Commit) bool {
	for _, h := range c.ParentHashes {
		if p.store.HasEncodedObject(h) != nil {
			return false
		}
	}
	t, err := c.Tree()
	if err != nil || len(c.ParentHashes) == 0 || c.Author.Name == "" || c.Author.Email == "" || c.Message == "" {
		return false
	}
	w := object.NewTreeWalker(t, true, nil)
	defer w.Close()
	for {
		_, entry, err := w.Next()
		if err == io.EOF {
			return true
		}
		if err != nil || p.store.HasEncodedObject(entry.Hash) != nil {
			return false
		}
	}
}
