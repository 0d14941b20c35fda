package list

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
)

// Most of what a row may hold.
const (
	maxName   = 200
	maxTopics = 100
	maxTongue = 256 // spellings of languages that are remembered
)

// row checks one record.
func (x *Reader) row(rec record) (Row, *fault) {
	refuse := func(kind int, format string, a ...any) *fault {
		f := &fault{Refusal: Refusal{Line: rec.line, Reason: fmt.Sprintf(format, a...), Text: shown(rec.text)}}
		if kind >= 0 {
			f.Field = x.columns.names[x.columns.at[kind]]
		}
		return f
	}
	width := len(x.columns.names)
	for len(rec.fields) > width && len(rec.fields[len(rec.fields)-1]) == 0 {
		rec.fields = rec.fields[:len(rec.fields)-1]
	}
	if n := len(rec.fields); n != width {
		f := refuse(-1, "has %d fields where the first line has %d", n, width)
		if n > width {
			f.Reason += ": put a field that holds a separator in quotation marks"
		}
		f.spread = true
		return Row{}, f
	}
	cell := func(kind int) string {
		i := x.columns.at[kind]
		if i < 0 || len(rec.fields[i]) == 0 {
			return ""
		}
		s := string(rec.fields[i])
		if x.columns.ours {
			s = Unsafe(s)
		}
		return strings.TrimSpace(s)
	}
	row := Row{Line: rec.line, Channel: "email", Text: shown(rec.text)}
	if c := cell(isChannel); c != "" {
		row.Channel = c
	}
	address := cell(isAddress)
	if row.Address = address; row.Channel == "email" {
		var err error
		if row.Address, err = Mailbox(address); err != nil {
			f := refuse(isAddress, "%s", err)
			f.spread = strings.ContainsAny(address, "\r\n")
			return Row{}, f
		}
	}
	var kind int
	var err error
	for _, part := range []struct {
		kind int
		read func(string) error
	}{
		{isName, func(s string) error { row.Name, err = name(s); return err }},
		{isFirst, func(s string) error { row.Name, err = joined(row.Name, s); return err }},
		{isLast, func(s string) error { row.Name, err = joined(row.Name, s); return err }},
		{isLanguage, func(s string) error { row.Language, err = x.language(s); return err }},
		{isZone, func(s string) error { row.Zone = s; _, err := announce.Zone(s); return err }},
		{isFrequency, func(s string) error { row.Frequency = s; return nil }},
		{isEverything, func(s string) error { row.All, err = truth(s); return err }},
		{isTopics, func(s string) error { row.Topics, err = several(s); return err }},
		{isTags, func(s string) error { row.Tags, err = several(s); return err }},
		{isAttributes, func(s string) error { return x.attributes(s, &row) }},
		{isAsked, func(s string) error { row.Asked.At, err = x.moment(s); return err }},
		{isAskedFrom, func(s string) error { row.Asked.Network, err = network(s); return err }},
		{isConfirmed, func(s string) error { row.Confirmed.At, err = x.moment(s); return err }},
		{isConfirmedFrom, func(s string) error { row.Confirmed.Network, err = network(s); return err }},
		{isLeft, func(s string) error { row.Left, err = x.moment(s); return err }},
		{isCleaned, func(s string) error { row.Left, err = x.moment(s); return err }},
		{isWhy, func(s string) error { row.Why, err = name(s); return err }},
		{isStanding, func(s string) error { row.Standing, err = standing(s); return err }},
	} {
		kind = part.kind
		if s := cell(kind); s != "" {
			if err := part.read(s); err != nil {
				return Row{}, refuse(kind, "%s", err)
			}
		}
	}
	x.stands(&row)
	return row, nil
}

// stands says how a person stands whose list tells it by its columns.
func (x *Reader) stands(row *Row) {
	if row.Standing == "" {
		row.Standing = x.o.Standing
	}
	if row.Standing == "" || row.Standing == Active {
		switch {
		case x.Form == "Mailchimp" && x.columns.at[isCleaned] >= 0:
			row.Standing = Bounced
		case x.Form == "Mailchimp" && x.columns.at[isLeft] >= 0, !row.Left.IsZero():
			row.Standing = Unsubscribed
		case row.Standing == "":
			row.Standing = Active
		}
	}
	if why := strings.ToLower(row.Why); row.Standing == Unsubscribed && (strings.Contains(why, "abuse") || strings.Contains(why, "spam")) {
		row.Standing = Complained
	}
}

// name is one line of text.
func name(s string) (string, error) {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return "", errors.New("holds a control character")
		}
	}
	if strings.ContainsAny(s, "\t\r\n") || strings.Contains(s, "  ") {
		s = strings.Join(strings.Fields(s), " ")
	}
	if len(s) > maxName && utf8.RuneCountInString(s) > maxName {
		return "", fmt.Errorf("is longer than %d characters", maxName)
	}
	return s, nil
}

func joined(first, last string) (string, error) {
	if first == "" {
		return name(last)
	}
	return name(first + " " + last)
}

func truth(s string) (*bool, error) {
	yes := true
	switch strings.ToLower(s) {
	case "true", "1", "yes", "oui":
		return &yes, nil
	case "false", "0", "no", "non":
		yes = false
		return &yes, nil
	}
	return nil, fmt.Errorf("is %q: write true or false", s)
}

// several are the words of one cell, between commas, semicolons or bars; Mailchimp puts each in quotation marks.
func several(s string) ([]string, error) {
	var all []string
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		w, err := name(strings.TrimSpace(strings.Trim(strings.TrimSpace(w), `"`)))
		if err != nil {
			return nil, err
		}
		if w != "" && !slices.Contains(all, w) {
			all = append(all, w)
		}
		if len(all) > maxTopics {
			return nil, fmt.Errorf("names more than %d", maxTopics)
		}
	}
	return all, nil
}

func standing(s string) (Standing, error) {
	switch fold(s) {
	case "active", "actif", "subscribed", "enabled", "confirmed", "abonne", "abonnee", "inscrit", "inscrite":
		return Active, nil
	case "unsubscribed", "blocklisted", "blacklisted", "optedout", "desabonne", "desabonnee", "desinscrit", "desinscrite", "removed":
		return Unsubscribed, nil
	case "bounced", "cleaned", "hardbounced", "rejete", "invalide":
		return Bounced, nil
	case "complained", "spam", "abuse", "plainte":
		return Complained, nil
	case "pending", "unconfirmed", "nonsubscribed", "transactional", "archived", "disabled", "enattente":
		return "", fmt.Errorf("is %q: they have not agreed to be written to", s)
	}
	return "", fmt.Errorf("is %q: write active, unsubscribed, bounced or complained", short(s))
}

// language reads a tag (BCP 47) as people and programs write it: fr, fr_CA, français.
func (x *Reader) language(s string) (announce.Language, error) {
	if l, ok := x.tongues[s]; ok {
		return l, nil
	}
	var l announce.Language
	switch fold(s) {
	case "francais", "french":
		l = "fr"
	case "anglais", "english":
		l = "en"
	default:
		tag := strings.ReplaceAll(s, "_", "-")
		if _, err := language.Parse(tag); err != nil {
			return "", fmt.Errorf("is %q, which is no language: write fr, fr-CA or en", short(s))
		}
		l = announce.Language(tag)
	}
	if len(x.tongues) < maxTongue {
		x.tongues[s] = l
	}
	return l, nil
}

// attributes reads what listmonk keeps beside a person, as JSON: only the language is taken.
func (x *Reader) attributes(s string, row *Row) (err error) {
	if s == "{}" {
		return nil
	}
	var all map[string]any
	if err := json.Unmarshal([]byte(s), &all); err != nil {
		return errors.New("is no JSON object: write {} for nothing")
	}
	for _, key := range []string{"language", "lang", "langue", "locale"} {
		if v, ok := all[key].(string); ok && v != "" && row.Language == "" {
			if row.Language, err = x.language(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// moment reads a date with or without a time; one that names no zone is in UTC.
func (x *Reader) moment(s string) (time.Time, error) {
	for _, layout := range []string{time.DateTime, time.RFC3339, time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700 MST"} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		switch {
		case t.Year() < 1990:
			return time.Time{}, fmt.Errorf("is %q, before there were lists: write 2024-03-14 18:30:00", short(s))
		case !x.o.Now.IsZero() && t.After(x.o.Now.AddDate(0, 0, 1)):
			return time.Time{}, fmt.Errorf("is %q, which is yet to come", short(s))
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("is %q, which is no moment: write 2024-03-14 18:30:00", short(s))
}

// network truncates an address: /24 of IPv4, /48 of IPv6. More of it is never kept. One that is truncated already stays.
func network(s string) (netip.Prefix, error) {
	bits := 0
	a, err := netip.ParseAddr(s)
	if err != nil {
		p, wrong := netip.ParsePrefix(s)
		if wrong != nil {
			return netip.Prefix{}, fmt.Errorf("is %q, which is no IP address", short(s))
		}
		a, bits = p.Addr(), p.Bits()
	}
	a = a.Unmap().WithZone("")
	widest := 48
	if a.Is4() {
		widest = 24
	}
	if bits == 0 || bits > widest {
		bits = widest
	}
	return a.Prefix(bits)
}

func short(s string) string {
	if utf8.RuneCountInString(s) > 40 {
		return string([]rune(s)[:39]) + "…"
	}
	return s
}
