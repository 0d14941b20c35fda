package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// weekly is the schedule that the program gives the weekly digest.
func weekly(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`\('weekly', '([^']+)'`).FindStringSubmatch(read(t, "../internal/store/migrations/sqlite/00002_people.sql"))
	if m == nil {
		t.Fatal("the program has no weekly digest")
	}
	return m[1]
}

// TestDigestCron: the line is one of crontab(5), at the digest's own time, and everything else is a comment or a variable.
func TestDigestCron(t *testing.T) {
	jobs := 0
	for line := range strings.Lines(read(t, "digest.cron")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || regexp.MustCompile(`^[A-Z_]+=\S+$`).MatchString(line) {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 6 || strings.Join(f[:5], " ") != weekly(t) || !slices.Equal(f[5:], []string{"/usr/local/bin/crieur", "digest", "run", "weekly"}) {
			t.Errorf("%q does not start the weekly digest when it is due", line)
		}
		jobs++
	}
	if jobs != 1 {
		t.Errorf("%d jobs", jobs)
	}
}

func TestDigestCronJob(t *testing.T) {
	var j struct {
		Kind string `yaml:"kind"`
		Spec struct {
			Schedule    string `yaml:"schedule"`
			Zone        string `yaml:"timeZone"`
			Concurrency string `yaml:"concurrencyPolicy"`
			Job         struct {
				Spec struct {
					Template struct {
						Spec struct {
							Restart    string `yaml:"restartPolicy"`
							Containers []struct {
								Args     []string         `yaml:"args"`
								Env      []map[string]any `yaml:"env"`
								Security struct {
									Escalation bool                `yaml:"allowPrivilegeEscalation"`
									ReadOnly   bool                `yaml:"readOnlyRootFilesystem"`
									Caps       map[string][]string `yaml:"capabilities"`
								} `yaml:"securityContext"`
							} `yaml:"containers"`
						} `yaml:"spec"`
					} `yaml:"template"`
				} `yaml:"spec"`
			} `yaml:"jobTemplate"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "digest-cronjob.yaml")), &j); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	pod := j.Spec.Job.Spec.Template.Spec
	if j.Kind != "CronJob" || j.Spec.Schedule != weekly(t) || j.Spec.Zone == "" || j.Spec.Concurrency != "Forbid" || pod.Restart != "OnFailure" || len(pod.Containers) != 1 {
		t.Fatalf("%+v", j)
	}
	c := pod.Containers[0]
	if !slices.Equal(c.Args, []string{"digest", "run", "weekly"}) || c.Security.Escalation || !c.Security.ReadOnly || !slices.Equal(c.Security.Caps["drop"], []string{"ALL"}) {
		t.Errorf("%+v", c)
	}
	for _, e := range c.Env {
		if e["name"] == "CRIEUR_TOKEN" && e["value"] != nil {
			t.Error("the token stands in the file")
		}
	}
}

// TestDigestTimer: the timer starts the unit, at the digest's own time, and systemd understands both.
func TestDigestTimer(t *testing.T) {
	if timer := read(t, "crieur-digest-weekly.timer"); !strings.Contains(timer, "\nOnCalendar=Mon *-*-* 08:00:00 America/Toronto\n") || !strings.Contains(timer, "\nPersistent=true\n") ||
		!strings.Contains(timer, "\nUnit=crieur-digest@weekly.service\n") || weekly(t) != "0 8 * * 1" {
		t.Error("the timer is not when the weekly digest is due")
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: systemd itself did not look at the units")
		return
	}
	dir := t.TempDir()
	for from, to := range map[string]string{"crieur-digest@.service": "crieur-digest@weekly.service", "crieur-digest-weekly.timer": "crieur-digest-weekly.timer"} {
		unit := strings.ReplaceAll(read(t, from), "/usr/local/bin/crieur", analyze) // the program is not installed here
		if err := os.WriteFile(filepath.Join(dir, to), []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, "crieur-digest-weekly.timer"), filepath.Join(dir, "crieur-digest@weekly.service")).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
