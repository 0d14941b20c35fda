package arch

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// sound is a small house without a breach.
func sound() map[string]string {
	return map[string]string{
		"cmd/crieur/main.go":                   "// Command crieur announces.\npackage main\nimport (\n\"os\"\n\"example.org/m/publishers\"\n\"example.org/m/publishers/fax/faxtest\"\n)\nfunc main() { _ = os.Environ(); publishers.Open(); faxtest.New(); os.Exit(0) }",
		"internal/announce/announce.go":        "// Package announce is the vocabulary.\npackage announce\nimport \"errors\"\nvar ErrX = errors.New(\"x\")\nvar table = map[string][]int{\"a\": {1, -2}}\nvar _ error = (*e)(nil)\ntype e struct{}\nfunc (*e) Error() string { return \"\" }\nfunc f() { table := table; table[\"b\"] = nil; x := 1; x++; _ = &x }",
		"internal/store/store.go":              "// Package store is the record.\npackage store\nimport (\n\"database/sql\"\n\"example.org/m/internal/announce\"\n)\nvar _, _ = sql.Open, announce.ErrX",
		"publishers/publishers.go":             "// Package publishers is the list.\npackage publishers\nimport \"example.org/m/publishers/fax\"\nfunc Open() { fax.New() }",
		"publishers/fax/fax.go":                "// Package fax is a channel.\npackage fax\nimport (\n\"embed\"\n\"regexp\"\n\"sync\"\n\"example.org/m/publishers/internal/rest\"\n)\nvar number = regexp.MustCompile(`x`)\nvar once = sync.OnceValue(func() int { return 1 })\n//go:embed x\nvar files embed.FS\nfunc New() { rest.Do(); _, _, _ = number, once, files }",
		"publishers/fax/fax_test.go":           "package fax_test\nimport (\n\"testing\"\n\"time\"\n\"example.org/m/publishers/fax\"\n\"example.org/m/publishers/fax/faxtest\"\n)\nfunc TestX(*testing.T) { faxtest.New(); fax.New(); for ok := false; !ok; time.Sleep(time.Millisecond) { ok = true } }",
		"publishers/fax/faxtest/faxtest.go":    "// Package faxtest is simulated.\npackage faxtest\nimport \"example.org/m/internal/announce\"\nfunc New() { _ = announce.ErrX }",
		"publishers/internal/rest/rest.go":     "// Package rest calls.\npackage rest\nimport \"net/http\"\nfunc Do() { _ = http.Client{} }",
		"publishers/mail/mail.go":              "// Package mail is a channel.\npackage mail",
		"publishers/mail/mailtest/mailtest.go": "// Package mailtest is simulated.\npackage mailtest",
		"publishers/publishertest/contract.go": "// Package publishertest is the contract.\npackage publishertest\nimport \"testing\"\nfunc Run(*testing.T) {}",
		"publishers/sim/sim.go":                "// Package sim is shared.\npackage sim",
		"internal/web/client/client.go":        "// Package client is the client.\npackage client",
		"internal/web/web.go":                  "// Package web is HTTP.\npackage web",
		"internal/world/world.go":              "// Package world is simulated.\npackage world\nimport \"example.org/m/publishers/fax/faxtest\"\nfunc New() { faxtest.New() }",
		"internal/fetch/fetch.go":              "// Package fetch gets.\npackage fetch\nimport \"net/http\"\nvar _ = http.Client{}",
		"internal/media/media.go":              "// Package media keeps pictures.\npackage media\nimport _ \"example.org/m/internal/fetch\"",
		"internal/proof/proof.go":              "// Package proof says so.\npackage proof",
		"internal/bounce/bounce.go":            "// Package bounce hears back.\npackage bounce\nimport _ \"example.org/m/internal/fetch\"",
		"internal/people/links.go":             "// Package people is who is told.\npackage people",
		"internal/people/list/list.go":         "// Package list reads lists.\npackage list",
		"internal/digest/digest.go":            "// Package digest gathers.\npackage digest",
		"internal/broadcast/broadcast.go":      "// Package broadcast is the service.\npackage broadcast",
		"internal/arch/arch_test.go":           "// Package arch is the law.\npackage arch",
		"publishers/feed/feed.go":              "// Package feed is the website's.\npackage feed",
		"publishers/feed/feedtest/feedtest.go": "// Package feedtest reads it.\npackage feedtest\nimport _ \"example.org/m/publishers/feed\"",
		"deploy/deploy_test.go":                "// Package deploy is run.\npackage deploy\nimport _ \"github.com/nats-io/nats-server/v2/server\"",
		"docs/docs_test.go":                    "// Package docs is read.\npackage docs",
		"queue/queue.go":                       "// Package queue nudges.\npackage queue\nimport \"github.com/nats-io/nats.go/jetstream\"\nvar _ jetstream.JetStream",
		"templates/templates.go":               "// Package templates renders.\npackage templates\nimport \"html/template\"\nvar page = template.Must(template.New(\"\").Funcs(template.FuncMap{\"f\": func() int { return 1 }}).Parse(`x`))",
	}
}

func breachesOf(t *testing.T, sources map[string]string) string {
	t.Helper()
	h, err := build("example.org/m", sources)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range laws() {
		for _, b := range l.hold(h) {
			all = append(all, l.name+": "+b)
		}
	}
	return strings.Join(all, "\n")
}

func TestASoundHouse(t *testing.T) {
	if b := breachesOf(t, sound()); b != "" {
		t.Error(b)
	}
}

// A law that nothing breaks is no law.
func TestEveryBreachIsSeen(t *testing.T) {
	const x = "\npackage x\n"
	for name, c := range map[string]struct{ path, source, want string }{
		"an arrow that points up":           {"internal/store/up.go", "package store\nimport _ \"example.org/m/internal/broadcast\"", "internal/store may not import internal/broadcast"},
		"a channel imports another":         {"publishers/fax/other.go", "package fax\nimport _ \"example.org/m/publishers/mail\"", "may not import publishers/mail"},
		"a test imports another channel":    {"publishers/fax/other_test.go", "package fax\nimport _ \"example.org/m/publishers/mail/mailtest\"", "may not import publishers/mail/mailtest"},
		"a test of the service":             {"internal/broadcast/b_test.go", "package broadcast\nimport _ \"example.org/m/publishers/fax\"", "internal/broadcast may not import publishers/fax"},
		"a platform imports its channel":    {"publishers/fax/faxtest/more.go", "package faxtest\nimport _ \"example.org/m/publishers/fax\"", "may not import publishers/fax"},
		"a channel imports its platform":    {"publishers/fax/more.go", "package fax\nimport _ \"example.org/m/publishers/fax/faxtest\"", "may not import publishers/fax/faxtest"},
		"a channel imports the store":       {"publishers/fax/more.go", "package fax\nimport _ \"example.org/m/internal/store\"", "may not import internal/store"},
		"announce imports a library":        {"internal/announce/more.go", "package announce\nimport _ \"golang.org/x/text/language\"", "the standard library only"},
		"a package without a row":           {"internal/helper/h.go", "// Package helper helps." + strings.ReplaceAll(x, "x", "helper"), "internal/helper has no row"},
		"a strange folder of a channel":     {"publishers/fax/util/u.go", "// Package util is.\npackage util", "publishers/fax/util has no row"},
		"no package comment":                {"publishers/telex/t.go", "package telex", "publishers/telex has no package comment"},
		"another package comment":           {"publishers/telex/t.go", "// telex sends.\npackage telex", "begin it with"},
		"two package comments":              {"queue/more.go", "// Package queue again.\npackage queue", "more than one"},
		"NATS elsewhere":                    {"internal/broadcast/n.go", "package broadcast\nimport _ \"github.com/nats-io/nats.go\"", "may not import github.com/nats-io/nats.go"},
		"SQL elsewhere":                     {"internal/web/s.go", "package web\nimport _ \"database/sql\"", "may not import database/sql"},
		"SQL in a test elsewhere":           {"internal/web/s_test.go", "package web\nimport _ \"database/sql/driver\"", "may not import database/sql/driver"},
		"testing in the program":            {"publishers/fax/faxtest/t.go", "package faxtest\nimport _ \"testing\"", "may not import testing"},
		"http.Get":                          {"publishers/fax/g.go", "package fax\nimport \"net/http\"\nfunc g() { http.Get(\"\") }", "http.Get has no timeout"},
		"http.DefaultClient, renamed":       {"publishers/fax/g.go", "package fax\nimport web \"net/http\"\nvar _ = web.DefaultClient", "web.DefaultClient"},
		"http.Post in a test":               {"publishers/fax/g_test.go", "package fax\nimport \"net/http\"\nfunc g() { http.Post(\"\", \"\", nil) }", "http.Post"},
		"the environment":                   {"publishers/fax/g.go", "package fax\nimport \"os\"\nfunc g() { os.Getenv(\"\") }", "os.Getenv"},
		"the end of the process":            {"queue/g.go", "package queue\nimport \"os\"\nfunc g() { os.Exit(1) }", "os.Exit"},
		"the shared logger":                 {"queue/g.go", "package queue\nimport \"log/slog\"\nfunc g() { slog.Info(\"\") }", "slog.Info"},
		"a sleep in a test":                 {"queue/g_test.go", "package queue\nimport \"time\"\nfunc g() { for { time.Sleep(1) } }", "time.Sleep wait"},
		"a sleep in a loop without an end":  {"queue/g_test.go", "package queue\nimport \"time\"\nfunc g() { for i := 0; ; time.Sleep(1) { _ = i } }", "time.Sleep wait"},
		"a sleep in the contract":           {"publishers/publishertest/g.go", "package publishertest\nimport \"time\"\nfunc g() { time.Sleep(1) }", "time.Sleep wait"},
		"func init":                         {"queue/g.go", "package queue\nfunc init() {}", "func init"},
		"an empty variable":                 {"queue/g.go", "package queue\nvar count int", "begins empty"},
		"a variable that is made":           {"queue/g.go", "package queue\nimport \"time\"\nvar start = time.Now()", "does not know as constant"},
		"a pointer":                         {"queue/g.go", "package queue\nvar p = &struct{ n int }{1}", "does not know as constant"},
		"a lock":                            {"queue/g.go", "package queue\nimport \"sync\"\nvar mu sync.Mutex", "begins empty"},
		"a variable that is assigned to":    {"queue/g.go", "package queue\nvar n = 1\nfunc f() { n = 2 }", "package variable n is assigned to"},
		"a variable that is counted up":     {"queue/g.go", "package queue\nvar n = 1\nfunc f() { n++ }", "package variable n is assigned to"},
		"a table that is added to":          {"queue/g.go", "package queue\nvar m = map[int]int{1: 1}\nfunc f() { m[2] = 2 }", "package variable m is assigned to"},
		"a table that is deleted from":      {"queue/g.go", "package queue\nvar m = map[int]int{1: 1}\nfunc f() { delete(m, 1) }", "is given to delete"},
		"a list that is appended to":        {"queue/g.go", "package queue\nvar l = []int{1}\nfunc f() []int { return append(l, 1) }", "is given to append"},
		"a variable whose address is taken": {"queue/g.go", "package queue\nvar n = 1\nfunc f() *int { return &n }", "has its address taken"},
		"a hook that a test changes":        {"queue/g_test.go", "package queue\nfunc f() { hook = nil }", "package variable hook is assigned to"},
		"another package's variable":        {"queue/g.go", "package queue\nimport \"net/http\"\nfunc f() { http.DefaultMaxHeaderBytes = 1 }", "variable of another package"},
	} {
		t.Run(name, func(t *testing.T) {
			sources := maps.Clone(sound())
			sources["queue/hook.go"] = "package queue\nimport \"time\"\nvar hook = time.Now"
			if slices.Contains(slices.Collect(maps.Keys(sources)), c.path) {
				t.Fatal("the case replaces a file")
			}
			sources[c.path] = c.source
			if b := breachesOf(t, sources); !strings.Contains(b, c.want) {
				t.Errorf("not seen: want %q, got\n%s", c.want, b)
			}
		})
	}
	rows := sound()
	delete(rows, "queue/queue.go")
	if b := breachesOf(t, rows); !strings.Contains(b, `the row "queue" has no package`) {
		t.Errorf("a row without a package is not seen: %s", b)
	}
}
