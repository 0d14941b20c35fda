package bounce

import (
	"regexp"
	"strconv"
	"strings"
)

// Classify says what a refusal means: by its status (RFC 3463, "5.1.1"; empty when none was given), and where that says
// nothing in particular (5.0.0) by the reply code (RFC 5321, 550; 0 when there is none). The class is Hard, Soft or Block;
// empty when neither refuses anything.
func Classify(status string, code int) Class {
	class, subject, detail, ok := parseStatus(status)
	if !ok {
		return byCode(code)
	}
	switch {
	case class != 4 && class != 5:
		return ""
	case subject == 7 || code == 421:
		return Block
	case class == 4:
		return Soft
	}
	switch subject {
	case 1:
		switch detail {
		case 1, 2, 3, 6, 10: // no such mailbox, no such domain, not an address, moved away, takes no mail (RFC 7505)
			return Hard
		case 7, 8: // the sender's address
			return Block
		case 0:
			return byCode(code)
		}
	case 2:
		if detail == 1 { // switched off
			return Hard
		}
	case 5, 6: // the protocol, the content
		return Block
	case 0:
		return byCode(code)
	}
	return Soft
}

// byCode is what a reply code says alone. 550, 551 and 553 are what servers without statuses answer for an unknown user.
func byCode(code int) Class {
	switch {
	case code == 421, code == 554, code == 530, code == 535, code >= 500 && code <= 504, code == 555:
		return Block
	case code == 550, code == 551, code == 553:
		return Hard
	case code >= 400 && code < 600:
		return Soft
	}
	return ""
}

// parseStatus reads "5.1.1". ok is false for anything else.
func parseStatus(s string) (class, subject, detail int, ok bool) {
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) != 3 {
		return 0, 0, 0, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil || len(p) > 3 || p[0] < '0' || p[0] > '9' {
			return 0, 0, 0, false
		}
		n[i] = v
	}
	return n[0], n[1], n[2], n[0] == 2 || n[0] == 4 || n[0] == 5
}

var (
	replies  = regexp.MustCompile(`(?:^|[^0-9.])([45][0-5][0-9])(?:[ -]+#?([45]\.[0-9]{1,3}\.[0-9]{1,3}))?(?:[^0-9.]|$)`)
	statuses = regexp.MustCompile(`(?:^|[^0-9.])([45]\.[0-9]{1,3}\.[0-9]{1,3})(?:[^0-9.]|$)`)
	refusals = regexp.MustCompile(`(?i)\b(?:spam|spamhaus|spf|dkim|dmarc|rbl|dnsbl|block(?:ed|list(?:ed)?)|blacklist(?:ed)?|reputation|policy|virus)\b`)
	unknowns = regexp.MustCompile(`(?i)\b(?:user|recipient|mailbox|address|account|utilisateur|destinataire|adresse|boîte|empfänger|benutzer)\b.{0,60}\b(?:unknown|not found|unavailable|no longer|does ?n[o']t exist|not exist|inconnue?|introuvable|n'existe pas|unbekannt|nicht gefunden)\b|(?i)\b(?:no such|unknown|invalid) (?:user|recipient|mailbox|address|account)|no mailbox here by that name`)
	fulls    = regexp.MustCompile(`(?i)\b(?:mailbox|boîte|quota|storage|postfach)\b.{0,40}\b(?:full|exceed(?:ed|s)?|over|pleine|dépassé|voll)\b|over ?quota`)
)

// spoken finds the reply code and the status that a server's words carry.
func spoken(words string) (status string, code int) {
	if m := replies.FindStringSubmatch(words); m != nil {
		code, _ = strconv.Atoi(m[1])
		status = m[2]
	}
	if m := statuses.FindStringSubmatch(words); m != nil && status == "" {
		status = m[1]
	}
	return status, code
}

// generic reports whether a status says no more than that something failed.
func generic(status string) bool {
	_, subject, detail, ok := parseStatus(status)
	return !ok || subject == 0 || subject == 1 && detail == 0
}

// judge is Classify for what strangers report: a status that says nothing gives way to the one in the server's words, and
// where no number decides, to the words themselves. It returns the status that it went by.
func judge(status, words string) (Class, string) {
	said, code := spoken(words)
	if _, _, _, ok := parseStatus(status); !ok {
		status = ""
	}
	if generic(status) && said != "" {
		status = said
	}
	class := Classify(status, code)
	if generic(status) && class != Block && (class == Hard || strings.HasPrefix(status, "5") || code >= 500) {
		switch {
		case refusals.MatchString(words):
			return Block, status
		case fulls.MatchString(words):
			return Soft, status
		case unknowns.MatchString(words):
			return Hard, status
		}
	}
	return class, status
}
