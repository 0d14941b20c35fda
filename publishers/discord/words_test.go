package discord

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/discord/discordtest"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/sim"
)

// meant is what readers should see of a text.
func meant(text string) string {
	blocks := markup.NewReader().Read(text)
	for i := range blocks {
		blocks[i].Quote = min(blocks[i].Quote, 1)
	}
	said := markup.Write(blocks, func(b markup.Block) string {
		if b.Kind == markup.Rule {
			return "———"
		}
		return markup.Plain([]markup.Block{{Kind: markup.Paragraph, Spans: b.Spans}})
	}, "- ")
	return strings.ReplaceAll(strings.TrimSpace(said), "\n>\n", "\n> \n")
}

// Whatever an author writes calls nobody, loses nothing, means nothing and is taken.
func TestHostileWords(t *testing.T) {
	for _, text := range []string{
		"@everyone @here <@123> <@!123> <@&123> <#123> <:a:1> <a:b:2> <t:1618953630:R> </cmd:1> :tada: :+1: <id:customize>", "`@everyone <@123>`",
		"**a***b*", "***x***", "**gras *les deux* gras**", "*i **b** i*", "~~a *b*~~", "a_b_c __d__ *e*", "\\*pas\\* \\_ici\\_ \\~\\~ni\\~\\~ \\|\\|là\\|\\|",
		"\\# a", "\\- a", "\\+ a", "\\> a", "\\>>> a", "1\\. a", "-# a", "a\\\n# b", "**\\# a**", "  \\- a", "2027. Fin", "12h:30:15 et a:b:c",
		"[x](https://example.org/a_(b)*c~d)", "<https://example.org/*a*_b_~~c~~>", "[`code`](https://example.org)", "[\\[x\\]](https://example.org/)", "![i](https://example.org/i.png)",
		"``a`b``", "`` ` ``", "`` `a` ``", "```\na\n\nb ``` c\n> d\n- e\n```", "- a\n\n  b\n- c\n  1. d\n     e", "> a\n>\n> - b\n>> c", "\\\\", "\\\\*a\\\\*", "a  b", "<b>&amp;</b> &lt;@123&gt; &#64;everyone",
		"**a `b**` c**", "*é*t*é*", "18:30 :", "http://", "https://example.org.", "(https://example.org/a)", "#SagLacIO", "C# et F#", "a * b * c", "2 < 3 > 1", "|a|b|", "«**a**»", "**a**b", "a**b**",
		"«\u00a0https://example.org/a_b*c*\u00a0»", "voir:https://example.org/a_b_c.", "\"https://example.org/~a/(b)\"", "\\[lien\\]\\(https://example.org/\\_x\\_\\)", "[https://a.example/_x_](https://b.example/_y_)",
	} {
		for _, way := range []string{withBot, withHook} {
			p, platform := open(t, way)
			m := sample(1)
			m.Text += "\n\n" + text
			if _, err := p.Publish(t.Context(), m); err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			seen := platform.Posts()[0]
			if n := platform.Pings(); n != 0 {
				t.Errorf("%q calls %d people: %s", text, n, seen.Raw)
			}
			addresses := strings.NewReplacer(joiner, "", "%2A", "*", "%7E", "~")
			if got, want := addresses.Replace(seen.Text), meant(m.Text); got != want {
				t.Errorf("%q is read as\n%q, meant as\n%q, from\n%s", text, got, want, seen.Raw)
			}
			if n := p.Limits().Measure(m.Text); n < units(p.(interface{ compose(announce.Message) post }).compose(m).content) {
				t.Errorf("%q measures %d, is longer", text, n)
			}
		}
	}
}

// Only the announcement's own link has a preview, and only beside no picture.
func TestPreviews(t *testing.T) {
	with := sample(1)
	with.Text = "Voir <https://example.org/autre>, [ici](https://example.org/la) ou <https://example.org/1>, [là](https://example.org/1)."
	other := with
	other.Link = ""
	shown := with
	shown.Images = pictured(1).Images
	for _, c := range []struct {
		m    announce.Message
		want string
	}{{with, "https://example.org/1"}, {other, ""}, {shown, ""}} {
		p, platform := open(t, withBot)
		_, post := mustPublish(t, p, platform, c.m)
		if got := strings.Contains(post.HTML, `class="preview"`); got != (c.want != "") || got && !strings.Contains(post.HTML, `<p class="preview"><a href="`+c.want+`"`) {
			t.Errorf("%q: %s", c.want, post.HTML)
		}
	}
}

func TestRefusals(t *testing.T) {
	say := func(code, more string) string { return `{"message":"No","code":` + code + more + `}` }
	for name, c := range map[string]struct {
		way    string
		status int
		body   string
		stop   bool
		field  string
		says   string // of the error
	}{
		"token":           {withBot, 401, say("0", ""), true, "", "TOKEN"},
		"no channel":      {withBot, 404, say("10003", ""), true, "", "check CHANNEL"},
		"no access":       {withBot, 403, say("50001", ""), true, "", "invite it"},
		"no permission":   {withBot, 403, say("50013", ""), true, "", "crieur doctor"},
		"forum":           {withBot, 400, say("40058", ""), true, "", "forum"},
		"bare 403":        {withBot, 403, "<html>", true, "", "(403)"},
		"cloudflare":      {withBot, 403, say("40333", ""), true, "", "gatekeeper"},
		"closed thread":   {withBot, 400, say("50083", ""), true, "", "thread is closed"},
		"moderation":      {withBot, 400, say("200000", ""), false, "texts", "moderation"},
		"links":           {withBot, 400, say("240000", ""), false, "texts", "moderation"},
		"too large":       {withBot, 413, say("40005", ""), false, "images", "picture"},
		"form":            {withBot, 400, say("50035", `,"errors":{"nonce":{},"content":{}}`), false, "", "(50035 content)"},
		"form, odd":       {withBot, 400, say("50035", `,"errors":{"<b>":{}}`), false, "", "(50035)"},
		"unknown code":    {withBot, 400, say("999999", ""), false, "", "(400)"},
		"webhook gone":    {withHook, 404, say("10015", ""), true, "", "WEBHOOK"},
		"webhook token":   {withHook, 401, say("50027", ""), true, "", "WEBHOOK"},
		"bare 404":        {withHook, 404, "", true, "", "(404)"},
		"too many events": {withCalendar, 400, say("30038", ""), true, "", "100 events"},
		"no server":       {withCalendar, 404, say("10004", ""), true, "", "check GUILD"},
	} {
		p, platform := open(t, c.way)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: c.status, Body: c.body, OnlyMethod: "POST"})
		_, err := p.Publish(t.Context(), evening(1))
		e := permanent(err)
		if e == nil || e.Stop != c.stop || e.Field != c.field || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestWaits(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		header map[string]string
		want   time.Duration
		says   string
	}{
		"bucket":     {429, `{"retry_after":0.3,"global":false}`, map[string]string{"Retry-After": "1"}, 300 * time.Millisecond, "the channel pauses"},
		"global":     {429, `{"retry_after":64.5701,"global":true}`, nil, 64571 * time.Millisecond, "everything it does"},
		"cloudflare": {429, `<html>`, map[string]string{"Retry-After": "1800"}, 30 * time.Minute, "pauses"},
		"reset":      {429, `{}`, map[string]string{"X-RateLimit-Reset-After": "2.5"}, 2500 * time.Millisecond, "pauses"},
		"slow mode":  {429, `{"retry_after":12,"code":20016}`, nil, 12 * time.Second, "(20016)"},
		"edits":      {400, `{"code":30046,"retry_after":90.1}`, nil, 90100 * time.Millisecond, "(30046)"},
		"too long":   {429, `{"retry_after":1e300}`, nil, 24 * time.Hour, "pauses"},
		"negative":   {429, `{"retry_after":-5}`, nil, time.Minute, "pauses"},
	} {
		p, platform := open(t, withBot)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: c.status, Body: c.body, Header: c.header})
		_, err := p.Publish(t.Context(), sample(1))
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter != c.want || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: %v, %v", name, err, e.RetryAfter)
		}
	}
	p, platform := open(t, withBot)
	platform.Script().Push(answer(400, `{"code":40004}`))
	var e *announce.Error
	if _, err := p.Publish(t.Context(), sample(1)); !errors.As(err, &e) || e.Outcome != announce.Temporary {
		t.Errorf("%v", err)
	}
}

// What befalls a post of a channel that the account has left stops nobody; a deleted post is nobody's fault.
func TestOtherPlacesStopNobody(t *testing.T) {
	p, platform := open(t, withBot)
	_, err := p.(announce.Amender).Amend(t.Context(), announce.Receipt{ID: "bot:299999999999999999:240000000000000001"}, sample(1))
	if e := permanent(err); e == nil || e.Stop {
		t.Errorf("%v", err)
	}
	r, _ := mustPublish(t, p, platform, sample(1))
	if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
		t.Error(err)
	}
	_, err = p.(announce.Amender).Amend(t.Context(), r, sample(1))
	if e := permanent(err); e == nil || e.Stop || e.Status != "10008" {
		t.Errorf("%v", err)
	}
	// A post of the webhook is not the bot's to edit.
	h := at(t, platform, withHook, nil)
	made, _ := mustPublish(t, h, platform, sample(2))
	_, err = p.(announce.Amender).Amend(t.Context(), announce.Receipt{URL: made.URL}, sample(1))
	if e := permanent(err); e == nil || e.Stop || e.Status != "50005" {
		t.Errorf("%v", err)
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		way    string
		change func(*discordtest.Server)
		severe bool
		want   string
	}{
		"all is well":       {withBot, func(*discordtest.Server) {}, false, ""},
		"webhook":           {withHook, func(*discordtest.Server) {}, false, ""},
		"calendar":          {withCalendar, func(*discordtest.Server) {}, false, ""},
		"administrator":     {withBot, func(s *discordtest.Server) { s.Rights |= administrator }, false, ""},
		"may not write":     {withBot, func(s *discordtest.Server) { s.Rights &^= sendMessages }, true, "Send Messages"},
		"denied here":       {withBot, func(s *discordtest.Server) { s.Denied = attachFiles }, true, "Attach Files"},
		"no history":        {withBot, func(s *discordtest.Server) { s.Rights &^= readHistory }, false, "Read Message History"},
		"no previews":       {withBot, func(s *discordtest.Server) { s.Rights &^= embedLinks }, false, "Embed Links"},
		"not on the server": {withBot, func(s *discordtest.Server) { s.Absent = true }, true, "50001"},
		"forum":             {withBot, func(s *discordtest.Server) { s.Kind = 15 }, true, "forum"},
		"may make no event": {withCalendar, func(s *discordtest.Server) { s.Rights &^= createEvents }, true, "Create Events"},
		"absent":            {withCalendar, func(s *discordtest.Server) { s.Absent = true }, true, "50001"},
	} {
		p, platform := open(t, c.way)
		platform.Change(c.change)
		report, err := p.(announce.Checker).Check(t.Context())
		switch {
		case err != nil, !strings.Contains(report.Identity, "Crieur"):
			t.Errorf("%s: %+v, %v", name, report, err)
		case c.want == "" && len(report.Findings) != 0, c.want != "" && (len(report.Findings) != 1 || report.Findings[0].Severe != c.severe || !strings.Contains(report.Findings[0].What, c.want)):
			t.Errorf("%s: %+v", name, report.Findings)
		}
	}
	_, platform := open(t, withBot)
	report, err := at(t, platform, withBot, func(c *Config) { c.Channel = discordtest.Thread }).(announce.Checker).Check(t.Context())
	if err != nil || len(report.Findings) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	p, platform := open(t, withHook)
	platform.Change(func(s *discordtest.Server) { s.Unhooked = true })
	if _, err := p.(announce.Checker).Check(t.Context()); permanent(err) == nil || !permanent(err).Stop {
		t.Errorf("%v", err)
	}
}

func TestConfiguration(t *testing.T) {
	const hook = "https://discord.com/api/webhooks/250000000000000001/" + discordtest.HookToken
	bot := Config{Token: announce.NewSecret(discordtest.Token), Channel: discordtest.Channel, As: "message", API: "https://discord.com/api/v10"}
	event := Config{Token: bot.Token, Guild: discordtest.Guild, As: "event", API: bot.API}
	webhook := Config{Webhook: announce.NewSecret(hook), As: "message", Thread: discordtest.Thread}
	for _, c := range []Config{bot, event, webhook} {
		if _, err := New(c, announce.Site{}); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]func() Config{
		"TOKEN":     func() Config { return Config{As: "message"} },
		"TOKEN ":    func() Config { c := bot; c.Token = announce.NewSecret("Bot " + discordtest.Token); return c },
		"AS":        func() Config { c := bot; c.As = "banner"; return c },
		"CHANNEL":   func() Config { c := bot; c.Channel = "#annonces"; return c },
		"CHANNEL ":  func() Config { c := event; c.Channel = discordtest.Channel; return c },
		"GUILD":     func() Config { c := event; c.Guild = ""; return c },
		"GUILD ":    func() Config { c := bot; c.Guild = discordtest.Guild; return c },
		"THREAD":    func() Config { c := bot; c.Thread = discordtest.Thread; return c },
		"THREAD ":   func() Config { c := webhook; c.Thread = "octobre"; return c },
		"WEBHOOK":   func() Config { c := webhook; c.Token = bot.Token; return c },
		"WEBHOOK 1": func() Config { c := webhook; c.As = "event"; return c },
		"WEBHOOK 2": func() Config { c := webhook; c.Webhook = announce.NewSecret(hook + "/slack"); return c },
		"WEBHOOK 3": func() Config { c := webhook; c.Webhook = announce.NewSecret(hook + "?wait=true"); return c },
		"WEBHOOK 4": func() Config { c := webhook; c.Channel = discordtest.Channel; return c },
		"WEBHOOK 5": func() Config {
			c := webhook
			c.Webhook = announce.NewSecret(strings.Replace(hook, "https", "http", 1))
			return c
		},
		"API": func() Config { c := bot; c.API = "http://discord.com/api/v10"; return c },
	} {
		_, err := New(c(), announce.Site{})
		if err == nil || !strings.HasPrefix(err.Error(), strings.Fields(name)[0]+": ") || strings.Contains(err.Error(), "simulated") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
