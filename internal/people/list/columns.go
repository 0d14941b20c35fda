package list

import (
	"errors"
	"fmt"
	"strings"
)

// What a column holds.
const (
	isAddress = iota
	isName
	isFirst
	isLast
	isLanguage
	isTopics
	isTags
	isStanding
	isAttributes
	isAsked
	isAskedFrom
	isConfirmed
	isConfirmedFrom
	isLeft
	isCleaned
	isWhy
	isChannel
	isZone
	isFrequency
	isEverything
	kinds
)

// columns says in which column what stands; -1: in none.
type columns struct {
	at    [kinds]int
	names []string
	ours  bool // cells were made safe for spreadsheets, see Safe
}

// words are the names of columns, folded, that stand for what they hold: the first of a row wins.
func words() [kinds][]string {
	return [kinds][]string{
		isAddress: {
			"emailaddress", "email", "courriel", "adressecourriel", "adresseelectronique", "adresseemail", "adressemail", "mailaddress", "mail", "adresse", "address",
		},
		isName:          {"fullname", "nomcomplet", "name", "prenometnom", "nometprenom", "nom"},
		isFirst:         {"firstname", "prenom", "givenname", "fname"},
		isLast:          {"lastname", "nomdefamille", "surname", "familyname", "lname", "nom"},
		isLanguage:      {"language", "langue", "lang", "locale", "preferredlanguage"},
		isTopics:        {"topics", "sujets", "topic", "sujet", "themes", "interests", "interets", "lists", "listes"},
		isTags:          {"tags", "etiquettes"},
		isStanding:      {"standing", "status", "statut", "etat"},
		isAttributes:    {"attributes", "attribs"},
		isAsked:         {"optintime", "askedat", "subscribedat", "datedinscription", "dateinscription", "signupdate"},
		isAskedFrom:     {"optinip", "signupip"},
		isConfirmed:     {"confirmtime", "confirmedat", "optindate", "dateconsentement", "consentdate", "consentat"},
		isConfirmedFrom: {"confirmip", "consentip"},
		isLeft:          {"unsubtime", "unsubscribedat"},
		isCleaned:       {"cleantime"},
		isWhy:           {"unsubreason", "raison"},
		isChannel:       {"channel", "canal"},
		isZone:          {"timezone", "fuseau", "fuseauhoraire"},
		isFrequency:     {"frequency", "frequence"},
		isEverything:    {"everything"},
	}
}

func headless(width int) columns {
	c := columns{names: make([]string, width)}
	for k := range c.at {
		c.at[k] = -1
	}
	c.at[isAddress], c.names[0] = 0, "address"
	return c
}

// understand finds out what the columns hold, and which program wrote the list.
func understand(head []string) (c columns, form string, err error) {
	c = columns{names: head}
	folded := map[string]int{}
	for i, h := range head {
		f := fold(h)
		if _, twice := folded[f]; twice && f != "" {
			return c, "", fmt.Errorf("two columns are named %q: leave one out", h)
		}
		folded[f] = i
	}
	for kind, names := range words() {
		c.at[kind] = -1
		for _, n := range names {
			if i, ok := folded[n]; ok {
				c.at[kind] = i
				break
			}
		}
	}
	has := func(name string) bool { _, ok := folded[name]; return ok }
	form = "table"
	switch {
	case has("emailaddress") && (has("leid") || has("euid") || has("memberrating") || has("optintime")):
		form = "Mailchimp"
		c.at[isZone], c.at[isFrequency], c.at[isEverything], c.at[isChannel] = -1, -1, -1, -1 // Mailchimp guesses zones from networks
	case has("email") && (has("attributes") || has("attribs")) && (has("uuid") || has("status")):
		form = "listmonk"
		if i, ok := folded["createdat"]; ok {
			c.at[isAsked] = i
		}
	case has("channel") && has("address") && has("everything"):
		form, c.ours = "Crieur", true
		if i, ok := folded["createdat"]; ok {
			c.at[isAsked] = i
		}
	}
	if c.at[isAddress] < 0 {
		return c, "", errors.New("no column holds mail addresses: name one \"email\" (the first line has the names of the columns)")
	}
	if c.at[isFirst] >= 0 && c.at[isName] == c.at[isLast] { // nom, beside prénom, is the last name
		c.at[isName] = -1
	} else if c.at[isFirst] < 0 && c.at[isName] == c.at[isLast] {
		c.at[isLast] = -1
	}
	return c, form, nil
}

// fold is a column's name without case, accents, blanks and punctuation.
func fold(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch r {
		case 'é', 'è', 'ê', 'ë':
			r = 'e'
		case 'à', 'â':
			r = 'a'
		case 'ç':
			r = 'c'
		case 'î', 'ï':
			r = 'i'
		case 'ô':
			r = 'o'
		case 'û', 'ù':
			r = 'u'
		}
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Columns are the names of the columns in which Crieur writes a list; Reader knows them.
func Columns() []string {
	return []string{"channel", "address", "name", "language", "time_zone", "standing", "frequency", "everything", "topics", "created_at", "paused_until", "quiet", "consents"}
}

// dangerous is what a spreadsheet may take for the beginning of a formula (OWASP, CSV Injection).
const dangerous = "=+-@\t\r"

// Safe is a cell that no spreadsheet takes for a formula: an apostrophe goes before what looks like one. Unsafe undoes it.
func Safe(s string) string {
	if rest := strings.TrimLeft(s, "'"); rest != "" && strings.IndexByte(dangerous, rest[0]) >= 0 {
		return "'" + s
	}
	return s
}

// Unsafe is the cell of which Safe made s.
func Unsafe(s string) string {
	if rest := strings.TrimLeft(s, "'"); len(rest) < len(s) && rest != "" && strings.IndexByte(dangerous, rest[0]) >= 0 {
		return s[1:]
	}
	return s
}
