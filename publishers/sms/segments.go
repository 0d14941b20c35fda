package sms

import (
	"strings"
	"unicode/utf16"
)

// A segment holds 160 characters of the basic alphabet (GSM 03.38) or 70 of any other; 153 or 67 when there are several,
// for each then says where it belongs (3GPP TS 23.040 section 9.2.3.24.1).
const (
	aloneBasic, joinedBasic = 160, 153
	aloneWide, joinedWide   = 70, 67

	alphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "^{}\\[~]|€\f" // two characters each
)

// size is what a text takes.
type size struct {
	segments int
	last     int  // characters in the last one
	wide     bool // it holds a character that the basic alphabet has not
}

// measure sizes a text. What takes two places is never divided between segments.
func measure(s string) size {
	widths, total := make([]int, 0, len(s)), 0
	out := size{}
	for _, r := range s {
		w := 1
		switch {
		case strings.ContainsRune(extended, r):
			w = 2
		case !strings.ContainsRune(alphabet, r):
			out.wide = true
		}
		widths, total = append(widths, w), total+w
	}
	alone, joined := aloneBasic, joinedBasic
	if out.wide {
		alone, joined, widths, total = aloneWide, joinedWide, widths[:0], 0
		for _, r := range s {
			w := max(1, utf16.RuneLen(r))
			widths, total = append(widths, w), total+w
		}
	}
	if total == 0 {
		return out
	}
	if out.segments, out.last = 1, total; total <= alone {
		return out
	}
	out.last = 0
	for _, w := range widths {
		if out.last+w > joined {
			out.segments, out.last = out.segments+1, 0
		}
		out.last += w
	}
	return out
}

// units is a size in characters of the basic alphabet, so that texts of both alphabets have one limit.
func (s size) units() int {
	switch last := s.last; {
	case s.segments == 0:
		return 0
	case s.wide:
		last = (last*joinedBasic + joinedWide - 1) / joinedWide
		fallthrough
	default:
		return (s.segments-1)*joinedBasic + last
	}
}

// room is how many units so many segments hold.
func room(segments int) int {
	if segments == 1 {
		return aloneBasic
	}
	return segments * joinedBasic
}

// plain is s with signs of print in the place of which a phone may show simpler ones: quotes, dashes, blanks, dots. Letters stay.
func plain(s string) string { return simpler.Replace(s) }

var simpler = strings.NewReplacer(
	"’", "'", "‘", "'", "“", "\"", "”", "\"", "«\u00a0", "\"", "\u00a0»", "\"", "«\u202f", "\"", "\u202f»", "\"", "« ", "\"", " »", "\"", "«", "\"", "»", "\"",
	"\u00a0", " ", "\u202f", " ", "\u2009", " ", "\u2011", "-", "–", "-", "—", "-", "…", "...", "•", "-", "·", "-", "\u200b", "",
	"ᵒ", "o", "ᵉ", "e", "→", "->", "×", "x",
)
