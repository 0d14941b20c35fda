package bounce

import "strings"

// complaint reads a feedback report (RFC 5965). What was said not to be spam, and reports about authentication (RFC 6591), are none.
func (r Reader) complaint(l *letter, to []string) []Report {
	groups := fields(l.feedback)
	if len(groups) == 0 {
		return nil
	}
	g := groups[0]
	class := Complaint
	switch kind := strings.ToLower(g["feedback-type"]); kind {
	case "not-spam", "auth-failure", "dmarc", "":
		return nil
	case "opt-out", "opt-out-list":
		class = Unsubscribe
	}
	token := r.token(l, to, g["original-mail-from"])
	if token == "" {
		token = r.plain(g["original-envelope-id"])
	}
	if token == "" {
		return nil
	}
	return []Report{{
		Source: sourceARF, Class: class, Token: token, Address: address(typed(g["original-rcpt-to"])),
		At:     past(date(l.header.Get("Date"), g["arrival-date"], g["received-date"]), r.clock()),
		Detail: oneLine(strings.TrimSpace(g["feedback-type"] + " " + g["user-agent"])),
	}}
}
