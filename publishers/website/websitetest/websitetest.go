// Package websitetest is a simulated Git host with one repository, a website made by Hugo. It is as strict as a real one:
// it checks the token, takes a push only from the commit at which the branch stands, never drops history, and looks
// whether every object is there. Its posts are what readers of the site would see.
package websitetest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated host is made of.
const (
	Token   = "simulated-git-token"
	SiteURL = "https://meetup.example.org"
	Branch  = "main"
	repo    = "/meetup/site.git"
)

// Platform is a simulated Git host. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server
	shell  *shell // nil: HTTP

	mu        sync.Mutex
	store     *memory.Storage
	posts     []sim.Post
	protected bool
	readOnly  bool
}

var _ sim.Platform = (*Platform)(nil)

// New opens a host that speaks HTTP, with a site of one page.
func New() *Platform {
	p := empty()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+repo+"/info/refs", p.info)
	mux.HandleFunc("POST "+repo+"/git-upload-pack", p.post("git-upload-pack", p.upload))
	mux.HandleFunc("POST "+repo+"/git-receive-pack", p.post("git-receive-pack", p.receive))
	p.server = httptest.NewServer(p.script.Wrap(p.authenticated(mux)))
	return p
}

func empty() *Platform {
	p := &Platform{store: memory.NewStorage()}
	p.Commit(map[string]string{
		"hugo.toml":               "baseURL = '" + SiteURL + "/'\ndefaultContentLanguage = 'fr'\n[languages.fr]\n[languages.en]\n",
		"README.md":               "# Our website\n",
		"content/posts/_index.md": "---\ntitle: Annonces\n---\n",
		"static/logo.png":         strings.Repeat("\x89PNG", 100_000),
	})
	_ = p.store.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.NewBranchReferenceName(Branch))) // memory does not fail
	return p
}

// Script is how the host misbehaves next. It plays over HTTP only.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account for the repository.
func (p *Platform) Environ() map[string]string {
	env := map[string]string{"LAYOUT": "hugo", "LANGUAGES": "fr,en", "SITE_URL": SiteURL, "AUTHOR": "Crieur <crieur@example.org>"}
	if p.shell != nil {
		env["REPOSITORY"], env["KEY"], env["KNOWN_HOSTS"] = "ssh://git@"+p.shell.address()+repo, p.shell.clientKey, p.shell.knownHosts()
		return env
	}
	env["REPOSITORY"], env["TOKEN"] = p.server.URL+repo, Token
	return env
}

// Close ends the host. It may be repeated.
func (p *Platform) Close() {
	if p.shell != nil {
		p.shell.close()
		return
	}
	p.script.Release()
	p.server.Close()
}

// Posts are what the site has shown, oldest first: a page in all its languages is one post.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.posts)
}

// Protect lets the host refuse every push, as a protected branch does.
func (p *Platform) Protect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.protected = true
}

// ReadOnly takes the right to write from the credentials.
func (p *Platform) ReadOnly() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readOnly = true
}

// Commit lets somebody else put files on the branch. An empty text removes the file.
func (p *Platform) Commit(files map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	head, all := p.head(Branch), map[string]plumbing.Hash{}
	var parents []plumbing.Hash
	if !head.IsZero() {
		parents, all = []plumbing.Hash{head}, p.blobs(head)
	}
	for name, text := range files {
		if text == "" {
			delete(all, name)
			continue
		}
		o := p.store.NewEncodedObject()
		o.SetType(plumbing.BlobObject)
		w, _ := o.Writer() // memory does not fail, here and below
		_, _ = w.Write([]byte(text))
		all[name], _ = p.store.SetEncodedObject(o)
	}
	who := object.Signature{Name: "Ada", Email: "ada@example.org", When: time.Now()}
	c := object.Commit{Author: who, Committer: who, Message: "By hand\n", TreeHash: p.tree(all), ParentHashes: parents}
	o := p.store.NewEncodedObject()
	_ = c.Encode(o)
	h, _ := p.store.SetEncodedObject(o)
	_ = p.store.SetReference(plumbing.NewHashReference(plumbing.NewBranchReferenceName(Branch), h))
	p.build()
}

// Merge takes a branch over into the main one, as the button under a pull request does, and keeps the branch.
func (p *Platform) Merge(branch string) {
	files := map[string]string{}
	p.mu.Lock()
	for name, h := range p.blobs(p.head(branch)) {
		files[name] = p.text(h)
	}
	p.mu.Unlock()
	p.Commit(files)
}

// Delete removes a branch.
func (p *Platform) Delete(branch string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.store.RemoveReference(plumbing.NewBranchReferenceName(branch)) // memory does not fail
	p.build()
}

// Files are the files of a branch by path; none when there is no such branch.
func (p *Platform) Files(branch string) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]string{}
	for name, h := range p.blobs(p.head(branch)) {
		out[name] = p.text(h)
	}
	return out
}

// Log are the commits of a branch, newest first.
func (p *Platform) Log(branch string) []*object.Commit {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*object.Commit
	for at := p.head(branch); !at.IsZero(); {
		c, err := object.GetCommit(p.store, at)
		if err != nil {
			break
		}
		out = append(out, c)
		at = plumbing.ZeroHash
		if len(c.ParentHashes) > 0 {
			at = c.ParentHashes[0]
		}
	}
	return out
}

func (p *Platform) head(branch string) plumbing.Hash {
	r, err := p.store.Reference(plumbing.NewBranchReferenceName(branch))
	if err != nil {
		return plumbing.ZeroHash
	}
	return r.Hash()
}

// blobs are the files of a commit.
func (p *Platform) blobs(commit plumbing.Hash) map[string]plumbing.Hash {
	out := map[string]plumbing.Hash{}
	c, err := object.GetCommit(p.store, commit)
	if err != nil {
		return out
	}
	t, err := c.Tree()
	if err != nil {
		return out
	}
	_ = t.Files().ForEach(func(f *object.File) error { out[f.Name] = f.Hash; return nil })
	return out
}

func (p *Platform) text(h plumbing.Hash) string {
	b, err := object.GetBlob(p.store, h)
	if err != nil {
		return ""
	}
	text, _ := object.NewFile("", filemode.Regular, b).Contents() // memory does not fail
	return text
}

// tree writes the folders of files.
func (p *Platform) tree(files map[string]plumbing.Hash) plumbing.Hash {
	var t object.Tree
	folders := map[string]map[string]plumbing.Hash{}
	for name, h := range files {
		first, rest, deeper := strings.Cut(name, "/")
		if !deeper {
			t.Entries = append(t.Entries, object.TreeEntry{Name: first, Mode: filemode.Regular, Hash: h})
			continue
		}
		if folders[first] == nil {
			folders[first] = map[string]plumbing.Hash{}
		}
		folders[first][rest] = h
	}
	for name, inside := range folders {
		t.Entries = append(t.Entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: p.tree(inside)})
	}
	slices.SortFunc(t.Entries, func(a, b object.TreeEntry) int {
		key := func(e object.TreeEntry) string {
			if e.Mode == filemode.Dir {
				return e.Name + "/"
			}
			return e.Name
		}
		return strings.Compare(key(a), key(b))
	})
	o := p.store.NewEncodedObject()
	_ = t.Encode(o)
	h, _ := p.store.SetEncodedObject(o)
	return h
}
