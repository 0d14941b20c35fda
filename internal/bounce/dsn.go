package bounce

import (
	"net/mail"
	"strings"
	"time"
)

// bounces reads a delivery status notification (RFC 3464): one report for each recipient that the server gave up.
// Delayed, relayed, expanded and delivered are no bounces.
func (r Reader) bounces(l *letter, to []string) []Report {
	groups := fields(l.status)
	if len(groups) == 0 {
		return nil
	}
	token := r.token(l, to, groups[0]["original-envelope-id"])
	if token == "" {
		token = r.plain(groups[0]["original-envelope-id"])
	}
	if token == "" {
		return nil
	}
	var reports []Report
	for _, g := range groups {
		words := typed(g["diagnostic-code"])
		if len(reports) == mostParts || g["final-recipient"] == "" && g["original-recipient"] == "" && g["action"] == "" {
			continue
		}
		status, _, _ := strings.Cut(strings.TrimSpace(g["status"]), " ")
		action, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(g["action"])), " ")
		if action != "failed" && (action != "" || !strings.HasPrefix(status, "5")) {
			continue
		}
		class, status := judge(status, words)
		if class == "" {
			class = Soft // it failed, and nothing says why
		}
		person := typed(g["original-recipient"])
		if person == "" {
			person = typed(g["final-recipient"])
		}
		reports = append(reports, Report{
			Source: sourceDSN, Class: class, Status: status, Token: token, Address: address(person),
			At: past(date(g["last-attempt-date"], l.header.Get("Date")), r.clock()), Detail: oneLine(words),
		})
	}
	return reports
}

// fields reads groups of header fields that blank lines separate, names in lower case. A line that is no field is passed
// over, for servers write such.
func fields(b []byte) []map[string]string {
	var groups []map[string]string
	var g map[string]string
	last := ""
	for _, line := range strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") {
		switch name, value, found := strings.Cut(line, ":"); {
		case strings.TrimSpace(line) == "":
			g, last = nil, ""
		case line[0] == ' ' || line[0] == '\t':
			if last != "" && len(g[last]) < 4*mostDetail {
				g[last] += " " + strings.TrimSpace(line)
			}
		case found:
			if last = strings.ToLower(strings.TrimSpace(name)); g == nil {
				g = map[string]string{}
				groups = append(groups, g)
			}
			if g[last] == "" {
				g[last] = strings.TrimSpace(value)
			}
		}
	}
	return groups
}

// typed drops the type of "rfc822; ada@example.org" and "smtp; 550 no".
func typed(s string) string {
	kind, value, ok := strings.Cut(s, ";")
	if !ok || strings.ContainsAny(strings.TrimSpace(kind), " @<") {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(value)
}

// date is the first of some dates of mail (RFC 5322) that can be read.
func date(all ...string) time.Time {
	for _, s := range all {
		if t, err := mail.ParseDate(s); err == nil {
			return t
		}
	}
	return time.Time{}
}
