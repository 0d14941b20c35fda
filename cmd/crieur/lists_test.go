package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/internal/web/client"
)

// commandIn runs a command on a state directory.
func commandIn(t *testing.T, dir, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, []string{"CRIEUR_STATE=" + dir, "CRIEUR_CHANNELS=feed"}, streams{strings.NewReader(in), &o, &e})
	return code, o.String(), e.String()
}

func TestImportAndExport(t *testing.T) {
	t.Parallel()
	here, there, files := shortDir(t), shortDir(t), t.TempDir()
	file, report := filepath.Join(files, "subscribed_email_audience_export.csv"), filepath.Join(files, "refused.csv")
	list := "Email Address,First Name,Last Name,CONFIRM_TIME,CONFIRM_IP,LEID,TAGS\n" +
		"ada@example.org,Ada,\"Lovelace, Countess\",2020-01-02 03:04:05,203.0.113.9,1,\"\"\"ateliers\"\"\"\n" +
		"=1+1,Bob,,,,2,\n" +
		"\"open@example.org,Bob,,,,3,\n" +
		"zoe@example.org,=Zoë,,,,4,gold\n" +
		"Ada@Example.org,Ada,,,,5,\n"
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := commandIn(t, here, "", "topics", "add", "ateliers"); code != exitDone {
		t.Fatal(errs)
	}
	code, out, errs := commandIn(t, here, "", "subscribers", "import", file, "--dry-run")
	if _, all, _ := commandIn(t, here, "", "subscribers", "export"); code != exitFailed || strings.Contains(all, "ada") || !strings.Contains(out, "would be added") {
		t.Errorf("a dry run: exit %d\n%s%s%s", code, out, errs, all)
	}
	code, out, errs = commandIn(t, here, "", "subscribers", "import", file, "--report", report, "--language", "fr", "--how", "register of 2020")
	if code != exitFailed || !strings.Contains(errs, "gold (1)") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][0] != "3" || !strings.HasPrefix(rows[1][3], "'=1+1") || rows[2][0] != "4" || rows[2][3] != "\"open@example.org,Bob,,,,3," {
		t.Errorf("report: %q, %v", rows, err)
	}
	_, first, _ := commandIn(t, here, "", "subscribers", "export")
	for _, want := range []string{"\nemail,ada@example.org,\"Ada Lovelace, Countess\",fr,,active,now,true,ateliers,", "\nemail,zoe@example.org,'=Zoë,fr,"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is not in\n%s", want, first)
		}
	}
	if code, out, _ = commandIn(t, here, "", "subscribers", "import", file); code != exitFailed || !strings.Contains(out, "added                  0") {
		t.Errorf("again: exit %d\n%s", code, out)
	}
	if _, second, _ := commandIn(t, here, "", "subscribers", "export"); second != first {
		t.Errorf("the second time something changed:\n%s", second)
	}
	_, proof, _ := commandIn(t, here, "", "subscribers", "proof", "ada@example.org")
	for _, want := range []string{"2020-01-02T03:04:05Z  confirmed", "203.0.113.0/24", "line 2: register of 2020", "import subscribed_email_audience_export.csv"} {
		if !strings.Contains(proof, want) {
			t.Errorf("%q is not in the proof\n%s", want, proof)
		}
	}
	if _, _, errs := commandIn(t, there, "", "topics", "add", "ateliers"); errs != "" {
		t.Fatal(errs)
	}
	if code, out, errs := commandIn(t, there, first, "subscribers", "import", "-"); code != exitDone {
		t.Errorf("what was exported is not taken in: exit %d\n%s%s", code, out, errs)
	}
	_, moved, _ := commandIn(t, there, "", "subscribers", "export")
	if got, want := undated(t, moved), undated(t, first); !slices.Equal(got, want) {
		t.Errorf("moved:\n%q\nwant\n%q", got, want)
	}
	for _, args := range [][]string{{"no.csv"}, {file, "--topic", "nothing"}, {file, "--language", "klingonesque"}} {
		if code, _, errs := commandIn(t, here, "", append([]string{"subscribers", "import"}, args...)...); code != exitInput || errs == "" {
			t.Errorf("%q: exit %d, %s", args, code, errs)
		}
	}
}

// undated is an export without the moments and what hangs on them.
func undated(t *testing.T, export string) (all []string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(export)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		all = append(all, strings.Join(r[:len(r)-4], "|"))
	}
	return all
}

// What is wrong on standard input is named by its line, also behind comments and beyond the first batch.
func TestWrongLinesOfAddedPeople(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	in.WriteString("# members\n\n")
	for i := range 1200 {
		fmt.Fprintf(&in, "p%d@example.org\n", i)
	}
	in.WriteString("\nnobody\n")
	code, out, errs := commandIn(t, shortDir(t), in.String(), "subscribers", "add", "-")
	if code != exitInput || !strings.Contains(errs, "line 1204 address") || strings.Contains(errs, "subscribers[") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

// An export has what people chose, and when and how they agreed to what.
func TestExportOfChoices(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	for _, args := range [][]string{
		{"add", "ada@example.org", "--how", "sheet", "--words", "Yes"}, {"change", "ada@example.org", "--pause", "2035-03-14", "--quiet", "22:00-07:00"},
	} {
		if code, _, errs := commandIn(t, dir, "", append([]string{"subscribers"}, args...)...); code != exitDone {
			t.Fatal(errs)
		}
	}
	_, table, _ := commandIn(t, dir, "", "subscribers", "export")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	ada := map[string]string{}
	for i, name := range rows[0] {
		ada[name] = rows[1][i]
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("Yes")))
	if ada["paused_until"] != "2035-03-14T00:00:00Z" || ada["quiet"] != "22:00-07:00" || ada["frequency"] != "now" || !strings.Contains(ada["consents"], `"how":"sheet","basis":"express","wording":"`+sum) {
		t.Errorf("%v", ada)
	}
	_, lines, _ := commandIn(t, dir, "", "subscribers", "export", "--format", "ndjson")
	if !strings.Contains(lines, `"words":"Yes"`) || !strings.Contains(lines, `"quiet":"22:00-07:00"`) {
		t.Error(lines)
	}
	there := shortDir(t)
	if code, _, errs := commandIn(t, there, table, "subscribers", "import", "-"); code != exitDone {
		t.Errorf("what was exported is not taken in: %s", errs)
	}
}

// Killed in the middle, an import goes on where it was: nobody is missing or counted twice, every refusal is told once.
func TestImportGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	const lines, every = 60_000, 1000
	binary, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	dir, files := shortDir(t), t.TempDir()
	file, report := filepath.Join(files, "list.csv"), filepath.Join(files, "refused.csv")
	var b strings.Builder
	b.WriteString("email,name\n")
	for i := range lines {
		if i%every == every/2 {
			fmt.Fprintf(&b, "broken%d,x\n", i)
		} else {
			fmt.Fprintf(&b, "reader%d@example.org,\"Reader, %d\"\n", i*7919%lines, i)
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "subscribers", "import", file, "--report", report)
	cmd.Env = []string{"CRIEUR_STATE=" + dir, "CRIEUR_CHANNELS=feed"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := 0
	for limit := time.Now().Add(2 * time.Minute); told < 2 && time.Now().Before(limit); time.Sleep(time.Millisecond) {
		b, _ := os.ReadFile(report)
		told = bytes.Count(b, []byte("\n"))
	}
	if told < 2 {
		t.Fatal("nothing was told for two minutes")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	code, out, errs := commandIn(t, dir, "", "subscribers", "import", file, "--report", report)
	if code != exitFailed || !strings.Contains(errs, "Going on after line") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	for what, want := range map[string]int{"added": lines - lines/every, "on the list already": 0, "refused: broken lines": lines / every} {
		if got := summed(t, out, what); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	all, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(all)).ReadAll()
	if err != nil || len(rows) != 1+lines/every {
		t.Fatalf("%d refusals, %v", len(rows)-1, err)
	}
	for i, r := range rows[1:] {
		if want := strconv.Itoa(2 + i*every + every/2); r[0] != want {
			t.Errorf("refusal %d is of line %s, want %s", i, r[0], want)
		}
	}
	if _, all, _ := commandIn(t, dir, "", "subscribers", "export"); strings.Count(all, "\n") != 1+lines-lines/every {
		t.Errorf("%d people are on the list", strings.Count(all, "\n")-1)
	}
}

// summed is a number of a summary.
func summed(t *testing.T, summary, what string) int {
	t.Helper()
	for line := range strings.Lines(summary) {
		if rest, ok := strings.CutPrefix(line, what+" "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			if err == nil {
				return n
			}
		}
	}
	t.Errorf("%q is not in\n%s", what, summary)
	return -1
}

// A server tells how far it came while the list is still on its way, and its export can be read back.
func TestImportOverHTTP(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	made, err := d.CreateToken(t.Context(), "form", []string{web.ScopeSubscribers})
	if err != nil {
		t.Fatal(err)
	}
	form := client.New(d.url, announce.NewSecret(made.Secret), http.DefaultTransport)
	if _, err := form.ImportSubscribers(t.Context(), strings.NewReader("email\n"), web.ListImport{}, nil); !status(err, http.StatusForbidden) {
		t.Errorf("a token that may not: %v", err)
	}
	if _, err := d.ImportSubscribers(t.Context(), strings.NewReader("a,b\n"), web.ListImport{}, nil); !status(err, http.StatusUnprocessableEntity) || !strings.Contains(err.Error(), "no column holds mail addresses") {
		t.Errorf("no list: %v", err)
	}
	body, list := io.Pipe()
	heard := make(chan int, 1000)
	go func() {
		_, _ = io.WriteString(list, "email\n")
		for i := range 12_000 {
			_, _ = fmt.Fprintf(list, "new%d@example.org\n", i)
		}
		for n := range heard { // the rest is sent after something was heard
			if n > 0 {
				break
			}
		}
		_, _ = io.WriteString(list, "nobody\n")
		_ = list.Close()
	}()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var refused []web.RefusedLine
	last, err := d.ImportSubscribers(ctx, body, web.ListImport{File: "x.csv"}, func(n web.ImportNews) error {
		heard <- n.Lines
		refused = append(refused, n.Refused...)
		return nil
	})
	if err != nil || last.Added != 12_000 || last.Broken != 1 || len(refused) != 1 || refused[0].Line != 12_002 {
		t.Errorf("%+v, refused %+v, %v", last, refused, err)
	}
	for format, want := range map[string]int{"csv": 12_001, "ndjson": 12_000} {
		var out bytes.Buffer
		if err := d.ExportSubscribers(ctx, web.ListExport{Format: format}, &out); err != nil || bytes.Count(out.Bytes(), []byte("@example.org")) < 12_000 || bytes.Count(out.Bytes(), []byte("\n")) < want {
			t.Errorf("%s: %d lines, %v", format, bytes.Count(out.Bytes(), []byte("\n")), err)
		}
	}
}
