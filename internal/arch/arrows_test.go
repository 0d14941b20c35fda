package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// row says what a package may import of ours. What it may import, its tests may too.
type row struct {
	may   []string
	tests []string // beside those, in its tests only
}

// Kinds of packages that a row can name at once. A new channel needs no row of its own.
const (
	everything = "*"
	channels   = "channel"  // publishers/<name>
	platforms  = "platform" // publishers/<name>/<name>test, the simulated platform of a channel
	tools      = "tool"     // publishers/internal/<name>, what channels share
)

// table is who may import whom. A package without a row fails, and so does a row without a package.
func table() map[string]row {
	const (
		announce  = "internal/announce"
		fetch     = "internal/fetch"
		media     = "internal/media"
		store     = "internal/store"
		broadcast = "internal/broadcast"
		people    = "internal/people"
		list      = "internal/people/list"
		proof     = "internal/proof"
		digest    = "internal/digest"
		web       = "internal/web"
		client    = "internal/web/client"
		sim       = "publishers/sim"
		contract  = "publishers/publishertest"
	)
	return map[string]row{
		"cmd/crieur":               {may: []string{everything}},
		"internal/arch":            {},
		"deploy":                   {tests: []string{"queue"}}, // tests only: that the files work
		"docs":                     {},                         // tests only: that the pages are true
		announce:                   {},
		store:                      {may: []string{announce}},
		"queue":                    {},
		"templates":                {may: []string{announce}},
		fetch:                      {},
		media:                      {may: []string{announce, fetch}},
		"internal/bounce":          {may: []string{announce, fetch}},
		people:                     {may: []string{announce, store, list}},
		list:                       {may: []string{announce}, tests: []string{store}},
		broadcast:                  {may: []string{announce, store, "queue", "templates", media, people}, tests: []string{sim}},
		proof:                      {may: []string{announce, store}},
		digest:                     {may: []string{announce, broadcast, store}, tests: []string{"queue", "templates", media, people, sim}},
		web:                        {may: []string{announce, broadcast, digest, people, proof, list, store}, tests: []string{client, "queue", "templates", sim}},
		client:                     {may: []string{announce, broadcast, proof, web}, tests: []string{store, "queue", "templates", sim}},
		"publishers":               {may: []string{announce, channels}, tests: []string{sim}},
		channels:                   {may: []string{announce, tools}, tests: []string{contract, sim}}, // and its own platform
		tools:                      {may: []string{announce, fetch}},
		sim:                        {},
		platforms:                  {may: []string{announce, sim}},
		"publishers/feed/feedtest": {may: []string{announce, sim, "publishers/feed"}},      // the website shows what the channel's own handler serves
		contract:                   {may: []string{announce, sim}, tests: []string{tools}}, // its tests are a channel of their own
		"internal/world":           {may: []string{announce, sim, platforms}},
	}
}

// kind is the kind that a package belongs to, or its path.
func kind(room string) string {
	parts := strings.Split(room, "/")
	switch {
	case parts[0] != "publishers", room == "publishers/sim", room == "publishers/publishertest":
		return room
	case len(parts) == 3 && parts[1] == "internal":
		return tools
	case len(parts) == 2 && parts[1] != "internal":
		return channels
	case len(parts) == 3 && parts[2] == parts[1]+"test":
		return platforms
	}
	return room
}

// arrows holds the table.
func arrows(h *house) (breaches []string) {
	seen, rows := map[string]bool{}, table()
	for _, r := range h.rooms {
		k := r.path
		rule, ok := rows[k]
		if !ok {
			k = kind(r.path)
			rule, ok = rows[k]
		}
		seen[k] = true
		if !ok {
			breaches = append(breaches, fmt.Sprintf("%s has no row in internal/arch: decide who may import it, and whom it may import", r.path))
			continue
		}
		for _, f := range r.files {
			ours, _ := h.imports(f)
			for _, i := range ours {
				if to := h.target(i); to != r.path && !rule.allows(r.path, to, f.test) {
					breaches = append(breaches, fmt.Sprintf("%s: %s may not import %s", h.at(i), r.path, to))
				}
			}
		}
	}
	for k := range rows {
		if !seen[k] {
			breaches = append(breaches, fmt.Sprintf("the row %q has no package: remove it", k))
		}
	}
	return breaches
}

func (r row) allows(from, to string, test bool) bool {
	may := r.may
	if test {
		may = slices.Concat(r.may, r.tests)
	}
	switch {
	case slices.Contains(may, everything), slices.Contains(may, to):
		return true
	case test && kind(from) == channels && to == from+"/"+path.Base(from)+"test":
		return true
	}
	return slices.Contains(may, kind(to))
}

// comments: every package has one comment that begins "Package x ", a command "Command x ".
func comments(h *house) (breaches []string) {
	for _, r := range h.rooms {
		var docs []string
		name := ""
		for _, f := range r.files {
			if n := f.tree.Name.Name; !strings.HasSuffix(n, "_test") {
				name = n
				if f.tree.Doc != nil {
					docs = append(docs, f.tree.Doc.Text())
				}
			}
		}
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(r.path) + " "
		}
		switch {
		case name == "":
			breaches = append(breaches, r.path+" has only tests of another package")
		case len(docs) == 0:
			breaches = append(breaches, fmt.Sprintf("%s has no package comment: begin it with %q", r.path, want))
		case len(docs) > 1:
			breaches = append(breaches, r.path+" has more than one package comment")
		case !strings.HasPrefix(docs[0], want):
			breaches = append(breaches, fmt.Sprintf("the comment of %s begins %.40q: begin it with %q", r.path, docs[0], want))
		}
	}
	return breaches
}
