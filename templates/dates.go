package templates

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

const nbsp = "\u00a0"

// speech is how dates and lists are said in a language.
type speech struct{ language announce.Language }

// needsYear reports whether a date is said with its year: when it is more than ten months from the announcement.
func needsYear(t, created time.Time) bool {
	d := t.Sub(created)
	return d > 300*24*time.Hour || d < -300*24*time.Hour
}

var (
	frenchDays   = [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	frenchMonths = [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	frenchShort  = [...]string{"janv.", "févr.", "mars", "avr.", "mai", "juin", "juill.", "août", "sept.", "oct.", "nov.", "déc."}
)

// date is the day of t: "mercredi 22 octobre", "Wednesday, October 22". Short: "mer. 22 oct.", "Wed, Oct 22".
func (s speech) date(t time.Time, year, short bool) string {
	y := ""
	switch s.language.Base() {
	case "fr":
		day, month := frenchDays[t.Weekday()], frenchMonths[t.Month()-1]
		if short {
			day, month = day[:3]+".", frenchShort[t.Month()-1]
		}
		number := strconv.Itoa(t.Day())
		if t.Day() == 1 {
			number = "1er"
		}
		if year {
			y = " " + strconv.Itoa(t.Year())
		}
		return day + " " + number + " " + month + y
	case "en":
		day, month := t.Weekday().String(), t.Month().String()
		if short {
			day, month = day[:3], month[:3]
		}
		if s.dayFirst() {
			if year {
				y = " " + strconv.Itoa(t.Year())
			}
			return fmt.Sprintf("%s %d %s%s", day, t.Day(), month, y)
		}
		if year {
			y = ", " + strconv.Itoa(t.Year())
		}
		return fmt.Sprintf("%s, %s %d%s", day, month, t.Day(), y)
	}
	return t.Format(time.DateOnly)
}

// dayFirst tells British, Irish, Indian and southern English from that of North America, which plain "en" is.
func (s speech) dayFirst() bool {
	_, region, found := strings.Cut(string(s.language), "-")
	return found && !strings.EqualFold(region, "CA") && !strings.EqualFold(region, "US")
}

// clock is the time of t: "18 h 30", "6:30 p.m.".
func (s speech) clock(t time.Time) string {
	switch s.language.Base() {
	case "fr":
		if t.Hour() == 0 && t.Minute() == 0 {
			return "minuit"
		}
		if t.Minute() == 0 {
			return fmt.Sprintf("%d%sh", t.Hour(), nbsp)
		}
		return fmt.Sprintf("%d%sh%s%02d", t.Hour(), nbsp, nbsp, t.Minute())
	case "en":
		if t.Minute() == 0 && t.Hour() == 0 {
			return "midnight"
		}
		if t.Minute() == 0 && t.Hour() == 12 {
			return "noon"
		}
		return s.hours(t) + nbsp + s.half(t)
	}
	return t.Format("15:04")
}

func (s speech) hours(t time.Time) string {
	h := (t.Hour()+11)%12 + 1
	if t.Minute() == 0 {
		return strconv.Itoa(h)
	}
	return fmt.Sprintf("%d:%02d", h, t.Minute())
}

func (s speech) half(t time.Time) string {
	first := t.Hour() < 12
	switch {
	case strings.EqualFold(string(s.language), "en-US"):
		return map[bool]string{true: "AM", false: "PM"}[first]
	case s.dayFirst():
		return map[bool]string{true: "am", false: "pm"}[first]
	}
	return map[bool]string{true: "a.m.", false: "p.m."}[first]
}

// when is the whole time of an event: "mercredi 22 octobre, de 18 h 30 à 21 h". A zero end is not said.
func (s speech) when(start, end time.Time, year bool, zone string) string {
	if zone != "" {
		zone = " (" + zone + ")"
	}
	day := s.date(start, year, false)
	if end.IsZero() {
		return day + s.comma() + s.clock(start) + zone
	}
	if !sameEvening(start, end) {
		day = s.date(start, year && start.Year() != end.Year(), false)
		last := s.date(end, year, false)
		switch s.language.Base() {
		case "fr":
			return "du " + day + ", " + s.clock(start) + ", au " + last + ", " + s.clock(end) + zone
		case "en":
			return day + ", " + s.clock(start) + " to " + last + ", " + s.clock(end) + zone
		}
		return day + " " + s.clock(start) + " – " + last + " " + s.clock(end) + zone
	}
	switch s.language.Base() {
	case "fr":
		return day + ", de " + s.clock(start) + " à " + s.clock(end) + zone
	case "en":
		from := s.clock(start)
		if from == s.hours(start)+nbsp+s.half(start) && s.clock(end) == s.hours(end)+nbsp+s.half(start) {
			from = s.hours(start) // one "p.m." serves both
		}
		return day + ", " + from + " to " + s.clock(end) + zone
	}
	return day + " " + s.clock(start) + "–" + s.clock(end) + zone
}

func (s speech) comma() string {
	if b := s.language.Base(); b == "fr" || b == "en" {
		return ", "
	}
	return " "
}

// sameEvening reports whether an end needs no date of its own: the same day, or the small hours after.
func sameEvening(start, end time.Time) bool {
	if start.YearDay() == end.YearDay() && start.Year() == end.Year() {
		return true
	}
	next := start.AddDate(0, 0, 1)
	return next.YearDay() == end.YearDay() && next.Year() == end.Year() && end.Hour() < 6 && end.Sub(start) < 24*time.Hour
}

// zone is the short name of the zone at t, as readers of the language know it; elsewhere the offset: "HAE", "EDT", "UTC+1".
func (s speech) zone(t time.Time) string {
	name, offset := t.Zone()
	if offset == 0 && (name == "UTC" || name == "GMT") {
		return name
	}
	american := strings.HasPrefix(t.Location().String(), "America/") || strings.HasPrefix(t.Location().String(), "Canada/") ||
		strings.HasPrefix(t.Location().String(), "US/")
	if s.language.Base() == "fr" {
		if french := frenchZone(name); american && french != "" && !strings.EqualFold(string(s.language), "fr-FR") {
			return french
		}
		return utc(offset)
	}
	if s.language.Base() == "en" && name != "" && !strings.ContainsAny(name, "+-0123456789") && (american || strings.HasPrefix(t.Location().String(), "Europe/")) {
		return name
	}
	return utc(offset)
}

func frenchZone(name string) string {
	if len(name) != 3 || !strings.Contains("NACEMP", name[:1]) || name[2] != 'T' {
		return ""
	}
	kind := map[byte]string{'S': "HN", 'D': "HA"}[name[1]]
	place := map[byte]string{'N': "T", 'A': "A", 'E': "E", 'C': "C", 'M': "R", 'P': "P"}[name[0]]
	if kind == "" {
		return ""
	}
	return kind + place
}

func utc(offset int) string {
	sign := "+"
	if offset < 0 {
		sign, offset = "−", -offset
	}
	s := fmt.Sprintf("UTC%s%d", sign, offset/3600)
	if m := offset / 60 % 60; m != 0 {
		s += fmt.Sprintf(":%02d", m)
	}
	return s
}

// list joins names: "A, B et C".
func (s speech) list(names []string) string {
	and, last := ", ", len(names)-1
	switch s.language.Base() {
	case "fr":
		and = " et "
	case "en":
		and = " and "
		if len(names) > 2 && strings.EqualFold(string(s.language), "en-US") {
			and = ", and "
		}
	}
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + and + names[last]
}
