package telegram

import (
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/telegram/telegramtest"
)

func TestRefusals(t *testing.T) {
	moved := `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1009876543210}}`
	say := func(code, words string) string {
		return `{"ok":false,"error_code":` + code + `,"description":"` + words + `"}`
	}
	for name, c := range map[string]struct {
		status int
		body   string
		stop   bool
		field  string
		says   string // of the error
	}{
		"moved":       {400, moved, true, "", "set CHAT to -1009876543210"},
		"no chat":     {400, say("400", "Bad Request: chat not found"), true, "", "check CHAT"},
		"no right":    {400, say("400", "Bad Request: need administrator rights in the channel chat"), true, "", "administrator"},
		"no photos":   {400, say("400", "Bad Request: not enough rights to send photos to the chat"), true, "", "administrator"},
		"forbidden":   {400, say("400", "Bad Request: CHAT_WRITE_FORBIDDEN"), true, "", "administrator"},
		"kicked":      {403, say("403", "Forbidden: bot was kicked from the supergroup chat"), true, "", "403 bot was kicked from the supergroup chat"},
		"gone group":  {403, say("403", "Forbidden: the group chat was deleted"), true, "", "keeps the bot out"},
		"topic":       {400, say("400", "Bad Request: TOPIC_CLOSED"), true, "", "TOPIC"},
		"token":       {404, say("404", "Not Found"), true, "", "@BotFather"},
		"dimensions":  {400, say("400", "Bad Request: PHOTO_INVALID_DIMENSIONS"), false, "images", "picture"},
		"too long":    {400, say("400", "Bad Request: message is too long"), false, "texts", "too long"},
		"our mistake": {400, say("400", "Bad Request: can't parse entities: Unmatched end tag"), false, "", "400 can't parse entities"},
		"no words":    {400, say("400", ""), false, "", "(400)"},
		"odd words":   {400, say("400", `Bad Request: <b>\n\nx`), false, "", "(400)"},
		"a secret":    {400, say("400", "Bad Request: "+strings.Split(telegramtest.Token, ":")[1]), false, "", "(400)"},
		"not JSON":    {413, "<html>", false, "", "(413)"},
	} {
		p, platform := open(t)
		platform.Script().Push(answer(c.status, c.body))
		_, err := p.Publish(t.Context(), message(1))
		e := permanent(err)
		if e == nil || e.Stop != c.stop || e.Field != c.field || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

// What befalls a post of a chat that the account has left stops nobody.
func TestAnotherChatStopsNobody(t *testing.T) {
	_, platform := open(t)
	p := at(t, platform, func(c *Config) { c.Chat = "-1001234567890" })
	_, err := p.(announce.Amender).Amend(t.Context(), announce.Receipt{ID: "-100555:1:fr"}, message(1))
	if e := permanent(err); e == nil || e.Stop || e.Status != noChat {
		t.Errorf("%+v", err)
	}
	platform.Change(func(c *telegramtest.Chat) { c.Status = "kicked" })
	_, err = p.(announce.Amender).Amend(t.Context(), announce.Receipt{ID: "-1001234567890:1:fr"}, message(1))
	if e := permanent(err); e == nil || !e.Stop {
		t.Errorf("%+v", err)
	}
}

// Whatever an author writes calls nobody, loses nothing and is taken.
func TestHostileWords(t *testing.T) {
	for _, text := range []string{
		"@durov", "(@durov)", "é@durov", "a.@durov", "**@**durov", "@", "@@durov", "*@*`durov`", "salut @durov\n@durov_2", "[@durov](https://example.org)",
		"`@durov`", "&#64;durov", "</b><a href=\"x\">", "<b>", "&lt;b&gt;", "&", "&amp;amp;", "\"quoted\"", "> a\n>> b\n> c", "- a\n  > b", "```\n</pre>\n```", "~~*a*~~",
		"tg://user?id=42", "[x](tg://user?id=42)", "[x](https://example.org/\"><b>)", "1. a\n\n   b\n2. c", "# *x*\n## y", "![image](https://example.org/i.png)", "\\", "_*`~[",
	} {
		p, platform := open(t)
		m := message(1)
		m.Text += "\n\n" + text
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		post := platform.Posts()[0]
		if n := platform.Pings(); n != 0 {
			t.Errorf("%q calls %d people: %s", text, n, post.Raw)
		}
		said := pen{}.write(markup.NewReader().Read(m.Text))
		if post.Text != strings.TrimSpace(said) {
			t.Errorf("%q is read as %q, meant as %q", text, post.Text, said)
		}
		if n := p.Limits().Measure(m.Text); n != units(post.Text) {
			t.Errorf("%q measures %d, is %d long", text, n, units(post.Text))
		}
	}
}

func TestMentions(t *testing.T) {
	p, platform := open(t)
	m := message(1)
	m.Text = "Avec @Ada_L, @ada_lovelace et ada@example.org"
	m.Mentions = []string{"ada_l"}
	mustPublish(t, p, platform, m)
	if n := platform.Pings(); n != 1 {
		t.Errorf("%d people were called: %q", n, platform.Posts()[0].Text)
	}
	if text := platform.Posts()[0].Text; !strings.Contains(text, "@Ada_L,") || !strings.Contains(text, "ada@example.org") {
		t.Errorf("%q", text)
	}
}

// A picture whose words do not fit stays away, unless it is there already.
func TestPicturesFit(t *testing.T) {
	long := pictured(1)
	long.Text += strings.Repeat(" mot", 300)
	flat := pictured(1)
	flat.Images[0].Width = 4000
	for name, m := range map[string]announce.Message{"too long without an address": long, "too flat": flat} {
		p, platform := open(t)
		if post := mustPublish(t, p, platform, m); len(post.Images) != 0 || strings.Contains(post.Text, "affiche") {
			t.Errorf("%s: %+v", name, post)
		}
	}
	edge := pictured(1)
	p, platform := open(t)
	room := maxCaption - units("\n\n[Image\u00a0: "+edge.Images[0].Alt+"]") - 2
	edge.Text = strings.Repeat("🎉", room/2) + strings.Repeat(".", room%2)
	post := mustPublish(t, p, platform, edge)
	if n := units(post.Text); len(post.Images) != 1 || n < maxCaption-2 || !strings.HasSuffix(post.Text, "[Image\u00a0: L’affiche : une fusée <rouge> & un café]") {
		t.Errorf("%d: %+v", n, post)
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*telegramtest.Chat)
		account func(*Config)
		want    string
	}{
		"all is well":     {func(*telegramtest.Chat) {}, nil, ""},
		"no right":        {func(c *telegramtest.Chat) { c.Post = false }, nil, "may not post"},
		"member":          {func(c *telegramtest.Chat) { c.Status = "member" }, nil, "no administrator"},
		"left":            {func(c *telegramtest.Chat) { c.Status = "left" }, nil, "is not in"},
		"kicked":          {func(c *telegramtest.Chat) { c.Status = "kicked" }, nil, "is not in"},
		"no chat":         {func(c *telegramtest.Chat) { c.Private = true }, nil, "chat not found"},
		"moved":           {func(c *telegramtest.Chat) { c.MovedTo = -1009 }, nil, "migrated to -1009"},
		"group":           {func(c *telegramtest.Chat) { c.Group, c.Status = true, "member" }, nil, ""},
		"muted group":     {func(c *telegramtest.Chat) { c.Group, c.Muted, c.Status = true, true, "member" }, nil, "may not write"},
		"restricted":      {func(c *telegramtest.Chat) { c.Group, c.Status = true, "restricted" }, nil, "may not write"},
		"admin of muted":  {func(c *telegramtest.Chat) { c.Group, c.Muted = true, true }, nil, ""},
		"no topics there": {func(c *telegramtest.Chat) { c.Group = true }, func(c *Config) { c.Topic = 7 }, "no topics"},
	} {
		_, platform := open(t)
		platform.Change(c.change)
		report, err := at(t, platform, c.account).(announce.Checker).Check(t.Context())
		switch {
		case err != nil, !strings.HasPrefix(report.Identity, "@crieur_simule_bot"):
			t.Errorf("%s: %+v, %v", name, report, err)
		case c.want == "" && len(report.Findings) != 0, c.want != "" && (len(report.Findings) != 1 || !report.Findings[0].Severe || !strings.Contains(report.Findings[0].What, c.want)):
			t.Errorf("%s: %+v", name, report.Findings)
		}
	}
}

func TestConfiguration(t *testing.T) {
	good := Config{Token: announce.NewSecret(telegramtest.Token), Chat: "@meetup", API: "https://api.telegram.org"}
	for name, change := range map[string]func(*Config){
		"TOKEN":  func(c *Config) { c.Token = announce.NewSecret("bot" + telegramtest.Token) },
		"TOKEN ": func(c *Config) { c.Token = announce.NewSecret(telegramtest.Token + "\n") },
		"CHAT":   func(c *Config) { c.Chat = "https://t.me/meetup" },
		"CHAT ":  func(c *Config) { c.Chat = "123456" }, // a person
		"TOPIC":  func(c *Config) { c.Topic = -1 },
		"API":    func(c *Config) { c.API = "http://api.telegram.org" },
	} {
		c := good
		change(&c)
		_, err := New(c, announce.Site{})
		if err == nil || !strings.HasPrefix(err.Error(), strings.TrimSpace(name)+": ") || strings.Contains(err.Error(), "simulated") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := New(good, announce.Site{}); err != nil {
		t.Error(err)
	}
}
