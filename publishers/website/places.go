package website

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// refer gives the event's place and speakers the IDs that the site's data files have for them, and adds files for those
// it does not know yet.
func (l *layout) refer(v view, e *event, add map[string][]byte) error {
	if e.Venue != nil {
		known, err := l.known(v, l.locations)
		if err != nil {
			return err
		}
		e.Venue.ID = known.id(e.Venue.ID, "", record{e.Venue.Name, e.Venue.Address, e.Venue.URL})
		if err := known.add(l.locations, e.Venue.ID, add, "name", e.Venue.Name, "address", e.Venue.Address, "url", e.Venue.URL); err != nil {
			return err
		}
	}
	known, err := l.known(v, l.speakers)
	if err != nil {
		return err
	}
	for i := range e.Talks {
		for k := range e.Talks[i].Speakers {
			s := &e.Talks[i].Speakers[k]
			s.ID = known.id(s.ID, s.handle, record{Name: s.Name})
			if err := known.add(l.speakers, s.ID, add, "name", s.Name, "twitter", s.Twitter, "website", s.URL); err != nil {
				return err
			}
		}
	}
	return nil
}

// directory is a folder of data files by ID. It is nil where the repository has no such folder.
type directory map[string]record

type record struct{ Name, Address, URL string }

func (l *layout) known(v view, folder string) (directory, error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := v.list(folder)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	out := directory{}
	for _, x := range entries {
		id, ok := strings.CutSuffix(x.Name, ".yml")
		if !ok || !x.Mode.IsFile() {
			continue
		}
		var r record
		_ = yaml.Unmarshal(v.read(x), &r) // a file that cannot be read still has its ID
		out[id] = r
	}
	return out, nil
}

var givenID = regexp.MustCompile(`^[\pL\pN_][\pL\pN_-]*$`)

// id is the one given, else the one of that name, the nearest if there are several, else the proposed one.
func (d directory) id(proposed, given string, called record) string {
	if givenID.MatchString(given) {
		return given
	}
	best, most := proposed, 0
	for _, id := range slices.Sorted(maps.Keys(d)) {
		near := 0
		for i, pair := range [][2]string{{d[id].URL, called.URL}, {d[id].Address, called.Address}, {d[id].Name, called.Name}} {
			if pair[1] != "" && strings.EqualFold(strings.Join(strings.Fields(pair[0]), " "), strings.Join(strings.Fields(pair[1]), " ")) {
				near += 1 << i
			}
		}
		if near > most && near >= 1<<2 { // the name is the same
			best, most = id, near
		}
	}
	return best
}

// add writes the data file of somebody or something new.
func (d directory) add(folder, id string, to map[string][]byte, pairs ...string) error {
	if _, there := d[id]; d == nil || there {
		return nil
	}
	var out strings.Builder
	for i, pairs := 0, append([]string{"id", id}, pairs...); i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		value, err := encodeYAML(pairs[i+1])
		if err != nil {
			return err
		}
		out.WriteString(pairs[i] + ": " + value + "\n")
	}
	to[folder+"/"+id+".yml"] = []byte(out.String())
	return nil
}
