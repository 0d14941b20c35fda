package media

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/font/sfnt"
)

func meeting() CardText {
	return CardText{
		Title: "Novembre 2014: un an d'io, pour vrai!", Community: "SagLac IO",
		Lines: []string{"mercredi 22 octobre, de 18 h 30 à 21 h", "Wednesday, October 22, 6:30 to 9 p.m.", "La Tour à Bières, 517, rue Racine Est, Chicoutimi"},
	}
}

func TestCard(t *testing.T) {
	b, err := Card(meeting())
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := m.(*image.Paletted); !ok || m.Bounds() != image.Rect(0, 0, 1200, 630) || len(p.Palette) > 256 || len(b) > 80_000 {
		t.Errorf("%T %v of %d bytes", m, m.Bounds(), len(b))
	}
	if again, err := Card(meeting()); err != nil || !bytes.Equal(again, b) {
		t.Errorf("the same text gave another card: %v", err)
	}
	other := meeting()
	other.Community = "Québec.py"
	if c, err := Card(other); err != nil || bytes.Equal(c, b) {
		t.Errorf("another community has the same card: %v", err)
	}
}

// The drawn card shows what the SVG holds: the ground, the waves, and ink where a shape is filled.
func TestTheDrawingIsTheSVG(t *testing.T) {
	s, err := lay(meeting())
	if err != nil {
		t.Fatal(err)
	}
	b, err := Card(meeting())
	if err != nil {
		t.Fatal(err)
	}
	svg, err := CardSVG(meeting())
	if err != nil {
		t.Fatal(err)
	}
	m := decoded(t, b)
	for name, c := range map[string]struct {
		at   image.Point
		want color.Color
	}{
		"ground": {image.Pt(5, 5), s.theme.ground}, "first wave": {image.Pt(1195, 100), s.theme.shade(steps)},
		"last wave": {image.Pt(1195, 600), s.theme.wave}, "dot": {image.Pt(margin+dot, margin+capital(nameSize)/2), s.theme.mark},
		"bar": {image.Pt(margin+barWidth/2, 500), s.theme.mark}, "beside the bar": {image.Pt(margin-3, 500), s.theme.ground},
	} {
		if got := m.At(c.at.X, c.at.Y); !near(got, c.want, 0) {
			t.Errorf("%s is %v, want %v", name, got, c.want)
		}
		if !strings.Contains(svg, css(color.RGBAModel.Convert(c.want).(color.RGBA))) {
			t.Errorf("%s is not in the SVG", name)
		}
	}
	ink := 0
	for y := range 630 {
		for x := range 1200 {
			if near(m.At(x, y), s.theme.ink, 0) {
				ink++
			}
		}
	}
	if ink < 20_000 || ink > 80_000 {
		t.Errorf("%d pixels of title", ink)
	}
}

func TestCardSVGIsSafe(t *testing.T) {
	c := meeting()
	c.Title = `"><script>alert(1)</script> & 'x' ` + "\x01\xff\uffff"
	svg, err := CardSVG(c)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && !slices.Contains([]string{"svg", "path", "circle"}, e.Name.Local) {
			t.Errorf("there is a %s in it", e.Name.Local)
		}
	}
}

// All that is written stands out from all that can be below it, whatever colour a community chose.
func TestContrast(t *testing.T) {
	themes := map[string]theme{}
	for _, pair := range grounds {
		th := themed(rgb(pair[0]), rgb(pair[1]))
		if th.ground != rgb(pair[0]) || th.mark != rgb(pair[1]) {
			t.Errorf("%06x: it had to be corrected to %v and %v", pair[0], th.ground, th.mark)
		}
		themes[css(rgb(pair[0]))] = th
	}
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 17 {
			for b := 0; b < 256; b += 51 {
				accent := fmt.Sprintf("#%02X%02x%02x", r, g, b)
				th, err := themeOf("", accent)
				if err != nil {
					t.Fatal(err)
				}
				themes[accent] = th
			}
		}
	}
	for name, th := range themes {
		for n := range shades {
			for i, ink := range th.inks() {
				if got := ratio(ink, th.shade(n)); got < contrast {
					t.Fatalf("%s: ink %d has a contrast of %.2f to shade %d", name, i, got, n)
				}
			}
		}
	}
	if th, _ := themeOf("", "#ffd60a"); th.ground != (color.RGBA{0xff, 0xd6, 0x0a, 255}) || th.ink != black {
		t.Errorf("a light colour is not kept: %+v", th)
	}
}

func TestCardRefusesWhatIsNoColour(t *testing.T) {
	for _, accent := range []string{"red", "#fff", "#12345g", "123456", "#1234567", "#12 456"} {
		c := meeting()
		c.Accent = accent
		_, err := Card(c)
		if _, err2 := CardSVG(c); err == nil || err2 == nil || !strings.Contains(err.Error(), "#rrggbb") {
			t.Errorf("%q: %v", accent, err)
		}
	}
}

func TestCleanLeavesNoBoxes(t *testing.T) {
	f, err := typefaces()
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"Pack your 💩 with webpack!":               "Pack your with webpack!",
		"Testing Migrations 🔥":                    "Testing Migrations",
		"👩‍👩‍👧‍👦 Famille 🇨🇦 1️⃣ ✔️ ❤️":            "Famille",
		"« L’œuvre » d’été : ÇÀ, Ÿ, Æ – — … 18 h": "« L’œuvre » d’été : ÇÀ, Ÿ, Æ – — … 18 h",
		"18\u202fh\u00a030":                       "18\u00a0h\u00a030",
		"e\u0301te\u0301":                         "été",
		"𝗙𝗲̂𝘁𝗲 ﬁnale Ｗｉｄｅ ①":                      "Fête ﬁnale Wide 1",
		"東京 Tōkyō 한국 हिन्दी":                      "Tōkyō",
		"Ελληνικά Русский":                        "Ελληνικά Русский",
		" a\t b\n\nc ":                            "a b c",
		"trait\u2011d’union fra\u00adgile\u200b":  "trait-d’union fragile",
		"\ufffd\x00\u202e\u2066":                  "",
		"":                                        "",
	} {
		for _, face := range []face{f.bold, f.medium} {
			if got := face.clean(from); got != want {
				t.Errorf("%q became %q, want %q", from, got, want)
			}
		}
	}
}

func set(t *testing.T, lines ...string) block {
	t.Helper()
	f, err := typefaces()
	if err != nil {
		t.Fatal(err)
	}
	return details(f.medium, lines, 1000)
}

func TestDatesAreNeverCut(t *testing.T) {
	for _, lines := range [][]string{
		meeting().Lines,
		{"mercredi 9 juin, 18 h"},
		{"du vendredi 22 octobre 2027, 18 h 30, au samedi 23 octobre 2027, 12 h (HAE)", "Friday, October 22, 2027, 6:30 p.m. to Saturday, October 23, 2027, noon (EDT)", "Université du Québec à Chicoutimi, 555, boulevard de l’Université"},
		{"mercredi 22 octobre, de 18 h 30 à 21 h", "Bar la Zone, à Jonquière, sur la Saint-Dominique (salle à part, sans musique). Nourriture et alcool disponible."},
	} {
		b := set(t, lines...)
		if got := strings.Join(b.lines, " "); got != strings.Join(lines, " ") || b.size < lineLeast {
			t.Errorf("%q of size %d", b.lines, b.size)
		}
	}
	b := set(t, "mercredi 22 octobre", strings.Repeat("Une adresse sans fin. ", 40))
	if b.lines[0] != "mercredi 22 octobre" || len(b.lines) != lineCount || !strings.HasSuffix(b.lines[lineCount-1], "…") {
		t.Errorf("%q", b.lines)
	}
	if b := set(t, "🎉", ""); len(b.lines) != 0 || b.height() != 0 {
		t.Errorf("%q", b.lines)
	}
}

func TestHeadline(t *testing.T) {
	f, err := typefaces()
	if err != nil {
		t.Fatal(err)
	}
	for title, want := range map[string]struct {
		size  int
		lines string
	}{
		"Docker": {116, "Docker"},
		"Cloud9 : Pelleter dans le nuage (Lightning Talk)":                                      {88, "Cloud9 : Pelleter dans le|nuage (Lightning Talk)"},
		"NFC c'est bien, UHF c'est mieux: Les mille-et-uns visages de la radio-identification.": {64, "NFC c'est bien, UHF c'est mieux:|Les mille-et-uns visages de la|radio-identification."},
		"Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft":      {48, "Donaudampfschifffahrtselektrizitätenhauptbe|triebswerkbauunterbeamtengesellschaft"},
		"": {116, ""},
	} {
		b := headline(f.bold, title, 1048, 240)
		if got := strings.Join(b.lines, "|"); got != want.lines || b.size != want.size {
			t.Errorf("%q of size %d", got, b.size)
		}
	}
	long := strings.Repeat("Programme double, ", 30)
	b := headline(f.bold, f.bold.clean(long), 1048, 240)
	if len(b.lines) != titleLines || !strings.HasSuffix(b.lines[3], "double…") || b.height() > 240 {
		t.Errorf("%q, %d high", b.lines, b.height())
	}
	if b = headline(f.bold, f.bold.clean(long), 1048, 100); len(b.lines) != 2 || !strings.HasSuffix(b.lines[1], "…") {
		t.Errorf("%q", b.lines)
	}
}

// FuzzCard: whatever is written, nothing stands outside the margins or on something else, and nothing is a box.
func FuzzCard(f *testing.F) {
	f.Add("Novembre 2014: un an d'io", "SagLac IO", "mercredi 22 octobre, de 18 h 30 à 21 h", "Café du Clocher", "#e4572e")
	f.Add("Pack your 💩 with webpack!", "Québec.py 🐍", "", "", "")
	f.Add(strings.Repeat("long ", 60), strings.Repeat("community ", 30), strings.Repeat("line ", 90), strings.Repeat("x", 300), "#777777")
	f.Add("\u202e\x00\xff", "e\u0301\u0301\u0301", "…", "\u00a0", "#zzzzzz")
	f.Fuzz(func(t *testing.T, title, community, first, second, accent string) {
		if len(title)+len(community)+len(first)+len(second) > 2000 {
			return
		}
		s, err := lay(CardText{title, community, []string{first, second}, accent})
		if err != nil {
			if !strings.Contains(err.Error(), "is not a colour") {
				t.Fatal(err)
			}
			return
		}
		inside := image.Rect(margin-titleMost/4, margin-nameSize, cardWidth-margin+titleMost/4, cardHeight-margin+lineMost/2)
		for _, x := range s.shapes {
			if box := bounds(x.path); !box.Empty() && !box.In(inside) {
				t.Fatalf("%v is outside %v", box, inside)
			}
		}
		c := newCanvas(s.theme)
		for _, x := range s.shapes {
			c.fill(x)
		}
		if n := slices.Max(c.Pix); int(n) >= len(c.Palette) {
			t.Fatalf("colour %d of %d", n, len(c.Palette))
		}
	})
}

func TestOutlineOfNothing(t *testing.T) {
	c := newCanvas(themed(rgb(0x123f75), rgb(0xffcf5c)))
	before := slices.Clone(c.Pix)
	c.fill(shape{})
	c.fill(shape{path: rectangle(-50, -50, 20, 20)})
	if !slices.Equal(before, c.Pix) {
		t.Error("something is drawn")
	}
	c.fill(shape{ink: inkMark, path: rectangle(-50, -50, 60, 60)})
	c.fill(shape{ink: inkTitle, path: append(sfnt.Segments{}, circle(5, 5, 5)...)})
	if int(c.Pix[5*cardWidth+5]) != full+inkTitle || c.Pix[20*cardWidth+20] != before[20*cardWidth+20] {
		t.Error("a shape across the edge is not drawn as far as it goes")
	}
}

func BenchmarkCard(b *testing.B) {
	c := meeting()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Card(c); err != nil {
			b.Fatal(err)
		}
	}
}
