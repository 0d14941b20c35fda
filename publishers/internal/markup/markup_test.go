package markup

import (
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	const md = "# Soirée *Rust*\n\nBonjour **tout** le monde, lis [ceci](https://example.org/a_b) ou https://example.org/été.\nSuite\n\n" +
		"- un\n- deux <b>\n  1. a\n  2. b\n\n> cité\n>\n> - là\n\n```\ncode <x>\n```\n\n---\n\n`x_y` ~~non~~ \\*fin\\* [mauvais](javascript:alert(1))"
	blocks := NewReader().Read(md)
	var got []string
	for _, b := range blocks {
		var s strings.Builder
		for _, x := range b.Spans {
			s.WriteString("|" + x.Text)
			for mark, on := range map[string]bool{"_b": x.Bold, "_i": x.Italic, "_s": x.Strike, "_c": x.Code} {
				if on {
					s.WriteString(mark)
				}
			}
			if x.Link != "" {
				s.WriteString("→" + x.Link)
			}
		}
		got = append(got, s.String())
	}
	want := []string{
		"|Soirée |Rust_i",
		"|Bonjour |tout_b| le monde, lis |ceci→https://example.org/a_b| ou |https://example.org/été→https://example.org/été|.\nSuite",
		"|un", "|deux <b>", "|a", "|b", "|cité", "|là", "|code <x>_c", "", "|x_y_c| |non_s| *fin* mauvais",
	}
	if strings.Join(got, "\n~\n") != strings.Join(want, "\n~\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n~\n"), strings.Join(want, "\n~\n"))
	}
	if b := blocks[5]; b.Kind != Item || b.Depth != 1 || b.Number != 2 {
		t.Errorf("%+v", b)
	}
	if b := blocks[7]; b.Kind != Item || b.Quote != 1 {
		t.Errorf("%+v", b)
	}
	plain := Plain(blocks)
	want2 := "Soirée Rust\n\nBonjour tout le monde, lis ceci (https://example.org/a_b) ou https://example.org/été.\nSuite\n\n- un\n- deux <b>\n  1. a\n  2. b\n\n> cité\n>\n> - là\n\ncode <x>\n\n—\n\nx_y non *fin* mauvais"
	if plain != want2 {
		t.Errorf("got\n%s\nwant\n%s", plain, want2)
	}
}

func TestUntitled(t *testing.T) {
	r := NewReader()
	for md, want := range map[string]string{
		"**Soirée  Rust**\n\nMercredi":                   "Mercredi",
		"# Soirée *Rust*\n\nMercredi":                    "Mercredi",
		"Soirée\nRust\n\nMercredi":                       "Mercredi",
		"Soirée Rust !\n\nMercredi":                      "Soirée Rust !\n\nMercredi",
		"- Soirée Rust\n\nMercredi":                      "- Soirée Rust\n\nMercredi",
		"> Soirée Rust\n\nMercredi":                      "> Soirée Rust\n\nMercredi",
		"    Soirée Rust\n\nMercredi":                    "Soirée Rust\n\nMercredi",
		"[Soirée Rust](https://example.org)\n\nMercredi": "Soirée Rust (https://example.org)\n\nMercredi",
		"": "",
	} {
		if got := Plain(Untitled(r.Read(md), " Soirée\u00a0Rust ")); got != want {
			t.Errorf("%q: %q, want %q", md, got, want)
		}
	}
	if got := Plain(Untitled(r.Read("---\n\nMercredi"), "")); got != "—\n\nMercredi" {
		t.Errorf("%q", got)
	}
}
