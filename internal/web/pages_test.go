package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// everyPage is each page that people can come to, in both languages, by what it shows.
func (s *site) everyPage() map[string]got {
	s.Helper()
	all := map[string]got{"docs": s.get("/docs"), "unknown task": s.get("/tasks/none?key=none")}
	proven := s.proven()
	for _, lang := range []string{"fr", "en"} {
		add := func(name string, g got) { all[name+" "+lang] = g }
		form := func(v url.Values) url.Values { v.Set("lang", lang); return v }
		add("subscribe", s.get("/subscribe?lang="+lang))
		add("proof", s.get(proven+"?lang="+lang))
		add("no proof", s.get(proven+"x?lang="+lang))
		add("subscribe with faults", s.post("/subscribe", form(url.Values{"address": {"x"}, "name": {strings.Repeat("x", 200)}, "everything": {"0"}})))
		add("wait", s.post("/subscribe", form(url.Values{"address": {"wait@example.org"}, "topics": {"python"}})))
		sent := s.filled("sent" + lang + "@example.org")
		s.later(4 * time.Second)
		add("sent", s.post("/subscribe", form(sent)))
		add("embed", s.get("/subscribe/embed?lang="+lang))
		asked := s.known("sent" + lang + "@example.org")
		add("confirm", s.get(s.link(people.Confirm, asked.ID)+"?lang="+lang))
		add("confirmed", s.post(s.link(people.Confirm, asked.ID), form(url.Values{})))
		prefs := s.link(people.Preferences, asked.ID)
		add("preferences", s.get(prefs+"?lang="+lang))
		add("preferences with faults", s.post(prefs, form(url.Values{"act": {"save"}, "everything": {"0"}, "zone": {"x"}, "paused": {"x"}, "quiet_from": {"x"}, "name": {strings.Repeat("x", 200)}})))
		add("saved", s.post(prefs, form(url.Values{"act": {"save"}, "paused": {"2028-01-01"}})))
		add("move with faults", s.post(prefs, form(url.Values{"act": {"move"}, "address": {"x"}})))
		add("erase", s.post(prefs, form(url.Values{"act": {"erase"}})))
		leave := s.link(people.Unsubscribe, asked.ID)
		add("unsubscribe", s.get(leave+"?lang="+lang))
		add("unsubscribed", s.post(leave, form(url.Values{})))
		add("preferences after", s.get(prefs+"?lang="+lang))
		add("back", s.post(leave, form(url.Values{"act": {"back"}})))
		add("erased", s.post(prefs, form(url.Values{"act": {"erase"}, "sure": {"yes"}})))
		add("unknown link", s.get(prefs+"?lang="+lang))
		old := s.joined("old" + lang + "@example.org")
		link := s.link(people.Preferences, old.ID)
		s.later(401 * 24 * time.Hour)
		add("expired", s.get(link+"?lang="+lang))
	}
	return all
}

// Each page can be read by whoever uses a screen reader or a keyboard, in its language, without scripts, and calls nobody else.
func TestPagesAreSound(t *testing.T) {
	s := newSite(t, func(o *Options) {
		o.PushKey, o.ServiceWorker = "BKey", []byte("// shows")
		o.Telegram = func(people.Bearer, announce.Language) string { return "https://t.me/essai_bot?start=x" }
	})
	for name, page := range s.everyPage() {
		for _, fault := range unsound(page.body) {
			t.Errorf("%s: %s", name, fault)
		}
		if page.header.Get("Cache-Control") != "no-store" || page.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", name, page.header)
		}
		if index := name == "docs" || strings.HasPrefix(name, "subscribe "); index == (page.header.Get("X-Robots-Tag") == "noindex") {
			t.Errorf("%s: search engines are told %q", name, page.header.Get("X-Robots-Tag"))
		}
		if policy := page.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", name, policy)
		}
		if lang := name[max(0, len(name)-2):]; name != "docs" && name != "unknown task" && !strings.Contains(page.body, `<html lang="`+lang+`">`) {
			t.Errorf("%s is in another language", name)
		}
	}
}

var badBlank = regexp.MustCompile(`[^\s\x{00a0}\x{202f}] [;!?:»]|« `)

// unsound says what is wrong with a page.
func unsound(page string) (faults []string) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	bad := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	ids, count, labels := map[string]bool{}, map[string]int{}, map[string]string{}
	french := false
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if id, ok := attr(n, "id"); ok {
			if ids[id] {
				bad("two elements are %q", id)
			}
			ids[id] = true
		}
		if of, ok := attr(n, "for"); ok {
			labels[of] = words(n)
		}
		if lang, ok := attr(n, "lang"); n.Data == "html" {
			french = lang == "fr"
			if !ok || lang != "fr" && lang != "en" {
				bad("the language is %q", lang)
			}
		}
	}
	for n := range root.Descendants() {
		if n.Type == html.TextNode && french && !within(n, "pre", "code", "script", "textarea") && badBlank.MatchString(n.Data) && !hasLang(n, "en") {
			bad("a line may break before the mark in %q", strings.TrimSpace(n.Data))
		}
		if n.Type != html.ElementNode {
			continue
		}
		kind, _ := attr(n, "type")
		id, _ := attr(n, "id")
		label, _ := attr(n, "aria-label")
		by, _ := attr(n, "aria-labelledby")
		switch n.Data {
		case "input", "select", "textarea":
			if kind != "hidden" && labels[id] == "" && label == "" && by == "" {
				bad("the field %q has no label", id)
			}
		case "script":
			if src, _ := attr(n, "src"); !strings.HasPrefix(src, "/assets/") {
				bad("a script is inline, or from %q", src)
			}
		case "style", "iframe", "object", "base":
			bad("there is a %s", n.Data)
		case "title", "h1", "h2", "legend", "button", "a", "label":
			if words(n) == "" {
				bad("%s without words", n.Data)
			}
		case "img":
			if _, ok := attr(n, "alt"); !ok {
				bad("a picture without words")
			}
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "style", strings.HasPrefix(a.Key, "on"):
				bad("%s has %s", n.Data, a.Key)
			case (a.Key == "src" || a.Key == "action" || a.Key == "href" && n.Data == "link") && !local(a.Val):
				bad("%s leads to %q", n.Data, a.Val)
			case a.Key == "href" && strings.HasPrefix(a.Val, "#") && !ids[a.Val[1:]]:
				bad("there is no %q to go to", a.Val)
			case (a.Key == "aria-describedby" || a.Key == "aria-labelledby") && !ids[a.Val]:
				bad("there is no %q to be described by", a.Val)
			case a.Key == "for" && !ids[a.Val]:
				bad("the label of %q, which is not there", a.Val)
			}
		}
	}
	for _, one := range []string{"title", "h1", "main"} {
		if count[one] != 1 {
			bad("%d times %s", count[one], one)
		}
	}
	return faults
}

func local(address string) bool {
	return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
}

func words(n *html.Node) string {
	var all strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			all.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(all.String())
}

func within(n *html.Node, names ...string) bool {
	for p := range n.Ancestors() {
		if slices.Contains(names, p.Data) {
			return true
		}
	}
	return false
}

func hasLang(n *html.Node, lang string) bool {
	for p := range n.Ancestors() {
		if l, ok := attr(p, "lang"); ok {
			return l == lang
		}
	}
	return false
}

// The test of pages finds what it looks for.
func TestUnsoundPagesAreFound(t *testing.T) {
	for page, want := range map[string]string{
		`<html lang=fr><title>x</title><main><h1>x</h1><input id=a></main>`:                                `the field "a" has no label`,
		`<html lang=fr><title>x</title><main><h1>x</h1><h1>y</h1></main>`:                                  `2 times h1`,
		`<html lang=fr><title>x</title><main><h1>Quoi ?</h1></main>`:                                       `a line may break before the mark in "Quoi ?"`,
		`<html lang=de><title>x</title><main><h1>x</h1></main>`:                                            `the language is "de"`,
		`<html lang=en><title>x</title><main><h1>x</h1><p style="x">y</p></main>`:                          `p has style`,
		`<html lang=en><title>x</title><main><h1>x</h1><img alt="" src="//example.com/x"></main>`:          `img leads to "//example.com/x"`,
		`<html lang=en><title>x</title><main><h1>x</h1><script>1</script></main>`:                          `a script is inline, or from ""`,
		`<html lang=en><title>x</title><main><h1>x</h1><a href="#nowhere">x</a></main>`:                    `there is no "#nowhere" to go to`,
		`<html lang=en><title>x</title><main><h1 id=a>x</h1><p id=a></p></main>`:                           `two elements are "a"`,
		`<html lang=en><title>x</title><main><h1>x</h1><form action="https://example.com/"></form></main>`: `form leads to "https://example.com/"`,
	} {
		if faults := unsound(page); len(faults) != 1 || faults[0] != want {
			t.Errorf("%s: %q, want %q", page, faults, want)
		}
	}
}

// Scanners and crawlers follow every link, again and again. Nothing that is stored changes by it.
func TestCrawlersChangeNothing(t *testing.T) {
	s := newSite(t, func(o *Options) { o.PushKey, o.ServiceWorker = "BKey", []byte("// shows") })
	active, left := s.joined("ada@example.org", "python"), s.joined("left@example.org")
	s.post(s.link(people.Unsubscribe, left.ID), nil)
	v := s.filled("pending@example.org")
	s.later(4 * time.Second)
	s.post("/subscribe", v)
	pending := s.known("pending@example.org")

	queue := []string{"/", "/subscribe", "/docs", "/openapi.json", "/metrics", "/livez", "/webpush.js", "/assets/subscribe.js", "/media/none.png", "/tasks/none?key=x", "/v1/announcements", "/v1/channels"}
	for _, a := range []store.Address{active, left, pending} {
		for _, p := range []people.Purpose{people.Unsubscribe, people.Preferences, people.Confirm, people.Archive} {
			queue = append(queue, s.link(p, a.ID))
		}
	}
	s.get("/tasks/none?key=x") // makes the key of these links, once
	proven := s.proven()
	s.get(proven) // and of proofs
	queue = append(queue, proven)
	seen := map[string]bool{}
	before := s.record()
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if path, _, _ = strings.Cut(path, "#"); seen[path] || !local(path) {
			continue
		}
		seen[path] = true
		for range 3 {
			head := s.do(http.MethodHead, path, "", "")
			page := s.get(path)
			if after := s.record(); after != before {
				t.Errorf("%s changes what is stored", path)
				before = after
			}
			if head.status != page.status || page.status >= 500 {
				t.Errorf("%s: HEAD %d, GET %d", path, head.status, page.status)
			}
			root, err := html.Parse(strings.NewReader(page.body))
			if err != nil {
				t.Fatal(err)
			}
			for n := range root.Descendants() {
				for _, name := range []string{"href", "src", "action"} {
					if to, ok := attr(n, name); ok && strings.HasPrefix(to, "?") {
						queue = append(queue, path+to)
					} else if ok {
						queue = append(queue, to)
					}
				}
				if n.Data == "form" { // as a crawler that submits forms by GET
					for _, act := range []string{"save", "erase&sure=yes", "export", "move&address=eve@example.org", "back", "fresh"} {
						at, _, _ := strings.Cut(path, "?")
						queue = append(queue, at+"?act="+act)
					}
				}
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d addresses were found", len(seen))
	}
	if len(s.written()) != 1 {
		t.Errorf("letters: %+v", s.letters)
	}
}
