package sms

import (
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// The sizes that 3GPP TS 23.040 gives, at their edges.
func TestSegments(t *testing.T) {
	for _, x := range []struct {
		text     string
		segments int
		wide     bool
		units    int
	}{
		{"", 0, false, 0},
		{"a", 1, false, 1},
		{"é", 1, false, 1},
		{"€", 1, false, 2},
		{"ê", 1, true, 3},
		{strings.Repeat("a", 160), 1, false, 160},
		{strings.Repeat("a", 161), 2, false, 161},
		{strings.Repeat("a", 306), 2, false, 306},
		{strings.Repeat("a", 307), 3, false, 307},
		{strings.Repeat("€", 80), 1, false, 160},
		{strings.Repeat("€", 81), 2, false, 153 + 10}, // 76 pairs in the first: none is divided
		{strings.Repeat("ê", 70), 1, true, 160},
		{strings.Repeat("ê", 71), 2, true, 153 + 10},
		{strings.Repeat("ê", 134), 2, true, 306},
		{strings.Repeat("🎉", 35), 1, true, 160},
		{strings.Repeat("🎉", 36), 2, true, 153 + 14}, // 33 pairs in the first
		{strings.Repeat("ê", 201), 3, true, 459},
		{strings.Repeat("ê", 202), 4, true, 459 + 3},
		{strings.Repeat("a", 459), 3, false, 459},
	} {
		if s := measure(x.text); s.segments != x.segments || s.wide != x.wide || s.units() != x.units {
			t.Errorf("%.6q, %d characters: %+v of %d units, want %d segments, wide %t, %d", x.text, len([]rune(x.text)), s, s.units(), x.segments, x.wide, x.units)
		}
	}
}

// A longer text is never smaller, and a text is within the limit just when its segments are.
func TestUnitsAgreeWithSegments(t *testing.T) {
	for _, letter := range []string{"a", "é", "€", "ê", "🎉", "a€ê"} {
		text, before := "", 0
		for range 700 {
			text += letter
			s := measure(text)
			if s.units() < before {
				t.Fatalf("%q: %d units after %d", letter, s.units(), before)
			}
			before = s.units()
			for n := 1; n <= mostSegments; n++ {
				if (s.segments <= n) != (s.units() <= room(n)) {
					t.Fatalf("%q, %d characters: %d segments, %d units, room for %d is %d", letter, len([]rune(text)), s.segments, s.units(), n, room(n))
				}
			}
		}
	}
}

func TestCompose(t *testing.T) {
	for _, x := range []struct {
		text string
		l    announce.Language
		want string
	}{
		{"Rencontre", "fr", "Rencontre\n" + stopFrench},
		{"Rencontre", "fr-CA", "Rencontre\n" + stopFrench},
		{"Meetup", "en", "Meetup\n" + stopEnglish},
		{"Treffen", "de", "Treffen\n" + stopEnglish},
		{"Treffen\nAntworten Sie STOP", "de", "Treffen\nAntworten Sie STOP"},
		{"STOP au gaspillage\nMercredi", "fr", "STOP au gaspillage\nMercredi\n" + stopFrench},
		{"NONSTOP", "en", "NONSTOP\n" + stopEnglish},
		{"« L’été », 18 h 30 – c’est où… ?", "fr", "\"L'été\", 18 h 30 - c'est où... ?\n" + stopFrench},
		{"L’œuvre naît", "fr", "L’œuvre naît\n" + stopFrench}, // a letter outside the alphabet: nothing is gained by plain quotes
	} {
		if got := compose(x.text, x.l); got != x.want {
			t.Errorf("%q: %q", x.text, got)
		}
		if n := measure(compose(x.text, x.l)).units(); weigh(x.text) < n {
			t.Errorf("%q: weighs %d, and takes %d", x.text, weigh(x.text), n)
		}
	}
}
