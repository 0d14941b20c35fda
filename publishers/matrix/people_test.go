package matrix

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/matrix/matrixtest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

const ada = "@ada:example.org"

func toPeople(c *Config) { c.People, c.Room = true, "" }

func personal(n int) announce.Message {
	m := message(n)
	m.To, m.Name, m.Unsubscribe = ada, "Ada *L*", "https://crieur.example.org/u/a_b_c?x=1&y=2"
	m.Text = "Bonjour" + announce.NameMark + " !\n\n" + m.Text + "\n\n[Ne plus recevoir](" + announce.UnsubscribeMark + ")"
	return m
}

func TestContractOfPeople(t *testing.T) {
	answer := func(status int, body string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
	}
	publishertest.Run(t, publishertest.Case{
		Name:    "people",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, toPeople) },
		Message: personal, Can: []string{"amend", "retract", "find", "check"}, Method: "PUT", Create: "/send/m.room.message/",
		Secrets:         []string{matrixtest.Token},
		Unauthorized:    answer(401, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unknown token","soft_logout":false}`),
		Refusal:         answer(400, `{"errcode":"M_BAD_JSON","error":"body not in content"}`),
		RateLimited:     answer(429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":7001}`),
		Wait:            8 * time.Second,
		RateLimitedBare: answer(429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests"}`),
		Window:          unsaid,
	})
}

func TestWhatAPersonGets(t *testing.T) {
	p, platform := open(t, toPeople)
	r, err := p.Publish(t.Context(), personal(1))
	if err != nil || !strings.HasPrefix(r.ID, "!direct1:") {
		t.Fatalf("%+v, %v", r, err)
	}
	post := platform.Posts()[0]
	if post.To != ada || !strings.Contains(post.Text, "Bonjour Ada *L* !") || strings.Contains(post.Raw, ".invalid") ||
		!strings.Contains(post.HTML, `href="https://crieur.example.org/u/a_b_c?x=1&amp;y=2"`) {
		t.Errorf("%+v", post)
	}
	if got := platform.Recorded(ada); len(got) != 1 || got[0] != "!direct1:matrix.example" {
		t.Errorf("m.direct: %v", got)
	}
}

// Many first messages at once open one room with each person, and m.direct keeps all of them; a program that starts later
// uses them again.
func TestOneRoomForEachPerson(t *testing.T) {
	p, platform := open(t, toPeople)
	const persons, each = 4, 4
	errs := make([]error, persons*each)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			m := personal(i + 1)
			m.To = fmt.Sprintf("@person%d:example.org", i%persons)
			_, errs[i] = p.Publish(t.Context(), m)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	m := personal(99)
	m.To = "@person0:example.org"
	if _, err := connect(t, platform, toPeople).Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for i := range persons {
		who := fmt.Sprintf("@person%d:example.org", i)
		if n := platform.Directs(who); n != 1 || len(platform.Recorded(who)) != 1 {
			t.Errorf("%s: %d rooms, %v on record", who, n, platform.Recorded(who))
		}
	}
}

// An answer that was lost while the room was opened, or put on record, makes no second room.
func TestALostRoom(t *testing.T) {
	for _, path := range []string{"/createRoom", "/account_data/"} {
		p, platform := open(t, toPeople)
		method := map[string]string{"/createRoom": "POST", "/account_data/": "PUT"}[path]
		platform.Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyPath: path, OnlyMethod: method})
		var e *announce.Error
		if _, err := p.Publish(t.Context(), personal(1)); !errors.As(err, &e) || e.Outcome != announce.Temporary {
			t.Fatalf("%s: nothing was published: %v", path, err)
		}
		if _, err := p.Publish(t.Context(), personal(1)); err != nil {
			t.Fatal(err)
		}
		if n := platform.Directs(ada); n != 1 || len(platform.Posts()) != 1 || len(platform.Recorded(ada)) != 1 {
			t.Errorf("%s: %d rooms, %d posts, %v", path, n, len(platform.Posts()), platform.Recorded(ada))
		}
	}
}

// Looking for a message opens no room.
func TestLookingInvitesNobody(t *testing.T) {
	p, platform := open(t, toPeople)
	if _, there, err := p.(announce.Finder).Find(t.Context(), personal(1), time.Now()); there || err != nil || platform.Directs(ada) != 0 {
		t.Errorf("%t, %v, %d rooms", there, err, platform.Directs(ada))
	}
}

func TestPeopleWhoAreGone(t *testing.T) {
	p, platform := open(t, toPeople)
	for to, gone := range map[string]bool{"": true, "ada@example.org": true, "#room:example.org": true, "@nobody:example.org": false} {
		m := personal(1)
		m.To = to
		_, err := p.Publish(t.Context(), m)
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Gone != gone || e.Stop {
			t.Errorf("%q: %#v", to, err)
		}
	}
	r, err := p.Publish(t.Context(), personal(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, membership := range []string{"join", "leave"} {
		platform.Enter(ada, membership)
		_, err := p.Publish(t.Context(), personal(2))
		_, again := connect(t, platform, toPeople).Publish(t.Context(), personal(3))
		for _, err := range []error{err, again} {
			var e *announce.Error
			if left := membership == "leave"; !left && err != nil || left && (!errors.As(err, &e) || !e.Gone || e.Stop) {
				t.Errorf("%s: %#v", membership, err)
			}
		}
	}
	if n := platform.Directs(ada); n != 1 {
		t.Errorf("%d rooms: whoever left is not invited again", n)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
		t.Error(err)
	}
}

func TestConfigurationOfPeople(t *testing.T) {
	for _, c := range []Config{{People: true, Room: "#a:example.org"}, {}} {
		c.API, c.Token = "https://matrix.example.org", announce.NewSecret("syt_x")
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), "ROOM: ") || !strings.Contains(err.Error(), "PEOPLE=true") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Somebody who left is invited again only when they asked for it since.
func TestWhoLeftCanComeBack(t *testing.T) {
	p, platform := open(t, toPeople)
	if _, err := p.Publish(t.Context(), personal(1)); err != nil {
		t.Fatal(err)
	}
	platform.Enter(ada, "leave")
	confirm := personal(2)
	confirm.Kind = announce.KindConfirm
	if _, err := connect(t, platform, toPeople).Publish(t.Context(), confirm); err != nil {
		t.Fatal(err)
	}
	platform.Enter(ada, "join")
	if _, err := p.Publish(t.Context(), personal(3)); err != nil || platform.Directs(ada) != 1 || len(platform.Posts()) != 3 {
		t.Errorf("%d rooms, %d posts, %v", platform.Directs(ada), len(platform.Posts()), err)
	}
}

// That a homeserver was away when a room was opened makes nobody gone.
func TestAnInvitationThatFailed(t *testing.T) {
	p, platform := open(t, toPeople)
	platform.Away(true)
	for range 2 {
		_, err := p.Publish(t.Context(), personal(1))
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Temporary || len(platform.Posts()) != 0 {
			t.Fatalf("%#v", err)
		}
	}
	platform.Away(false)
	if _, err := p.Publish(t.Context(), personal(1)); err != nil || platform.Directs(ada) != 1 || len(platform.Recorded(ada)) != 1 {
		t.Errorf("%d rooms, %v", platform.Directs(ada), err)
	}
}

func TestWhoSendsTheBotOut(t *testing.T) {
	for _, spec := range []bool{false, true} {
		p, platform := open(t, toPeople)
		platform.Change(func(s *matrixtest.Settings) { s.Spec = spec })
		if _, err := p.Publish(t.Context(), personal(1)); err != nil {
			t.Fatal(err)
		}
		platform.Expel(ada)
		for _, p := range []announce.Publisher{p, connect(t, platform, toPeople)} {
			_, err := p.Publish(t.Context(), personal(2))
			var e *announce.Error
			if !errors.As(err, &e) || !e.Gone || e.Stop {
				t.Errorf("%#v", err)
			}
		}
		if n := len(platform.Recorded(ada)); n != 1 || platform.Directs(ada) != 1 {
			t.Errorf("%d on record, %d rooms", n, platform.Directs(ada))
		}
	}
}

// An account that never had a direct room may have null there.
func TestDirectRoomsThatAreNull(t *testing.T) {
	p, platform := open(t, toPeople)
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 200, Body: "null", OnlyPath: "/account_data/", OnlyMethod: "GET"})
	if _, err := p.Publish(t.Context(), personal(1)); err != nil || len(platform.Recorded(ada)) != 1 {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	for written, want := range map[string]string{
		" @ada:Example.org\n": ada, "https://matrix.to/#/@ada:example.org": ada, "https://matrix.to/#/%40ada%3Aexample.org?via=x": ada,
		"@ada:example.org:8448": "@ada:example.org:8448", "ada@example.org": "", "@ada": "", "@ada:": "", "#room:example.org": "", "": "", "@a b:example.org": "", "@ada:example.org/x": "",
	} {
		if got, err := Address(written); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
}
