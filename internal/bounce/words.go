package bounce

import (
	"bufio"
	"regexp"
	"strings"

	"github.com/emersion/go-message"
)

// How servers begin when they give a mail back without the form of RFC 3464. Exim, qmail, Postfix, Exchange and Sendmail, in
// their languages; compared in lower case.
func openings() []string {
	return []string{
		"hi. this is the", // qmail's own format, QSBMF
		"this message was created automatically by mail delivery software",
		"ce message a été créé automatiquement par le logiciel de messagerie",
		"ce message a été généré automatiquement par le logiciel de messagerie",
		"diese nachricht wurde automatisch vom mail-zustellungsprogramm",
		"diese nachricht wurde automatisch von der mail-software",
		"this is the mail system at host",
		"ceci est le système de messagerie", "voici le système de messagerie", "ici le système de messagerie",
		"dies ist das mailsystem", "dies ist das mail-system",
		"delivery has failed to these recipients",
		"your message did not reach some or all of the intended recipients",
		"échec de la remise pour ces destinataires", "échec de remise à ces destinataires", "la remise aux destinataires ou groupes suivants",
		"votre message n'a pas été remis",
		"fehler bei der nachrichtenzustellung an folgende empfänger",
		"ihre nachricht hat einige oder alle empfänger nicht erreicht",
		"error de entrega a estos destinatarios", "no se pudo entregar el mensaje a estos destinatarios",
		"the original message was received at",
		"the following addresses had permanent fatal errors",
	}
}

// What says that a server has not given up.
func warnings() []string {
	return []string{
		"warning message only", "you do not need to resend", "no action is required", "has not yet been delivered", "delivery is delayed", "will continue to try", "i'm not giving up",
		"n'a pas encore été remis", "vous n'avez pas besoin de renvoyer", "aucune action de votre part", "est retardée",
		"noch nicht zugestellt", "brauchen ihre nachricht nicht",
	}
}

var (
	bracketed = regexp.MustCompile(`^\s*<([^<>\s]+@[^<>\s]+)>\s*(?:\([^)]*\))?\s*:?\s*(.*)$`)
	bare      = regexp.MustCompile(`^\s*([^<>()\[\]\s:;,"]+@[^<>()\[\]\s:;,"]+)\s*:?\s*$`)
	named     = regexp.MustCompile(`^\s*[^<>@]{0,80}[<(]([^<>()\s]+@[^<>()\s]+)[>)]\s*$`)
	copies    = regexp.MustCompile(`(?i)^\s*(?:-{2,}.*(?:original|copy|copie|kopie|below|message|nachricht).*|-{5,}\s*|original message headers:|en-têtes de message d'origine\s*:|ursprüngliche nachrichtenkopfzeilen:)`)
)

// words reads a bounce that is plain text. Only what a mail server writes counts: mail of another origin, such as a vacation
// answer or a challenge, is never searched for reply codes.
func (r Reader) words(l *letter, to []string) []Report {
	lower := strings.ToLower(strings.Join(strings.Fields(l.text), " "))
	failed := l.header.Get("X-Failed-Recipients") != "" // Exim
	known := failed
	for _, s := range openings() {
		known = known || strings.Contains(lower[:min(len(lower), 2000)], s)
	}
	if !known && !(daemon(l.header) && !answered(l.header)) {
		return nil
	}
	for _, s := range warnings() {
		if strings.Contains(lower, s) {
			return nil
		}
	}
	found, rest := paragraphs(l.text)
	if l.original == nil {
		l.keep([]byte(rest))
	}
	token := r.token(l, to)
	if token == "" {
		return nil
	}
	if len(found) == 0 && failed {
		for _, a := range strings.Split(l.header.Get("X-Failed-Recipients"), ",") {
			found = append(found, said{address: a})
		}
	}
	var reports []Report
	for _, f := range found {
		class, status := judge("", f.words)
		missing := unknowns.MatchString(f.words)
		if !known && status == "" && !missing {
			continue // an address, and perhaps a number below it: that is a signature as well
		}
		switch {
		case class == "" && missing:
			class = Hard
		case class == "":
			class = Soft
		}
		reports = append(reports, Report{
			Source: sourceDSN, Class: class, Status: status, Token: token, Address: address(f.address),
			At: past(date(l.header.Get("Date")), r.clock()), Detail: oneLine(f.words),
		})
	}
	return reports
}

// daemon reports whether a mail says that a mail server wrote it.
func daemon(h message.Header) bool {
	from := strings.ToLower(h.Get("From"))
	for _, s := range []string{"mailer-daemon", "mail delivery s", "postmaster@", "microsoftexchange"} {
		if strings.Contains(from, s) {
			return true
		}
	}
	return strings.TrimSpace(h.Get("Return-Path")) == "<>"
}

// answered reports whether a mail is an automatic answer of a person's (RFC 3834). Bounces call themselves that too.
func answered(h message.Header) bool {
	s := strings.ToLower(strings.TrimSpace(h.Get("Auto-Submitted")))
	return strings.HasPrefix(s, "auto-replied") || h.Get("X-Autoreply") != "" || h.Get("X-Autorespond") != "" || strings.EqualFold(h.Get("Precedence"), "auto_reply")
}

// said is an address and what a server said of it.
type said struct{ address, words string }

// paragraphs finds the addresses that begin a line, each with the lines below it up to the next one; and, after the line
// that introduces it, the beginning of the mail that came back.
func paragraphs(text string) (found []said, rest string) {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, mostText)
	var after strings.Builder
	below, empty := false, 0
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if below {
			after.WriteString(line + "\r\n")
			continue
		}
		if len(found) > 0 && copies.MatchString(line) {
			below = true
			continue
		}
		m := bracketed.FindStringSubmatch(line)
		if m == nil {
			if m = bare.FindStringSubmatch(line); m == nil {
				m = named.FindStringSubmatch(line)
			}
			if m != nil {
				m = []string{m[0], m[1], ""}
			}
		}
		switch {
		case m != nil:
			if len(found) > 0 && strings.EqualFold(found[len(found)-1].address, m[1]) {
				found[len(found)-1].words += " " + m[2] // named a second time
			} else if len(found) < mostParts {
				found = append(found, said{m[1], m[2]})
			}
			empty = 0
		case strings.TrimSpace(line) == "":
			empty++
		case len(found) > 0 && empty < 3 && len(found[len(found)-1].words) < 4*mostDetail:
			found[len(found)-1].words += " " + strings.TrimSpace(line)
		}
	}
	return found, after.String()
}
