package website

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/crieur/crieur/internal/announce"
)

const (
	rounds    = 5                // of looking and pushing, while others push
	mostPack  = 1 << 30          // bytes that a server may send
	small     = 64               // KiB: larger files are left on the server where it can leave them out
	cacheSize = 2 * cache.MiByte // of objects in memory
)

// repository is one branch of a repository. Its methods may be called at once; pushes go one after the other.
type repository struct {
	host   host
	where  string // without secrets
	branch plumbing.ReferenceName
	apart  bool // each announcement has a branch of its own
	author object.Signature
	turn   chan struct{}
}

var branchName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

func newRepository(c Config, h host) (*repository, error) {
	r := &repository{host: h, where: c.Repository, branch: plumbing.NewBranchReferenceName(c.Branch), apart: c.Mode == "branch", turn: make(chan struct{}, 1)}
	from, err := mail.ParseAddress(c.Author)
	switch {
	case c.Mode != "commit" && c.Mode != "branch":
		return nil, fmt.Errorf("MODE: %q is neither commit nor branch", c.Mode)
	case !branchName.MatchString(c.Branch) || strings.Contains(c.Branch, "..") || strings.HasSuffix(c.Branch, ".lock") || strings.HasPrefix(c.Branch, "refs/"):
		return nil, errors.New("BRANCH: is not the name of a branch: write main")
	case err != nil || from.Name == "" || strings.ContainsAny(c.Author, "\r\n"):
		return nil, errors.New("AUTHOR: is not a name with an address: write Our Meetup <bot@example.org>")
	}
	r.author = object.Signature{Name: from.Name, Email: from.Address}
	return r, nil
}

// own is the branch of one announcement.
func own(id announce.ID) plumbing.ReferenceName {
	return plumbing.NewBranchReferenceName("crieur/" + string(id))
}

// snapshot is what the repository held at one moment, as far as it is needed.
type snapshot struct {
	folder  string // a temporary one
	objects storer.EncodedObjectStorer
	main    plumbing.Hash // the commit of the branch
	own     plumbing.Hash // the commit of the announcement's branch; zero: there is none
}

func (s *snapshot) close() { _ = os.RemoveAll(s.folder) }

// views are the trees in which the announcement may stand, its own branch first.
func (s *snapshot) views() []view {
	var out []view
	for _, h := range []plumbing.Hash{s.own, s.main} {
		if h.IsZero() {
			continue
		}
		out = append(out, view{s.objects, h})
	}
	return out
}

// knock opens a session for reading and finds the branch. The caller closes the session.
func (r *repository) knock(ctx context.Context) (session, plumbing.Hash, error) {
	x, err := r.host.open(ctx, uploadPack)
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	head := x.refs().References[r.branch.String()]
	if head.IsZero() {
		x.close()
		return nil, head, stopped("the repository has no branch %s: make it, with a first commit, or correct BRANCH; then resume the account", r.branch.Short())
	}
	return x, head, nil
}

// open reads the newest commit of the branch, and in MODE=branch of the announcement's own, without their history and,
// where the server allows, without large files. The caller closes the snapshot.
func (r *repository) open(ctx context.Context, id announce.ID) (*snapshot, error) {
	x, head, err := r.knock(ctx)
	if err != nil {
		return nil, err
	}
	defer x.close()
	s := &snapshot{main: head}
	if r.apart && id != "" {
		s.own = x.refs().References[own(id).String()]
	}
	if s.folder, err = os.MkdirTemp("", "crieur-website"); err != nil {
		return nil, local(err)
	}
	if err := s.fetch(ctx, x); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func local(err error) error {
	return &announce.Error{Outcome: announce.Temporary, Err: err, Fault: "the website's files could not be kept for a moment on this machine: look at the free space of its temporary folder; it will be tried again"}
}

func (s *snapshot) fetch(ctx context.Context, x session) error {
	wants := packp.NewUploadPackRequest()
	wants.Wants = []plumbing.Hash{s.main}
	if !s.own.IsZero() && s.own != s.main {
		wants.Wants = append(wants.Wants, s.own)
	}
	can := x.refs().Capabilities
	for _, c := range []capability.Capability{capability.OFSDelta, capability.NoProgress, capability.Shallow, capability.Filter} {
		if can.Supports(c) {
			_ = wants.Capabilities.Set(c) // takes no argument
		}
	}
	if can.Supports(capability.Agent) {
		_ = wants.Capabilities.Set(capability.Agent, agent)
	}
	if can.Supports(capability.Shallow) {
		wants.Depth = packp.DepthCommits(1)
	}
	if can.Supports(capability.Filter) {
		wants.Filter = packp.FilterBlobLimit(small, packp.BlobLimitPrefixKibi)
	}
	var request bytes.Buffer
	err := wants.UploadRequest.Encode(&request)
	if err == nil {
		err = pktline.NewEncoder(&request).EncodeString("done\n")
	}
	if err != nil {
		return err
	}
	answer, err := os.Create(filepath.Join(s.folder, "answer"))
	if err != nil {
		return local(err)
	}
	defer func() { _ = answer.Close() }()
	if err := x.exchange(ctx, request.Bytes(), &bounded{answer, mostPack}, false); err != nil {
		return err
	}
	if _, err := answer.Seek(0, io.SeekStart); err != nil {
		return local(err)
	}
	store := filesystem.NewStorage(osfs.New(filepath.Join(s.folder, "git")), cache.NewObjectLRU(cacheSize))
	s.objects = store
	pack := packp.NewUploadPackResponse(wants)
	if err := pack.Decode(answer); err != nil {
		return garbled("the Git server", err)
	}
	if err := packfile.UpdateObjectStorage(store, pack); err != nil {
		return garbled("the Git server", err)
	}
	for _, h := range wants.Wants {
		if _, err := store.EncodedObject(plumbing.CommitObject, h); err != nil {
			return garbled("the Git server", err)
		}
	}
	return nil
}

const agent = "crieur"

// bounded takes no more than left bytes.
type bounded struct {
	to   io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("the repository is too large")
	}
	return b.to.Write(p)
}

// change is what is to be in the repository, by path, and what is not to be.
type change struct {
	put    map[string][]byte
	remove []string
}

// work is a commit to be made.
type work struct {
	note   string                     // its message
	create bool                       // a push of which nobody can tell how it ended is Ambiguous rather than Temporary
	plan   func(view) (change, error) // what it does to a commit's files
}

// land commits what the plan wants and pushes it, unless it is there already. When the branch moved meanwhile, the plan is
// asked again about what is there then. It may be repeated: it always looks first.
func (r *repository) land(ctx context.Context, id announce.ID, w work) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return &announce.Error{Outcome: announce.Temporary, Err: ctx.Err(), Fault: "the call was ended while another push to the website was under way: nothing was sent; it will be tried again"}
	}
	var refused *refusal
	for range rounds {
		if err := r.once(ctx, id, w, refused); !errors.As(err, &refused) {
			return err
		}
	}
	return &announce.Error{Outcome: announce.Temporary, Status: refused.word, Fault: "others push to the website's branch all the time: it will be tried again"}
}

// refusal is a push that the server did not take.
type refusal struct {
	over  plumbing.Hash // the commit on which it was built
	word  string        // the server's
	early bool          // nothing was sent: the branch had moved already
}

func (r *refusal) Error() string { return r.word }

// once is one round. The error is a refusal when the push was not taken and the branch should be looked at again.
func (r *repository) once(ctx context.Context, id announce.ID, w work, before *refusal) error {
	s, err := r.open(ctx, id)
	if err != nil {
		return err
	}
	defer s.close()
	ref, old := r.branch, s.main
	if r.apart {
		ref, old = own(id), s.own
	}
	if before != nil && !before.early && before.over == old {
		return &announce.Error{Outcome: announce.Permanent, Status: before.word,
			Fault: "the server does not take the commit, although nobody else has pushed: is the branch " + ref.Short() + " protected, or a hook against it? Let these credentials push there, or use MODE=branch"}
	}
	base, parents, err := r.base(s, w.plan)
	if err != nil || base == nil {
		return err
	}
	c, err := w.plan(*base)
	if err != nil {
		return err
	}
	made := memory.NewStorage()
	root, err := base.apply(made, c)
	if err != nil {
		return err
	}
	commit := object.Commit{Author: r.author, Message: w.note, TreeHash: root, ParentHashes: parents}
	commit.Author.When = time.Now().UTC()
	commit.Committer = commit.Author
	head, err := store(made, commit.Encode)
	if err != nil {
		return local(err)
	}
	return r.push(ctx, packp.Command{Name: ref, Old: old, New: head}, made, w.create)
}

// base is the view to build on, and the parents of the commit; nil when nothing has to change. A branch of the
// announcement's that was merged is brought up to the main one.
func (r *repository) base(s *snapshot, plan func(view) (change, error)) (*view, []plumbing.Hash, error) {
	views := s.views()
	c, err := plan(views[0])
	if err != nil {
		return nil, nil, err
	}
	if same, err := views[0].holds(c); err != nil || same {
		return nil, nil, err
	}
	if len(views) == 1 {
		return &views[0], []plumbing.Hash{views[0].commit}, nil
	}
	merged, err := views[0].agrees(views[1], c)
	if err != nil || !merged {
		return &views[0], []plumbing.Hash{s.own}, err
	}
	return &views[1], []plumbing.Hash{s.own, s.main}, nil
}

// push asks the server to let a branch go from one commit to another, if it stands at the first.
func (r *repository) push(ctx context.Context, command packp.Command, made *memory.Storage, create bool) error {
	x, err := r.host.open(ctx, receivePack)
	if err != nil {
		return err
	}
	defer x.close()
	if x.refs().References[command.Name.String()] != command.Old {
		return &refusal{word: "moved", early: true}
	}
	can := x.refs().Capabilities
	if !can.Supports(capability.ReportStatus) {
		return stopped("the server does not report what became of a push: it is too old a Git")
	}
	update := packp.NewReferenceUpdateRequest()
	update.Commands = []*packp.Command{&command}
	_ = update.Capabilities.Set(capability.ReportStatus) // takes no argument
	if can.Supports(capability.Agent) {
		_ = update.Capabilities.Set(capability.Agent, agent)
	}
	var pack, request, answer bytes.Buffer
	var hashes []plumbing.Hash
	for h := range made.Objects {
		hashes = append(hashes, h)
	}
	if _, err := packfile.NewEncoder(&pack, made, false).Encode(hashes, 0); err != nil {
		return local(err)
	}
	update.Packfile = io.NopCloser(&pack)
	if err := update.Encode(&request); err != nil {
		return local(err)
	}
	if err := x.exchange(ctx, request.Bytes(), &bounded{&answer, 1 << 20}, create); err != nil {
		return err
	}
	report := packp.NewReportStatus()
	if err := report.Decode(&answer); err != nil {
		return unsure(create, err)
	}
	if report.UnpackStatus != accepted {
		return &refusal{over: command.Old, word: short(report.UnpackStatus)}
	}
	for _, c := range report.CommandStatuses {
		switch {
		case c.ReferenceName != command.Name:
		case c.Status == accepted:
			return nil
		default:
			return &refusal{over: command.Old, word: short(c.Status)}
		}
	}
	return unsure(create, errors.New("the report does not name the branch"))
}

const accepted = "ok"

func unsure(create bool, err error) error {
	if !create {
		return garbled("the Git server", err)
	}
	return &announce.Error{Outcome: announce.Ambiguous, Err: err, Fault: "the server's report on the push cannot be understood: the commit may have arrived; look before it is repeated"}
}
