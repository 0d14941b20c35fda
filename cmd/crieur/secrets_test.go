package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/world"
	"github.com/crieur/crieur/publishers"
	"github.com/crieur/crieur/publishers/sim"
)

// No secret of any variable is in a log at debug level, an error, a page or a metrics line, whatever the platforms answer.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	w, err := world.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := newChild(t, w, 1)
	secrets := map[string]string{}
	for _, vars := range publishers.Variables() {
		for _, v := range vars {
			if value := c.vars[v.Name]; v.Secret && value != "" {
				secrets[v.Name] = value
			}
		}
	}
	if len(secrets) < 20 {
		t.Fatalf("only %d secrets are planted", len(secrets))
	}
	cmd, dead := c.start("")
	ctx := context.Background()
	var seen strings.Builder
	still := ""
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the last that was waited for:", still)
		}
	})
	faults := []sim.Fault{
		{Kind: sim.Answer, Status: 401, Body: `{"ok":false,"error":"invalid_auth"}`}, {Kind: sim.Answer, Status: 400, Body: "no"},
		{Kind: sim.Answer, Status: 500, Body: "oops"}, {Kind: sim.DropAfter}, {Kind: sim.Answer, Status: 429},
	}
	for i, f := range faults {
		paths := map[string]string{"slack": "chat.postMessage", "twitter": "/2/tweets"}
		for _, account := range public(w) { // on the others the first call fails, whatever it is
			hit := f
			if hit.OnlyPath = paths[account]; hit.OnlyPath != "" {
				hit.OnlyMethod = "POST"
			}
			w.Platform(account).Script().Push(hit)
		}
		a, _, err := c.client.Submit(ctx, numbered(i), "")
		if err != nil {
			t.Fatal(err)
		}
		c.until("the faults are played", ample, func() bool {
			st, err := c.client.Status(ctx, a.ID)
			if err != nil {
				t.Fatal(err)
			}
			held := map[string]bool{} // accounts that an earlier announcement made wait
			channels, err := c.client.Channels(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range channels {
				held[x.Name] = x.State != "ready"
			}
			tried := true
			for _, d := range st.Deliveries {
				if d.Fault == "" && d.State != announce.Published && d.State != announce.FailedState && !held[d.Channel] {
					tried, still = false, fmt.Sprintf("%d %+v", i, d)
				}
			}
			return tried
		})
		seen.WriteString(c.get("/v1/announcements/" + string(a.ID)))
		seen.WriteString(c.run("status", string(a.ID)))
		seen.WriteString(c.run("proof", string(a.ID), "--json"))
		for _, account := range public(w) {
			w.Platform(account).Script().Clear()
			if err := c.client.Resume(ctx, account); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, path := range []string{"/metrics", "/readyz", "/docs", "/openapi.json", "/events", "/v1/channels", "/v1/nothing"} {
		seen.WriteString(c.get(path))
	}
	seen.WriteString(c.run("channels"))
	seen.WriteString(c.run("env"))
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
	seen.WriteString(c.log.String())
	if !strings.Contains(seen.String(), `"level":"WARN"`) {
		t.Fatal("the faults left no trace in the log: the test proves nothing")
	}
	for name, value := range secrets {
		for _, form := range []string{value, url.QueryEscape(value), base64.StdEncoding.EncodeToString([]byte(value))} {
			if i := strings.Index(seen.String(), form); i >= 0 {
				t.Errorf("the value of %s is in: %.200s", name, strings.ReplaceAll(seen.String()[max(0, i-100):i], value, "***"))
			}
		}
	}
}

// Mistakes in the configuration name the variable and never its value.
func TestConfigurationErrorsHideSecrets(t *testing.T) {
	const planted = "s3cr3t-canary-value"
	vars := []string{"CRIEUR_CHANNELS=email,slack,twitter,fax,slack", "CRIEUR_ZONE=Nowhere", "CRIEUR_SLAKC_TOKEN=" + planted, "CRIEUR_STATE=" + shortDir(t)}
	for _, list := range publishers.Variables() {
		for _, v := range list {
			if v.Secret {
				vars = append(vars, v.Name+"="+planted)
			}
		}
	}
	var out, errs strings.Builder
	if code := run(context.Background(), []string{"serve"}, vars, streams{strings.NewReader(""), &out, &errs}); code != exitInput {
		t.Errorf("exit %d", code)
	}
	text := out.String() + errs.String()
	if strings.Contains(text, planted) {
		t.Errorf("a secret was printed:\n%s", text)
	}
	for _, want := range []string{"CRIEUR_ZONE", "CRIEUR_SLAKC_TOKEN"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not named in:\n%s", want, text)
		}
	}
}

// The address of the server is checked before it is asked, and what is wrong with it is told without it: it may hold a password.
func TestAddressOfTheServer(t *testing.T) {
	const planted = "s3cr3t-canary-value"
	for _, address := range []string{planted, "ftp://example.org/" + planted, "https://ada:" + planted + "@127.0.0.1:1", "https://" + planted + "@[bad", "https:///" + planted, planted + "\x01"} {
		var out, errs strings.Builder
		code := run(context.Background(), []string{"status"}, []string{"CRIEUR_URL=" + address}, streams{strings.NewReader(""), &out, &errs})
		if code != exitInput || !strings.Contains(errs.String(), "CRIEUR_URL: ") || strings.Contains(out.String()+errs.String(), planted) {
			t.Errorf("%q: exit %d\n%s%s", address, code, out.String(), errs.String())
		}
	}
}
