package announce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretNeverPrints(t *testing.T) {
	const value = "xoxb-4242"
	s := NewSecret(value)
	holder := struct {
		Token Secret
		Ptr   *Secret
	}{s, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %[1]v", "%10s"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", holder)
		fmt.Fprintf(&out, verb+"\n", []Secret{s})
	}
	fmt.Fprintln(&out, s, holder, fmt.Errorf("wrong: %w %v", fmt.Errorf("%v", s), s))
	if err := json.NewEncoder(&out).Encode(map[string]any{"a": s, "b": holder}); err != nil {
		t.Fatal(err)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "secret", s, "holder", holder, slog.Group("g", "s", &s))
	}
	hex := fmt.Sprintf("%x", value)
	if got := out.String(); strings.Contains(got, value) || strings.Contains(strings.ToLower(got), hex) {
		t.Errorf("the secret printed:\n%s", got)
	}
	if s.Reveal() != value || !strings.Contains(out.String(), masked) {
		t.Error("the secret is lost, or nothing was printed")
	}
}
