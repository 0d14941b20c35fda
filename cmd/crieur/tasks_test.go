package main

import (
	"context"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/slack/slacktest"
)

// newTeam is a server whose organisers hear what waits for them in a Slack channel of their own.
func newTeam(t *testing.T) (c *child, team *slacktest.Platform, public *slacktest.Platform) {
	t.Helper()
	w := newWorld(t)
	c = newChild(t, w, 0)
	team, public = slacktest.New(), slacktest.New()
	t.Cleanup(team.Close)
	t.Cleanup(public.Close)
	for name, v := range team.Environ() {
		c.vars["CRIEUR_SLACK_TEAM_"+name] = v
	}
	maps.Copy(c.vars, map[string]string{
		"CRIEUR_CHANNELS": "feed,slack,slack@team,slack@hook", "CRIEUR_SLACK_TEAM_ASIDE": "true", "CRIEUR_NOTICES": "slack@team",
		"CRIEUR_SLACK_HOOK_WEBHOOK": public.Webhook(),
	})
	return c, team, public
}

var taskLink = regexp.MustCompile(`http://127[^\s|>)"]+/tasks/[^\s|>)"<]+`)

func page(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r, err := visitor.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, html.UnescapeString(string(b))
}

// A lost answer that nobody can look up becomes a task: organisers are told once, with a link, and settle it there.
func TestTaskIsToldOnceAndSettledOnItsPage(t *testing.T) {
	t.Parallel()
	c, team, public := newTeam(t)
	cmd, dead := c.start("")
	public.Script().Push(sim.Fault{Kind: sim.DropAfter})
	a, _, err := c.client.Submit(context.Background(), numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	c.until("the organisers are told", ample, func() bool { return len(team.Posts()) > 0 })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
	cmd, dead = c.start("") // and are not told again by the next start
	c.until("all is quiet", ample, func() bool {
		all, err := c.client.Tasks(context.Background())
		return err == nil && len(all) == 1 && len(team.Posts()) == 1
	})
	link := taskLink.FindString(html.UnescapeString(team.Posts()[0].Text + " " + team.Posts()[0].HTML))
	if link == "" || !strings.Contains(team.Posts()[0].Text, "slack@hook") {
		t.Fatalf("no link in %q", team.Posts()[0].Text)
	}
	for range 3 { // a scanner follows the link
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if status, body := page(t, method, link, ""); status != http.StatusOK || method == http.MethodGet && !strings.Contains(body, "l’été à l’île") {
				t.Fatalf("%s: %d\n%s", method, status, body)
			}
		}
	}
	for _, wrong := range []string{strings.TrimSuffix(link, link[len(link)-1:]), link[:strings.Index(link, "?")], link + "0"} {
		if status, body := page(t, http.MethodGet, wrong, ""); status != http.StatusNotFound || strings.Contains(body, "l’été") {
			t.Errorf("%s: %d", wrong, status)
		}
	}
	if status, body := page(t, http.MethodPost, link, "saw=done&verb=publish&rev=1&url=javascript%3Aalert(1)"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "is not a web address") {
		t.Errorf("%d\n%s", status, body)
	}
	if status, body := page(t, http.MethodPost, link, url.Values{"saw": {"done"}, "verb": {"publish"}, "rev": {"1"}, "url": {"https://example.org/p/1"}}.Encode()); status != http.StatusOK || !strings.Contains(body, "https://example.org/p/1") {
		t.Errorf("%d\n%s", status, body)
	}
	st, err := c.client.Status(context.Background(), a.ID)
	if err != nil || st.State != "published" {
		t.Errorf("%v, %+v", err, st)
	}
	if len(public.Posts()) != 1 || len(team.Posts()) != 1 {
		t.Errorf("%d posts, %d notices", len(public.Posts()), len(team.Posts()))
	}
	if out := c.run("tasks"); !strings.Contains(out, "Nothing waits") {
		t.Error(out)
	}
	if out := c.run("unknown"); !strings.Contains(out, "it is known") {
		t.Error(out)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
}

// A page that was opened before the announcement was changed or taken back settles nothing.
func TestAnOldTaskPageSettlesNothing(t *testing.T) {
	t.Parallel()
	c, team, _ := newTeam(t)
	c.vars["CRIEUR_CHANNELS"] += ",assisted"
	c.vars["CRIEUR_ASSISTED_PLACE"] = "Babillard"
	c.home()
	cmd, dead := c.start("")
	ctx := context.Background()
	a, _, err := c.client.Submit(ctx, numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	c.until("the organisers are told", ample, func() bool { return len(team.Posts()) == 1 })
	link := taskLink.FindString(html.UnescapeString(team.Posts()[0].Text + " " + team.Posts()[0].HTML))
	if _, err := c.client.Amend(ctx, a.ID, 1, numbered(2)); err != nil {
		t.Fatal(err)
	}
	if status, body := page(t, http.MethodPost, link, "saw=done&verb=publish&rev=1"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "n° 0002") {
		t.Errorf("after an amendment: %d\n%s", status, body)
	}
	if err := c.client.Retract(ctx, a.ID, 2); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"publish&rev=1", "publish&rev=2", "amend&rev=2"} {
		if status, _ := page(t, http.MethodPost, link, "saw=done&verb="+old); status != http.StatusUnprocessableEntity {
			t.Errorf("%s after a retraction: %d", old, status)
		}
	}
	c.until("the person is asked to take it down", ample, func() bool {
		status, body := page(t, http.MethodGet, link, "")
		return status == http.StatusOK && strings.Contains(body, `name="verb" value="retract"`) && strings.Contains(body, "retirer à la main")
	})
	if status, _ := page(t, http.MethodPost, link, "saw=done&verb=retract&rev=2"); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	st, err := c.client.Status(ctx, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range st.Deliveries {
		if d.Channel == "assisted" && d.State != announce.Retracted {
			t.Errorf("%+v", d)
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
}

// A dead token stops one account, and organisers hear of it once for each stop.
func TestStopIsToldOnce(t *testing.T) {
	t.Parallel()
	c, team, public := newTeam(t)
	cmd, dead := c.start("")
	gone := sim.Fault{Kind: sim.Answer, Status: 404, Body: "no_service"}
	public.Script().Push(gone)
	for n := range 3 {
		if _, _, err := c.client.Submit(context.Background(), numbered(n), ""); err != nil {
			t.Fatal(err)
		}
	}
	c.until("the organisers are told", ample, func() bool { return len(team.Posts()) > 0 })
	public.Script().Push(gone)
	if err := c.client.Resume(context.Background(), "slack@hook"); err != nil {
		t.Fatal(err)
	}
	c.until("they are told of the second stop", ample, func() bool { return len(team.Posts()) > 1 })
	if err := c.client.Resume(context.Background(), "slack@hook"); err != nil {
		t.Fatal(err)
	}
	c.until("everything is out", ample, func() bool { return len(public.Posts()) == 3 })
	if n := len(team.Posts()); n != 2 || !strings.Contains(team.Posts()[0].Text, "crieur resume slack@hook") {
		t.Errorf("%d notices: %+v", n, team.Posts())
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
}

func TestNoticesNeedAReader(t *testing.T) {
	vars := map[string]string{"CRIEUR_CHANNELS": "feed,email", "CRIEUR_EMAIL_FROM": "club@example.org", "CRIEUR_EMAIL_HOST": "127.0.0.1", "CRIEUR_STATE": t.TempDir()}
	for notices, want := range map[string]string{"email": "CRIEUR_EMAIL_TO", "slack": "is not one of CRIEUR_CHANNELS", "feed": "CRIEUR_FEED_ASIDE"} {
		vars["CRIEUR_NOTICES"] = notices
		var out, errs strings.Builder
		if code := run(t.Context(), []string{"channels"}, environList(vars), streams{strings.NewReader(""), &out, &errs}); code != exitInput || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit %d\n%s", notices, code, errs.String())
		}
	}
}

// A picture without an address of its own is to be had on the task's page, and the command says so.
func TestTaskSaysWhereItsPictureIs(t *testing.T) {
	var out strings.Builder
	task := broadcast.Task{Title: "x", Page: "https://example.org/tasks/1"}
	task.Verb, task.Images = announce.Publish, []broadcast.TaskImage{{Alt: "Une affiche"}, {Alt: "La salle", URL: "https://example.org/salle.png"}}
	if err := showTask(&session{streams: streams{out: &out}}, task); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Image: on the page of the task (Une affiche)", "Image: https://example.org/salle.png (La salle)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
