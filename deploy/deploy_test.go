// Package deploy holds what is needed to run Crieur in earnest. It has tests only: that the files say what the program
// understands, and keep the promises that their comments make.
package deploy

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// variables are the names in env.example, which the program writes.
func variables(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^#?(CRIEUR_[A-Z0-9_]+)=`).FindAllStringSubmatch(read(t, "env.example"), -1) {
		names = append(names, m[1])
	}
	if len(names) < 20 {
		t.Fatalf("env.example has %d variables only", len(names))
	}
	return names
}

// TestVariablesExist: every variable that a file sets or speaks of is one that the program reads.
func TestVariablesExist(t *testing.T) {
	known := append(variables(t), "CRIEUR_DOMAIN", "CRIEUR_SERVERS", "CRIEUR_PASSWORD") // the proxy's and NATS' own
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() || strings.HasSuffix(f.Name(), ".go") || f.Name() == "env.example" || strings.HasSuffix(f.Name(), ".env") {
			continue
		}
		for _, name := range regexp.MustCompile(`CRIEUR_[A-Z0-9_]+`).FindAllString(read(t, f.Name()), -1) {
			if !slices.Contains(known, name) && !slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
				t.Errorf("%s: nothing reads %s", f.Name(), name)
			}
		}
	}
}

type service struct {
	Image       string            `yaml:"image"`
	User        string            `yaml:"user"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	Security    []string          `yaml:"security_opt"`
	Grace       string            `yaml:"stop_grace_period"`
	Volumes     []string          `yaml:"volumes"`
	Secrets     []string          `yaml:"secrets"`
	Tmpfs       []string          `yaml:"tmpfs"`
	EnvFile     string            `yaml:"env_file"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Command     []string          `yaml:"command"`
	DependsOn   map[string]any    `yaml:"depends_on"`
}

type compose struct {
	Services map[string]service        `yaml:"services"`
	Volumes  map[string]map[string]any `yaml:"volumes"`
	Secrets  map[string]map[string]any `yaml:"secrets"`
	Configs  map[string]struct {
		Content string `yaml:"content"`
	} `yaml:"configs"`
}

func readCompose(t *testing.T, name string) compose {
	t.Helper()
	var c compose
	if err := yaml.Unmarshal([]byte(read(t, name)), &c); err != nil {
		t.Fatalf("%s: %s", name, yaml.FormatError(err, false, true))
	}
	return c
}

func TestCompose(t *testing.T) {
	for name, servers := range map[string]int{"compose.yaml": 1, "compose.cluster.yaml": 2} {
		c := readCompose(t, name)
		found := 0
		var states []string
		for key, s := range c.Services {
			for _, v := range s.Volumes {
				volume, _, _ := strings.Cut(v, ":")
				if _, ok := c.Volumes[volume]; !ok && !strings.HasPrefix(volume, ".") {
					t.Errorf("%s: %s uses the volume %s, which is not declared", name, key, volume)
				}
			}
			for _, secret := range s.Secrets {
				if _, ok := c.Secrets[secret]; !ok {
					t.Errorf("%s: %s uses the secret %s, which is not declared", name, key, secret)
				}
			}
			for other := range s.DependsOn {
				if _, ok := c.Services[other]; !ok {
					t.Errorf("%s: %s depends on %s, which is not there", name, key, other)
				}
			}
			for _, p := range s.Ports {
				if strings.HasPrefix(key, "crieur") && !strings.HasPrefix(p, "127.0.0.1:") {
					t.Errorf("%s: %s can be reached from elsewhere without TLS: %s", name, key, p)
				}
			}
			if s.Image != "crieur" {
				continue
			}
			found++
			states = append(states, s.Volumes...)
			if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.Security, "no-new-privileges:true") {
				t.Errorf("%s: %s may do more than it needs: %+v", name, key, s)
			}
			if s.Grace != "40s" || s.EnvFile != "crieur.env" || len(s.Tmpfs) != 1 || len(s.Volumes) != 1 || !strings.HasSuffix(s.Volumes[0], ":"+s.Environment["CRIEUR_STATE"]) {
				t.Errorf("%s: %s: %+v", name, key, s)
			}
		}
		slices.Sort(states)
		if found != servers || len(slices.Compact(states)) != servers {
			t.Errorf("%s has %d servers on %v, want %d, each with a state directory of its own", name, found, states, servers)
		}
	}
}

func TestDockerfile(t *testing.T) {
	text := read(t, "Dockerfile")
	for _, want := range []string{
		"\nFROM scratch\n", "CGO_ENABLED=0", "-trimpath", "\nUSER 65532:65532\n", "CRIEUR_STATE=/var/lib/crieur", "\nVOLUME /var/lib/crieur\n",
		"ca-certificates.crt", `CMD ["serve"]`, `HEALTHCHECK`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
	mod := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if from := regexp.MustCompile(`FROM golang:(\S+)`).FindStringSubmatch(text); mod == nil || from == nil || from[1] != mod[1] {
		t.Errorf("the Dockerfile builds with Go %v, go.mod asks for %v", from, mod)
	}
}

// TestUnit: the unit has the walls that it boasts of, and systemd understands it.
func TestUnit(t *testing.T) {
	settings := map[string][]string{}
	lines := bufio.NewScanner(strings.NewReader(read(t, "crieur.service")))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = append(settings[key], value)
		}
	}
	for key, want := range map[string]string{
		"DynamicUser": "yes", "StateDirectory": "crieur", "StateDirectoryMode": "0700", "ProtectSystem": "strict", "NoNewPrivileges": "yes",
		"CapabilityBoundingSet": "", "PrivateTmp": "yes", "MemoryDenyWriteExecute": "yes", "EnvironmentFile": "/etc/crieur/crieur.env",
		"RestartPreventExitStatus": "2", "TimeoutStopSec": "40s",
	} {
		if got := settings[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: systemd itself did not look at the unit")
		return
	}
	// The program is not installed here, and everything else in the unit must be right: it is looked at with another one.
	unit := strings.ReplaceAll(read(t, "crieur.service"), "/usr/local/bin/crieur", analyze)
	path := t.TempDir() + "/crieur.service"
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestProxies: what is for the inside stays there, and what Crieur takes is let through.
func TestProxies(t *testing.T) {
	for name, wants := range map[string][]string{
		"Caddyfile":  {"path /metrics", "max_size 8MiB", "Strict-Transport-Security"},
		"nginx.conf": {"location = /metrics", "client_max_body_size 8m;", "proxy_buffering off;", "Strict-Transport-Security"},
	} {
		text := read(t, name)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if a, b := strings.Count(text, "{"), strings.Count(text, "}"); a != b {
			t.Errorf("%s opens %d braces and closes %d", name, a, b)
		}
	}
}
