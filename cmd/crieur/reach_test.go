package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"

	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/publishers/email/emailtest"
	"github.com/crieur/crieur/publishers/telegram/telegramtest"
)

// Somebody presses Start in a chat with the bot, gets what is announced, once, and nothing more after /stop.
func TestTelegramFromStartToStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 0)
	bot := telegramtest.New()
	t.Cleanup(bot.Close)
	vars := bot.Environ()
	delete(vars, "CHAT")
	for name, v := range vars {
		c.vars["CRIEUR_TELEGRAM_PEOPLE_"+name] = v
	}
	maps.Copy(c.vars, map[string]string{"CRIEUR_CHANNELS": "feed,telegram@people", "CRIEUR_TELEGRAM_PEOPLE_PEOPLE": "true"})
	cmd, dead := c.start("")
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-dead }()
	const ada = 4242
	bot.Press(ada, "Ada", "fr", "fr-join")
	mine := func() (texts []string) {
		for _, p := range bot.Posts() {
			if p.To == fmt.Sprint(ada) {
				texts = append(texts, fmt.Sprint(p.Raw))
			}
		}
		return texts
	}
	c.until("she is welcomed", ample, func() bool { return len(mine()) == 1 })
	c.submit(0, 1)
	c.until("the announcement reaches her", ample, func() bool { return len(mine()) == 2 })
	if text := mine()[1]; !strings.Contains(text, c.url+"/preferences/") || strings.Contains(text, ".invalid/") {
		t.Errorf("her own links are not in it: %s", text)
	}
	bot.Write(ada, "/stop")
	c.until("she has left", ample, func() bool { return c.standing("telegram", fmt.Sprint(ada)) == store.Unsubscribed })
	ids := c.submit(1, 2)
	c.until("the next one is out", ample, func() bool {
		st, err := c.client.Status(context.Background(), ids[0])
		return err == nil && st.State == "published"
	})
	if n := len(mine()); n != 2 {
		t.Errorf("she has %d messages after /stop, want 2", n)
	}
}

// What comes back of a mail is applied to whom it went to, whoever brings it.
func TestMailThatComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 3)
	maps.Copy(c.vars, map[string]string{"CRIEUR_CHANNELS": "feed,email", "CRIEUR_BOUNCE_RETURN_PATH": "b@rebonds.example.org"})
	cmd, dead := c.start("")
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-dead }()
	c.submit(0, 1)
	server := w.Platform("email").(*emailtest.Platform)
	c.until("the mails are out", ample, func() bool { return len(server.Mails()) == 3 })
	paths := map[string]string{}
	for _, m := range server.Mails() {
		if !strings.HasPrefix(m.From, "b+") || !strings.HasSuffix(m.From, "@rebonds.example.org") {
			t.Fatalf("the return path of %s is %s", m.To, m.From)
		}
		paths[m.To] = m.From
	}
	complaint := func(to, path string) string {
		return "From: <abuse@example.com>\r\nTo: " + path + "\r\nSubject: complaint\r\nMessage-ID: <" + to + ">\r\nDate: Sun, 22 Nov 2026 10:00:05 -0500\r\nMIME-Version: 1.0\r\n" +
			"Content-Type: multipart/report; report-type=feedback-report; boundary=\"p\"\r\n\r\n--p\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n" +
			"--p\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x\r\nVersion: 1\r\nOriginal-Mail-From: <" + path + ">\r\n\r\n" +
			"--p\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n--p--\r\n"
	}
	forged := "b+" + strings.Repeat("a", len(paths["reader1@example.org"])-len("b+@rebonds.example.org")) + "@rebonds.example.org"
	c.runWith(complaint("reader1@example.org", forged), "bounce")
	c.runWith(complaint("reader0@example.org", paths["reader0@example.org"]), "bounce")
	c.runWith(complaint("reader0@example.org", paths["reader0@example.org"]), "bounce")
	for to, want := range map[string]store.Standing{"reader0@example.org": store.Complained, "reader1@example.org": store.Active, "reader2@example.org": store.Active} {
		if got := c.standing("email", to); got != want {
			t.Errorf("%s is %s, want %s", to, got, want)
		}
	}
}

// standing is that of an address; empty when it is not known.
func (c *child) standing(channel, address string) store.Standing {
	c.t.Helper()
	for _, standing := range store.Standings() {
		if standing == store.Erased {
			continue
		}
		page, err := c.client.Subscribers(context.Background(), web.SubscriberFilter{Channel: channel, Search: address, Standing: standing}, "", 10)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, s := range page.Subscribers {
			if s.Address == address {
				return standing
			}
		}
	}
	return ""
}
