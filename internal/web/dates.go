package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// day is a date in words: "29 novembre 2026", "November 29, 2026".
func (v view) day(t time.Time) string {
	if v.Lang != "fr" {
		return t.Format("January\u00a02, 2006")
	}
	months := []string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		day = "1er"
	}
	return day + "\u00a0" + months[t.Month()-1] + " " + strconv.Itoa(t.Year())
}

// moment is a date with its time: "29 novembre 2026, 16 h 48", "November 29, 2026, 4:48 p.m."
func (v view) moment(t time.Time) string {
	minutes := ""
	if v.Lang == "fr" {
		if t.Minute() > 0 {
			minutes = fmt.Sprintf("\u00a0%02d", t.Minute())
		}
		return fmt.Sprintf("%s, %d\u00a0h%s", v.day(t), t.Hour(), minutes)
	}
	if t.Hour() == 12 && t.Minute() == 0 {
		return v.day(t) + ", noon"
	}
	half := "a.m."
	if t.Hour() >= 12 {
		half = "p.m."
	}
	if t.Minute() > 0 {
		minutes = fmt.Sprintf(":%02d", t.Minute())
	}
	return fmt.Sprintf("%s, %d%s\u00a0%s", v.day(t), (t.Hour()+11)%12+1, minutes, half)
}

// zoned is a moment with its zone, as readers of the page know it: "29 novembre 2026, 16 h 48 (HNE)".
func (v view) zoned(t time.Time, zone string) string {
	t = in(t, zone)
	name, offset := t.Zone()
	american := strings.HasPrefix(t.Location().String(), "America/")
	switch {
	case offset == 0:
		name = "UTC"
	case american && v.Lang == "fr" && frenchZone(name) != "":
		name = frenchZone(name)
	case !american || v.Lang == "fr" || strings.ContainsAny(name, "+-"): // the zone database knows no letters for it
		name = t.Format("UTC-07:00")
	}
	return v.moment(t) + " (" + name + ")"
}

// frenchZone is what a zone of North America is called in French; empty: it is none of those.
func frenchZone(name string) string {
	return map[string]string{
		"NST": "HNT", "AST": "HNA", "EST": "HNE", "CST": "HNC", "MST": "HNR", "PST": "HNP",
		"NDT": "HAT", "ADT": "HAA", "EDT": "HAE", "CDT": "HAC", "MDT": "HAR", "PDT": "HAP",
	}[name]
}

func in(t time.Time, zone string) time.Time {
	loc, err := announce.Zone(zone)
	if err != nil {
		loc = time.UTC
	}
	return t.In(loc)
}
