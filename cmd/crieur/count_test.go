package main

import (
	"context"
	"io"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var countedLink = regexp.MustCompile(`http://[^\s"<>]+/(l|o)/[\w-]+`)

// Where it is switched on, links and openings are counted for all readers together; a link that is not ours leads nowhere.
func TestCountedMailing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 2)
	c.vars["CRIEUR_COUNTS"] = "true"
	cmd, dead := c.start("")
	ctx := context.Background()
	d := numbered(1)
	d.Channels = []string{"email"}
	a, _, err := c.client.Submit(ctx, d, "")
	if err != nil {
		t.Fatal(err)
	}
	c.until("both mails are there", ample, func() bool { return len(w.Platform("email").Posts()) == 2 })
	var links [][]string
	for _, p := range w.Platform("email").Posts() {
		m, err := mail.ReadMessage(strings.NewReader(p.Raw))
		if err != nil {
			t.Fatal(err)
		}
		text := decoded(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
		found := countedLink.FindAllString(text, -1)
		slices.Sort(found)
		links = append(links, slices.Compact(found))
		if strings.Contains(m.Header.Get("List-Unsubscribe"), "/l/") || len(personalLink.FindAllString(text, -1)) < 3 {
			t.Errorf("the person's own links are not as they were:\n%s", text)
		}
	}
	if len(links[0]) != 2 || !slices.Equal(links[0], links[1]) {
		t.Fatalf("links %v: not one link and one pixel, the same for everybody", links)
	}
	link, pixel := links[0][0], links[0][1]
	plainly := &http.Client{Timeout: ample, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	fetch := func(method, url string, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		res, err := plainly.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if len(res.Cookies()) > 0 {
			t.Error("a cookie")
		}
		return res
	}
	for range 3 {
		if r := fetch("GET", link); r.StatusCode != http.StatusFound || r.Header.Get("Location") != d.Link {
			t.Errorf("%d to %s", r.StatusCode, r.Header.Get("Location"))
		}
		fetch("HEAD", link)
		fetch("GET", link, "Sec-Purpose", "prefetch;prerender")
		fetch("HEAD", pixel)
	}
	if r := fetch("GET", pixel); r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "image/gif" {
		t.Errorf("the pixel: %d", r.StatusCode)
	}
	for _, wrong := range []string{
		link + "A", strings.Replace(link, "/l/", "/o/", 1), strings.Replace(pixel, "/o/", "/l/", 1), c.url + "/l/https:%2F%2Fevil.example", c.url + "/l/" + string(a.ID),
	} {
		if r := fetch("GET", wrong); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d to %s", wrong, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-dead; err != nil {
		t.Fatal(err)
	}
	shown := c.run("status", string(a.ID))
	if !strings.Contains(shown, "mails opened: 1, links followed: 3") || !strings.Contains(shown, "3  "+d.Link) {
		t.Error(shown)
	}
}
