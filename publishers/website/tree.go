package website

import (
	"fmt"
	"io"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/crieur/crieur/internal/announce"
)

// view is the files of one commit.
type view struct {
	objects storer.EncodedObjectStorer
	commit  plumbing.Hash
}

func (v view) root() (plumbing.Hash, error) {
	c, err := object.GetCommit(v.objects, v.commit)
	if err != nil {
		return plumbing.ZeroHash, incomplete(err)
	}
	return c.TreeHash, nil
}

func incomplete(err error) error {
	return &announce.Error{Outcome: announce.Temporary, Err: err, Fault: "the server did not give all of the commit: it will be tried again"}
}

// list are the entries of a folder; none when it is not there or no folder.
func (v view) list(folder string) ([]object.TreeEntry, error) {
	at, err := v.root()
	if err != nil {
		return nil, err
	}
	for _, name := range split(folder) {
		entries, err := v.entries(at)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name && e.Mode == filemode.Dir })
		if i < 0 {
			return nil, nil
		}
		at = entries[i].Hash
	}
	return v.entries(at)
}

// split are the names of a path. The root has none.
func split(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
}

func (v view) entries(tree plumbing.Hash) ([]object.TreeEntry, error) {
	t, err := object.GetTree(v.objects, tree)
	if err != nil {
		return nil, incomplete(err)
	}
	return t.Entries, nil
}

// find is the entry at a path, and whether there is one.
func (v view) find(p string) (object.TreeEntry, bool, error) {
	entries, err := v.list(path.Dir(p))
	if err != nil {
		return object.TreeEntry{}, false, err
	}
	i := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == path.Base(p) })
	if i < 0 {
		return object.TreeEntry{}, false, nil
	}
	return entries[i], true, nil
}

// read is a file's content. A file that is large, or not there, has none.
func (v view) read(e object.TreeEntry) []byte {
	b, err := object.GetBlob(v.objects, e.Hash)
	if err != nil || b.Size > small<<10 {
		return nil
	}
	r, err := b.Reader()
	if err != nil {
		return nil
	}
	defer func() { _ = r.Close() }()
	content, _ := io.ReadAll(r)
	return content
}

// holds reports whether the change would change nothing.
func (v view) holds(c change) (bool, error) {
	for p, content := range c.put {
		if e, there, err := v.find(p); err != nil || !there || e.Hash != hashOf(content) {
			return false, err
		}
	}
	for _, p := range c.remove {
		if _, there, err := v.find(p); err != nil || there {
			return false, err
		}
	}
	return true, nil
}

// agrees reports whether what the change would touch is the same in both.
func (v view) agrees(other view, c change) (bool, error) {
	for _, p := range c.paths() {
		a, _, err := v.find(p)
		if err != nil {
			return false, err
		}
		b, _, err := other.find(p)
		if err != nil || a.Hash != b.Hash {
			return false, err
		}
	}
	return true, nil
}

func (c change) paths() []string {
	all := slices.Clone(c.remove)
	for p := range c.put {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

func hashOf(content []byte) plumbing.Hash { return plumbing.ComputeHash(plumbing.BlobObject, content) }

// apply writes the objects that the change needs and that are new, and returns the root of the tree.
func (v view) apply(into storer.EncodedObjectStorer, c change) (plumbing.Hash, error) {
	blobs := map[string]plumbing.Hash{}
	for _, p := range c.remove {
		blobs[p] = plumbing.ZeroHash
	}
	for p, content := range c.put {
		e, there, err := v.find(p)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if there && e.Hash == hashOf(content) {
			continue
		}
		h, err := store(into, func(o plumbing.EncodedObject) error {
			o.SetType(plumbing.BlobObject)
			w, err := o.Writer()
			if err != nil {
				return err
			}
			_, err = w.Write(content)
			return err
		})
		if err != nil {
			return plumbing.ZeroHash, local(err)
		}
		blobs[p] = h
	}
	at, err := v.root()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	h, err := v.edit(into, at, blobs)
	if err == nil && h.IsZero() {
		h, err = store(into, new(object.Tree).Encode)
	}
	return h, err
}

// edit writes the tree with the blobs in their places; a zero hash removes. An empty folder goes; the answer is then zero.
func (v view) edit(into storer.EncodedObjectStorer, tree plumbing.Hash, blobs map[string]plumbing.Hash) (plumbing.Hash, error) {
	var entries []object.TreeEntry
	if !tree.IsZero() {
		have, err := v.entries(tree)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entries = slices.Clone(have)
	}
	set := func(name string, mode filemode.FileMode, h plumbing.Hash) error {
		i := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name })
		switch {
		case i < 0 && h.IsZero():
		case i < 0:
			entries = append(entries, object.TreeEntry{Name: name, Mode: mode, Hash: h})
		case (entries[i].Mode == filemode.Dir) != (mode == filemode.Dir):
			return &announce.Error{Outcome: announce.Permanent, Fault: fmt.Sprintf("in the repository %s is a folder where a file should be, or the other way round: change FOLDER or the templates", name)}
		case h.IsZero():
			entries = slices.Delete(entries, i, i+1)
		default:
			entries[i].Hash = h
		}
		return nil
	}
	folders := map[string]map[string]plumbing.Hash{}
	for p, h := range blobs {
		name, rest, deeper := strings.Cut(p, "/")
		if !deeper {
			if err := set(name, filemode.Regular, h); err != nil {
				return plumbing.ZeroHash, err
			}
			continue
		}
		if folders[name] == nil {
			folders[name] = map[string]plumbing.Hash{}
		}
		folders[name][rest] = h
	}
	for name, inside := range folders {
		var below plumbing.Hash
		if i := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name && e.Mode == filemode.Dir }); i >= 0 {
			below = entries[i].Hash
		}
		h, err := v.edit(into, below, inside)
		if err == nil {
			err = set(name, filemode.Dir, h)
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	sort.Sort(object.TreeEntrySorter(entries))
	t := object.Tree{Entries: entries}
	h, err := store(into, t.Encode)
	if err != nil {
		return plumbing.ZeroHash, local(err)
	}
	return h, nil
}

// store encodes an object and keeps it.
func store(into storer.EncodedObjectStorer, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	o := into.NewEncodedObject()
	if err := encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return into.SetEncodedObject(o)
}
