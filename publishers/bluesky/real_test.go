package bluesky

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// The account on a real server that TestRealServer posts from, and another that it mentions.
var (
	realAPI      = flag.String("pds", "", "address of a real PDS to test against")
	realHandle   = flag.String("handle", "", "account on it")
	realPassword = flag.String("password", "", "app password of the account")
	realFriend   = flag.String("friend", "", "another account on it")
)

// TestRealServer publishes, looks for, corrects and takes back on a real PDS what could go wrong.
func TestRealServer(t *testing.T) {
	if *realAPI == "" {
		t.Skip("no real PDS was given (-pds, -handle, -password, -friend): .ci/servers/pds/run.sh starts one")
	}
	environ := map[string]string{"API": *realAPI, "HANDLE": *realHandle, "APP_PASSWORD": *realPassword, "EDITS": "true", "THREAD": "3"}
	opened, err := configure(environ)
	if err != nil {
		t.Fatal(err)
	}
	p := opened.(editor)
	ctx := t.Context()

	report, err := p.Check(ctx)
	if err != nil || len(report.Findings) != 0 || report.Identity != "@"+*realHandle+" on "+strings.Replace(*realAPI, "127.0.0.1", "localhost", 1) {
		t.Fatalf("Check: %+v, %v", report, err)
	}
	t.Log("signed in as " + report.Identity)

	long := strings.TrimSpace(strings.Repeat("L’été à Québec, ça s’annonce dès février : où naît l’œuvre ? ", 50))
	tail := "\n\nAvec @" + *realFriend + " et @personne-ici.test 👩‍👩‍👧\nhttps://example.org/événements/2027/rencontre?a=1&b=é\n#SagLacIO #include"
	m := gala(t)
	m.Key = fmt.Sprintf("01real%020d", time.Now().UnixNano()%1e15)
	m.Date = time.Now()
	m.Mentions = []string{*realFriend, "personne-ici.test"}
	m.Text = longest(p, "Gala 🎉 « d’été » <b>&amp;</b>\n\n", long, tail)

	r := publish(t, p, m)
	t.Logf("published %d units, %d bytes as %s", measure(m.Text), len(m.Text), r.ID)
	rec, raw := read(t, p, r)
	if !strings.HasPrefix(rec.Text, "Gala 🎉") || len(rec.Facets) != 3 || rec.Embed == nil || !slices.Equal(rec.Langs, []string{"fr-CA"}) || !strings.Contains(raw, `"thumb"`) {
		t.Errorf("%s", raw)
	}
	for i, want := range []string{"@" + *realFriend, "example.org/événements/2…", "#SagLacIO"} {
		if at := rec.Facets[i].Index; rec.Text[at.Start:at.End] != want {
			t.Errorf("facet %d is %q, want %q", i, rec.Text[at.Start:at.End], want)
		}
	}
	if again := publish(t, p, m); again != r {
		t.Errorf("a repeat made %+v of %+v", again, r)
	}
	m.Mentions = nil
	if again := publish(t, p, m); again != r {
		t.Errorf("a repeat that resolves nobody made %+v of %+v", again, r)
	}
	other := m
	other.Text = "Autre chose"
	_, err = p.Publish(ctx, other)
	failed(t, err, announce.Permanent, false, "earlier text")

	if found, there, err := p.Find(ctx, m, time.Time{}); err != nil || !there || found != r {
		t.Errorf("Find: %+v, %t, %v; want %+v", found, there, err, r)
	}
	missing := m
	missing.Key += "x"
	if found, there, err := p.Find(ctx, missing, time.Time{}); err != nil || there {
		t.Errorf("Find of what was never sent: %+v, %t, %v", found, there, err)
	}

	other.Images = append(other.Images, picture(t, 7))
	edited, err := p.Amend(ctx, r, other)
	if err != nil || edited.ID == r.ID {
		t.Fatalf("Amend: %+v, %v", edited, err)
	}
	if again, err := p.Amend(ctx, r, other); err != nil || again != edited {
		t.Errorf("Amend again: %+v, %v", again, err)
	}
	if rec, raw := read(t, p, r); rec.Text != "Autre chose" || !strings.Contains(raw, `"alt":"Affiche : « l’été »"`) || !strings.Contains(raw, `"aspectRatio"`) {
		t.Errorf("%s", raw)
	}

	part := m
	part.Key, part.Text, part.Images, part.Part, part.Parts, part.Root, part.Parent = m.Key+"1", "Suite (2/2)", nil, 1, 2, edited, edited
	answer := publish(t, p, part)
	if rec, raw := read(t, p, answer); rec.Reply == nil || rec.Reply.Parent.URI+" "+rec.Reply.Parent.CID != edited.ID {
		t.Errorf("%s", raw)
	}

	heavy := missing
	heavy.Images = []announce.Picture{{Data: append(picture(t, 4).Data, make([]byte, 1_200_000)...), Type: "image/png"}}
	_, err = p.Publish(ctx, heavy)
	failed(t, err, announce.Permanent, false, "blob too big")
	heavy.Text, heavy.Images = strings.Repeat("é", 301), nil
	_, err = p.Publish(ctx, heavy)
	failed(t, err, announce.Permanent, false, "refuses the post")

	for _, x := range []announce.Receipt{answer, r, r} {
		if err := p.Retract(ctx, x); err != nil {
			t.Errorf("Retract: %v", err)
		}
	}
	if _, there, err := p.Find(ctx, m, time.Time{}); err != nil || there {
		t.Errorf("it is still there: %t, %v", there, err)
	}
	_, err = p.Amend(ctx, edited, other)
	failed(t, err, announce.Permanent, false, "no longer")

	t.Log("repeated, looked for, corrected, answered, refused and taken back")

	over := *p.sessions.current
	over.access = over.access[:len(over.access)-3] + "AAA"
	p.sessions.current = &over
	_, err = p.Publish(ctx, missing)
	failed(t, err, announce.Temporary, false, "session")
	last := publish(t, p, missing) // with a renewed token
	if err := p.Retract(ctx, last); err != nil {
		t.Error(err)
	}
	environ["APP_PASSWORD"] = "xxxx-xxxx-xxxx-xxxx"
	stranger, err := configure(environ)
	if err != nil {
		t.Fatal(err)
	}
	_, err = stranger.Publish(ctx, m)
	failed(t, err, announce.Permanent, true, "APP_PASSWORD")
}

// longest is the longest text with that head and tail that the channel takes.
func longest(p announce.Publisher, head, body, tail string) string {
	words := strings.Fields(body)
	for n := len(words); n > 0; n-- {
		if text := head + strings.Join(words[:n], " ") + tail; measure(text) <= p.Limits().Text {
			return text
		}
	}
	return head + tail
}

// read is the record of a receipt as the server keeps it.
func read(t *testing.T, p editor, r announce.Receipt) (record, string) {
	t.Helper()
	s, key, err := p.of(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		Value json.RawMessage `json:"value"`
	}
	if _, err := p.sessions.call(t.Context(), s, rest.Call{
		Method: http.MethodGet, Path: "/xrpc/com.atproto.repo.getRecord", Into: &a,
		Query: map[string][]string{"repo": {s.did}, "collection": {collection}, "rkey": {key}},
	}, reading); err != nil {
		t.Fatal(err)
	}
	var rec record
	if err := json.Unmarshal(a.Value, &rec); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, a.Value); err != nil {
		t.Fatal(err)
	}
	return rec, b.String()
}
