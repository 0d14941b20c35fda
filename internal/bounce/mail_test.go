package bounce

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

const testToken = "mfrggzdfmztwq2lknnwg23tpoa"

// now is later than everything in testdata.
func testNow() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

func testReader() Reader {
	return Reader{Prefix: "b", Domain: "bounce.example.org", Known: func(t string) bool { return t == testToken }, now: testNow}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".eml")
		all[name] = sample(t, name)
	}
	return all
}

func TestEveryMailSaysWhatBecameOfIt(t *testing.T) {
	type want struct {
		class           Class
		status, address string
		detail          string // stands in Detail
	}
	ada := "ada@example.com"
	wants := map[string][]want{
		"postfix":            {{Hard, "5.1.1", ada, "User unknown in virtual mailbox table"}},
		"postfix-fr":         {{Soft, "5.2.2", ada, "boîte pleine"}},
		"postfix-delayed":    nil,
		"postfix-expired":    {{Soft, "4.4.1", ada, "Connection timed out"}},
		"postfix-several":    {{Hard, "5.1.1", ada, "User unknown"}, {Block, "5.7.1", "cleo@example.com", "refused"}},
		"postfix-reputation": {{Block, "5.0.0", ada, "spamhaus"}},
		"postfix-text":       {{Hard, "5.1.1", ada, "User unknown"}, {Block, "5.7.26", "bob@example.com", "not authenticated"}},
		"sendmail":           {{Hard, "5.0.0", ada, "No such user"}},
		"exchange-fr":        {{Hard, "5.1.10", ada, "RecipientNotFound"}},
		"exchange-de":        {{Block, "5.7.1", ada, "AuthRequired"}},
		"headers-only":       {{Hard, "5.2.1", ada, ""}},
		"forwarded":          {{Hard, "5.1.1", ada, "User unknown"}},
		"lost-type":          {{Hard, "5.1.1", ada, ""}},
		"exim":               {{Hard, "", ada, "no mailbox here by that name"}},
		"exim-fr":            {{Soft, "", ada, "retry timeout exceeded"}},
		"exim-warning":       nil,
		"qmail":              {{Hard, "5.1.1", ada, "does not like recipient"}},
		"qmail-fr":           {{Soft, "5.2.2", ada, "quota dépassé"}},
		"vacation":           nil, "vacation-daemonlike": nil, "vacation-street": nil, "challenge": nil,
		"bad-token": nil, "no-token": nil,
		"arf":          {{Complaint, "", ada, "abuse SomeGenerator"}},
		"arf-redacted": {{Complaint, "", "[redacted]", "abuse"}},
		"arf-link":     {{Complaint, "", "", "fraud"}},
		"arf-opt-out":  {{Unsubscribe, "", "", "opt-out"}},
		"arf-not-spam": nil, "arf-auth": nil, "arf-foreign": nil,
	}
	r := testReader()
	all := samples(t)
	for name, raw := range all {
		t.Run(name, func(t *testing.T) {
			want, ok := wants[name]
			if !ok {
				t.Fatal("nobody says what this one means")
			}
			got, err := r.Read(bytes.NewReader(raw))
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d reports, want %d: %+v, %v", len(got), len(want), got, err)
			}
			ids := map[string]bool{}
			for i, g := range got {
				w := want[i]
				if g.Class != w.class || g.Status != w.status || g.Address != w.address || !strings.Contains(g.Detail, w.detail) || g.Token != testToken {
					t.Errorf("%+v, want %+v", g, w)
				}
				if day := g.At.UTC().Format(time.DateOnly); day != "2026-11-22" {
					t.Errorf("happened on %s", day)
				}
				sound(t, g)
				ids[g.ID] = true
			}
			if len(ids) != len(got) {
				t.Error("two reports have one ID")
			}
			// As it comes over the wire, and a second time with other trace fields: the same news.
			wire := append([]byte("Received: from elsewhere by here;\r\n\tSun, 22 Nov 2026 11:00:00 -0500\r\n"), bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))...)
			again, err := r.Read(bytes.NewReader(wire))
			if err != nil || !slices.Equal(again, got) {
				t.Errorf("over the wire it says\n%+v, not\n%+v (%v)", again, got, err)
			}
		})
	}
	if len(wants) != len(all) {
		t.Errorf("%d samples for %d expectations", len(all), len(wants))
	}
}

// sound holds what every report keeps to, whatever it was made from.
func sound(t *testing.T, g Report) {
	t.Helper()
	if g.ID == "" || len(g.ID) > 80 || g.Source == "" || g.At.IsZero() || g.At.After(testNow()) {
		t.Errorf("incomplete: %+v", g)
	}
	switch g.Class {
	case Hard, Soft, Block, Complaint, Unsubscribe:
	default:
		t.Errorf("the class %q", g.Class)
	}
	if g.Status != "" {
		if _, _, _, ok := parseStatus(g.Status); !ok {
			t.Errorf("the status %q", g.Status)
		}
	}
	if g.Token != "" && !wellFormed(g.Token) {
		t.Errorf("the token %q", g.Token)
	}
	for _, s := range []string{g.Detail, g.Address} {
		if len([]rune(s)) > mostDetail || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("not one printable line: %q", s)
		}
	}
}

func TestTheEnvelopeNamesTheDelivery(t *testing.T) {
	r := testReader()
	raw := bytes.ReplaceAll(sample(t, "no-token"), []byte("ada@"), []byte("zoe@"))
	got := r.read(raw, []string{"B+" + strings.ToUpper(testToken) + "@Bounce.Example.ORG"})
	if len(got) != 1 || got[0].Token != testToken || got[0].Address != "zoe@example.com" {
		t.Fatalf("%+v", got)
	}
	if got := r.read(raw, []string{"b+nb2hi4dthixs653xo4xggy3pnu@bounce.example.org"}); got != nil {
		t.Errorf("a token with a bad MAC reports %+v", got)
	}
}

func TestNobodyForgesALine(t *testing.T) {
	raw := bytes.Replace(sample(t, "postfix"), []byte("User unknown"), []byte("User \x1b[31m\u202eunknown "+strings.Repeat("x", 4000)), 2)
	got := testReader().read(raw, nil)
	if len(got) != 1 || got[0].Class != Hard || strings.Contains(got[0].Detail, "\u202e") {
		t.Fatalf("%+v", got)
	}
	sound(t, got[0])
}

func TestAHugeBounceIsStillRead(t *testing.T) {
	raw := sample(t, "postfix")
	huge := bytes.Replace(raw, []byte("\nBonjour\n"), []byte("\n"+strings.Repeat("Bonjour, bonjour, bonjour\n", 400_000)), 1)
	got, err := testReader().Read(bytes.NewReader(huge))
	if err != nil || len(got) != 1 || got[0].Class != Hard {
		t.Fatalf("%+v, %v", got, err)
	}
	deep := []byte("Content-Type: text/plain\r\n\r\nx")
	for range 200 {
		deep = append([]byte("Content-Type: message/rfc822\r\n\r\n"), deep...)
	}
	if got := testReader().read(deep, nil); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		status string
		code   int
		want   Class
	}{
		{"5.1.1", 550, Hard}, {"5.1.2", 0, Hard}, {"5.1.3", 0, Hard}, {"5.1.6", 0, Hard}, {"5.1.10", 556, Hard}, {"5.2.1", 550, Hard},
		{"4.2.2", 452, Soft}, {"5.2.2", 552, Soft}, {"5.3.4", 552, Soft}, {"4.4.1", 0, Soft}, {"5.4.1", 550, Soft}, {"4.1.1", 450, Soft},
		{"5.7.1", 550, Block}, {"5.7.26", 550, Block}, {"4.7.0", 421, Block}, {"4.7.28", 450, Block}, {"4.3.2", 421, Block}, {"5.1.8", 550, Block}, {"5.6.0", 554, Block},
		{"", 550, Hard}, {"", 551, Hard}, {"", 553, Hard}, {"5.0.0", 550, Hard}, {"5.1.0", 550, Hard}, {"nonsense", 550, Hard},
		{"", 421, Block}, {"", 554, Block}, {"", 450, Soft}, {"", 552, Soft}, {"5.0.0", 554, Block},
		{"", 250, ""}, {"2.1.5", 250, ""}, {"", 0, ""}, {"5.1", 0, ""}, {"5.-1.1", 0, ""}, {"9.9.9", 0, ""},
	} {
		if got := Classify(c.status, c.code); got != c.want {
			t.Errorf("Classify(%q, %d) = %q, want %q", c.status, c.code, got, c.want)
		}
	}
}

func TestReturnPath(t *testing.T) {
	a, err := ReturnPath("b", "bounce.example.org", testToken)
	if err != nil || a != "b+"+testToken+"@bounce.example.org" {
		t.Fatal(a, err)
	}
	for _, s := range []string{a, "<" + a + ">", strings.ToUpper(a), a + "."} {
		if got, ok := ReadReturnPath("B", "Bounce.example.org", s); !ok || got != testToken {
			t.Errorf("%q: %q, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "b+@bounce.example.org", "b@bounce.example.org", "c+" + testToken + "@bounce.example.org", "b+" + testToken + "@example.org",
		"b+" + testToken + "1@bounce.example.org", "b+" + strings.Repeat("a", 63) + "@bounce.example.org", "b+a b@bounce.example.org", "x@b+" + testToken, "b+é@bounce.example.org"} {
		if got, ok := ReadReturnPath("b", "bounce.example.org", s); ok {
			t.Errorf("%q holds %q", s, got)
		}
	}
	for _, c := range [][2]string{{"b", ""}, {"b", "UPPER"}, {"b", "a@b"}, {"", "abc"}, {"b b", "abc"}, {"b", strings.Repeat("a", 63)}} {
		if a, err := ReturnPath(c[0], "bounce.example.org", c[1]); err == nil {
			t.Errorf("%v became %s", c, a)
		}
	}
	if a, err := ReturnPath("b", "x.org", strings.Repeat("a", 62)); err != nil || strings.IndexByte(a, '@') != 64 {
		t.Error(a, err)
	}
}
