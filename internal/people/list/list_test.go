package list

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

func now() time.Time { return time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC) }

// read reads a whole list: its rows, and its refusals by line.
func read(t testing.TB, r io.Reader, o Options) (rows []Row, refused map[int]*Refusal, form string) {
	t.Helper()
	o.Now = now()
	x, err := NewReader(r, o)
	if err != nil {
		t.Fatal(err)
	}
	refused = map[int]*Refusal{}
	for {
		row, err := x.Next()
		var broken *Refusal
		switch {
		case err == io.EOF:
			return rows, refused, x.Form
		case errors.As(err, &broken):
			if refused[broken.Line] != nil {
				t.Errorf("line %d is refused twice", broken.Line)
			}
			refused[broken.Line] = broken
		case err != nil:
			t.Fatal(err)
		default:
			rows = append(rows, row)
		}
	}
}

const mailchimpHead = "Email Address,First Name,Last Name,LANGUAGE,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LEID,EUID,NOTES,TAGS"

// broken are lines of a Mailchimp export, each with what its refusal must say.
func broken() [][2]string {
	with := func(address string) string { return address + ",Ada,L,,,,,,1,e,," }
	at := func(column int, value string) string {
		f := strings.Split(with("ada@example.org"), ",")
		f[column] = value
		return strings.Join(f, ",")
	}
	return [][2]string{
		{with(""), "is empty"},
		{with("ada"), "has no @"},
		{with("ada.example.org"), "has no @"},
		{with("ada(at)example.org"), "is disguised"},
		{with("@example.org"), "nothing before the @"},
		{with("ada@"), "nothing behind the @"},
		{with("ada@@example.org"), "more than one @"},
		{with("ada@b@example.org"), "more than one @"},
		{with("ada @example.org"), "a space"},
		{with("ada@exam ple.org"), "a space"},
		{with("mailto:ada@example.org"), "mailto:"},
		{with("Ada <ada@example.org>"), "< or >"},
		{with("ada@example.org;bob@example.org"), "more than one address"},
		{with("ada@example;org"), "a comma or semicolon"},
		{with(".ada@example.org"), "begins with a dot"},
		{with("ada.@example.org"), "a dot right before the @"},
		{with("a..da@example.org"), "two dots in a row"},
		{with("ada@example..org"), "two dots in a row"},
		{with("ada@.example.org"), "a dot right behind the @"},
		{with("ada@example.org."), "ends with a dot"},
		{with("ada@example"), "no dot behind the @"},
		{with("ada@192.0.2.1"), "the number of a server"},
		{with("ada@[192.0.2.1]"), "the number of a server"},
		{with("ada@-example.org"), "a hyphen at the edge"},
		{with("ada@example-.org"), "a hyphen at the edge"},
		{with("ada@exam_ple.org"), "an underscore"},
		{with("ada@exam!ple.org"), "'!' behind the @"},
		{with("ada@example.o"), "ends too early"},
		{with("ada@example.invalid"), "where no mail is delivered"},
		{with("ad(a@example.org"), "'(' before the @"},
		{with("éda@example.org"), "'é' before the @"},
		{with(strings.Repeat("a", 65) + "@example.org"), "more than 64 characters before the @"},
		{with("ada@" + strings.Repeat("a", 64) + ".org"), "more than 63 characters between two dots"},
		{with("ada@" + strings.Repeat("abcdefghi.", 26) + "org"), "more than 25"},
		{with(strings.Repeat("a", 600) + "@example.org"), "more than 254 characters"},
		{with("ada\u200b@example.org"), "cannot be seen"},
		{with("ada\u00a0@example.org"), "cannot be seen"},
		{with("ad\x01a@example.org"), "control character"},
		{with("ad\uFFFDa@example.org"), "letters that were lost"},
		{with("ada@xn--0.org"), "a domain that cannot exist"},
		{"ada@example.org,Ada", "has 2 fields where the first line has 12"},
		{with("ada@example.org") + ",more", "has 13 fields where the first line has 12"},
		{at(1, `Ada "the" L`), "stands inside a field"},
		{at(1, `"Ada" L`), "follows a closing quotation mark"},
		{at(1, `"Ada`), "quotation mark"},
		{at(1, "A\x00da"), "NUL"},
		{at(1, "Ad\xe9"), "no UTF-8"},
		{at(1, "A\x07da"), "a control character"},
		{at(1, strings.Repeat("a", 201)), "longer than 200 characters"},
		{at(10, strings.Repeat("a", 65<<10)), "longer than 64 KiB"},
		{at(3, "klingonesque"), "is no language"},
		{at(4, "14/03/2024"), "is no moment"},
		{at(4, "2040-01-01 00:00:00"), "yet to come"},
		{at(6, "1970-01-01 00:00:00"), "before there were lists"},
		{at(5, "203.0.113.999"), "is no IP address"},
		{at(7, "somewhere"), "is no IP address"},
		{at(10, strings.Repeat("a", 2<<20)), "longer than 1 MiB"},
		{at(11, strings.Repeat("t;", 0)+many(101)), "names more than 100"},
	}
}

func many(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("t", i)
	}
	return strings.Join(all, ";")
}

func TestEveryBrokenLineIsToldAndTheRestIsIn(t *testing.T) {
	cases := broken()
	if len(cases) < 50 {
		t.Fatalf("only %d kinds", len(cases))
	}
	var b strings.Builder
	b.WriteString(mailchimpHead + "\n")
	for i, c := range cases {
		fmt.Fprintf(&b, "before%d@example.org,Zoë,\"L., Countess\",fr,2020-01-02 03:04:05,203.0.113.9,2020-01-02 03:05:05,2001:db8:1:2::3,1,e,\"two\nlines\",\"\"\"a\"\",\"\"b\"\"\"\n%s\n", i, c[0])
	}
	rows, refused, form := read(t, iotest.HalfReader(strings.NewReader(b.String())), Options{})
	if form != "Mailchimp" {
		t.Errorf("form: %s", form)
	}
	if len(rows) != len(cases) {
		t.Errorf("%d rows are in, want %d", len(rows), len(cases))
	}
	for i, c := range cases {
		line := 2 + 3*i + 2 // each good record has two lines
		r := refused[line]
		if r == nil {
			t.Errorf("line %d is not refused: %.60q", line, c[0])
		} else if !strings.Contains(r.Reason, c[1]) {
			t.Errorf("line %d: %q does not say %q", line, r.Reason, c[1])
		}
		delete(refused, line)
	}
	for _, r := range refused {
		t.Errorf("refused too: %v (%.60q)", r, r.Text)
	}
	want := Proof{At: time.Date(2020, 1, 2, 3, 5, 5, 0, time.UTC)}
	r := rows[0]
	if r.Address != "before0@example.org" || r.Name != "Zoë L., Countess" || r.Language != "fr" || !r.Confirmed.At.Equal(want.At) ||
		r.Confirmed.Network.String() != "2001:db8:1::/48" || r.Asked.Network.String() != "203.0.113.0/24" || !slices.Equal(r.Tags, []string{"a", "b"}) || r.Standing != Active {
		t.Errorf("row: %+v", r)
	}
}

func TestForms(t *testing.T) {
	for name, c := range map[string]struct {
		list, form string
		o          Options
		want       []string
	}{
		"spreadsheet, French": {
			"Prénom;Nom;Courriel;Langue;Sujets\nAda;Lovelace;Ada@Example.org;français;ateliers, soirées\n", "table", Options{},
			[]string{"ada@example.org|Ada Lovelace|fr|active|ateliers soirées"},
		},
		"Excel's own line, CRLF": {"sep=;\r\ne-mail;name\r\nada@example.org;\"Ada; L\"\r\n", "table", Options{}, []string{"ada@example.org|Ada; L||active|"}},
		"tabs":                   {"name\temail address\nAda\tada@example.org\n", "table", Options{}, []string{"ada@example.org|Ada||active|"}},
		"old Macs":               {"email,name\rada@example.org,Ada\rbob@example.org,Bob\r", "table", Options{}, []string{"ada@example.org|Ada||active|", "bob@example.org|Bob||active|"}},
		"no names":               {"ada@example.org\n\nbob@example.org", "table", Options{Standing: Unsubscribed}, []string{"ada@example.org|||unsubscribed|", "bob@example.org|||unsubscribed|"}},
		"adresse beside courriel": {
			"courriel,adresse,nom\nada@example.org,\"1, rue X\",Ada\n", "table", Options{}, []string{"ada@example.org|Ada||active|"},
		},
		"Mailchimp, unsubscribed": {
			"Email Address,UNSUB_TIME,UNSUB_REASON,LEID\na@example.org,2020-01-02 03:04:05,,1\nb@example.org,,ABUSE,2\n", "Mailchimp", Options{},
			[]string{"a@example.org|||unsubscribed|", "b@example.org|||complained|"},
		},
		"Mailchimp, cleaned": {"Email Address,CLEAN_TIME,LEID\na@example.org,2020-01-02 03:04:05,1\n", "Mailchimp", Options{}, []string{"a@example.org|||bounced|"}},
		"listmonk": {
			"uuid,email,name,attributes,status,created_at,updated_at\nx,a@example.org,Ada,\"{\"\"lang\"\": \"\"fr_CA\"\"}\",enabled,2024-01-02T03:04:05Z,\ny,b@example.org,Bob,{},blocklisted,2024-01-02T03:04:05Z,\n", "listmonk", Options{},
			[]string{"a@example.org|Ada|fr-CA|active|", "b@example.org|Bob||unsubscribed|"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for coding, text := range codings(c.list) {
				rows, refused, form := read(t, bytes.NewReader(text), c.o)
				var got []string
				for _, r := range rows {
					got = append(got, strings.Join([]string{r.Address, r.Name, string(r.Language), string(r.Standing), strings.Join(r.Topics, " ")}, "|"))
				}
				if form != c.form || !slices.Equal(got, c.want) || len(refused) > 0 {
					t.Errorf("%s: %s %q, refused %v", coding, form, got, refused)
				}
			}
		})
	}
}

// codings are a text in each coding that is told apart.
func codings(s string) map[string][]byte {
	all := map[string][]byte{"UTF-8": []byte(s), "UTF-8 with a mark": []byte("\ufeff" + s)}
	for name, order := range map[string]binary.AppendByteOrder{"UTF-16LE": binary.LittleEndian, "UTF-16BE": binary.BigEndian} {
		var b []byte
		for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
			b = order.AppendUint16(b, u)
		}
		all[name] = b
	}
	if b, err := charmap.Windows1252.NewEncoder().Bytes([]byte(s)); err == nil {
		all["Windows-1252"] = b
	}
	return all
}

func TestWhatIsNoList(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "is empty",
		"\n\n":                           "no column holds mail addresses",
		"a,b\n1,2\n":                     "no column holds mail addresses",
		"email,Email\nada@example.org,x": "two columns are named",
		"email,\"x\nada@example.org":     "cannot be read",
	} {
		if _, err := NewReader(strings.NewReader(text), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	nobody := "Email Address,LEID\nada@example.org,1\n"
	if _, err := NewReader(strings.NewReader(nobody), Options{Name: "nonsubscribed_email_audience_export_1.csv"}); err == nil {
		t.Error("people who never agreed are read")
	}
}

func TestGoingOn(t *testing.T) {
	var b strings.Builder
	b.WriteString("email;name\n")
	for i := range 500 {
		fmt.Fprintf(&b, "a%d@example.org;\"Zoë\n%d\"\nbad;x\n\"open%d@example.org;x\n", i, i, i)
	}
	for coding, text := range codings(b.String()) {
		whole, _ := NewReader(bytes.NewReader(text), Options{})
		for n := 0; ; n++ {
			at := whole.Position()
			_, end := whole.Next()
			if n%97 == 0 || end == io.EOF {
				part, err := NewReader(bytes.NewReader(text), Options{})
				if err == nil {
					err = part.Skip(at)
				}
				if err != nil {
					t.Fatal(err)
				}
				_, got := part.Next()
				if fmt.Sprint(got) != fmt.Sprint(end) || part.Position() != whole.Position() {
					t.Fatalf("%s, after %+v: %v at %+v, want %v at %+v", coding, at, got, part.Position(), end, whole.Position())
				}
			}
			if end == io.EOF {
				break
			}
		}
	}
}

// FuzzReader: whatever the bytes, reading ends, every line is told of at most once, and every address is one.
func FuzzReader(f *testing.F) {
	f.Add([]byte("email,name\nada@example.org,\"a\nb\"\n\"x\n"))
	for _, b := range codings(mailchimpHead + "\r\nada@example.org,Zoë,,,,,,,,,,\r\n") {
		f.Add(b)
	}
	for _, c := range broken()[40:49] {
		f.Add([]byte(mailchimpHead + "\n" + c[0] + "\nada@example.org,,,,,,,,,,,\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := NewReader(bytes.NewReader(text), Options{Now: now()})
		if err != nil {
			return
		}
		last := 0
		for {
			before := x.Position()
			row, err := x.Next()
			var broken *Refusal
			if err == io.EOF {
				return
			}
			line := row.Line
			if errors.As(err, &broken) {
				line = broken.Line
			} else if err != nil {
				return // what follows cannot be decoded
			} else if got, err := Mailbox(row.Address); row.Channel == "email" && (err != nil || got != row.Address) {
				t.Fatalf("%q is no mailbox: %q, %v", row.Address, got, err)
			}
			if line <= last || x.Position().Offset <= before.Offset {
				t.Fatalf("line %d after %d, at %+v", line, last, x.Position())
			}
			last = line
		}
	})
}

// FuzzCells: what Crieur writes, it reads; and no cell begins as a formula does.
func FuzzCells(f *testing.F) {
	for _, s := range []string{"=1+1", "'=1", "''@x", "-1", "\t", "plain", "'", "", "O'Brien"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		safe := Safe(s)
		if Unsafe(safe) != s {
			t.Errorf("%q comes back as %q", s, Unsafe(safe))
		}
		if safe != "" && strings.IndexByte(dangerous, safe[0]) >= 0 {
			t.Errorf("%q is dangerous", safe)
		}
		want, err := name(strings.TrimSpace(s))
		if err != nil || strings.ContainsRune(s, 0) || strings.ToValidUTF8(s, "") != s {
			return
		}
		var b strings.Builder
		w := csv.NewWriter(&b)
		_ = w.Write(Columns())
		_ = w.Write([]string{"email", "ada@example.org", safe, "", "", "active", "now", "true", "", "", "", "", ""})
		w.Flush()
		rows, refused, _ := read(t, strings.NewReader(b.String()), Options{})
		if len(rows) != 1 || rows[0].Name != want {
			t.Errorf("%q: %+v, %v", s, rows, refused)
		}
	})
}
