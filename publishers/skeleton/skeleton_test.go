//go:build skeleton

package skeleton

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/skeleton/skeletontest"
)

var update = flag.Bool("update", false, "write the golden request anew")

// open returns the channel pointed at a fresh platform.
func open(t testing.TB) (announce.Publisher, *skeletontest.Platform) {
	t.Helper()
	platform := skeletontest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	p, err := New(Config{Token: announce.NewSecret(env["TOKEN"]), Board: env["BOARD"], API: env["API"]}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("Rencontre nᵒ %02d : l’été <b>arrive</b> & ça se fête ! 🎉\nhttps://example.org/%d", n, n),
	}
}

func TestContract(t *testing.T) {
	publishertest.Run(t, publishertest.Case{
		Name:    "token",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t) },
		Message: message, Can: []string{"amend", "retract", "find", "check"},
		Method: "POST", Create: "/posts", Window: window, Secrets: []string{skeletontest.Token},
		Refusal: sim.Fault{Kind: sim.Answer, Status: 422, Body: `{"error":"too_long","field":"text"}`},
	})
}

func TestGoldenRequest(t *testing.T) {
	p, platform := open(t)
	if _, err := p.Publish(t.Context(), message(7)); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/publish.json"
	got := platform.Posts()[0].Raw + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestSuspendedStopsTheAccount(t *testing.T) {
	p, platform := open(t)
	platform.Suspend()
	_, err := p.Publish(t.Context(), message(1))
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || !e.Stop {
		t.Errorf("got %v", err)
	}
}

func TestConfiguration(t *testing.T) {
	good := Config{Token: announce.NewSecret("x"), Board: "meetups", API: "https://board.example/api"}
	for name, change := range map[string]func(*Config){
		"BOARD": func(c *Config) { c.Board = "https://board.example/b/meetups" },
		"API":   func(c *Config) { c.API = "http://board.example/api" },
	} {
		c := good
		change(&c)
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := New(good, announce.Site{}); err != nil {
		t.Error(err)
	}
}
