package announce

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret holds a value that never prints: not under any fmt verb, not in JSON, not in slog. It can be compared with ==
// only to itself. The zero Secret is empty.
type Secret struct{ v *string }

const masked = "***"

// NewSecret hides s.
func NewSecret(s string) Secret { return Secret{&s} }

// Reveal returns the hidden value. Call it only where the value leaves for its platform.
func (s Secret) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// Empty reports whether there is nothing to hide.
func (s Secret) Empty() bool { return s.v == nil || *s.v == "" }

// UnmarshalText reads a secret from configuration.
func (s *Secret) UnmarshalText(b []byte) error { *s = NewSecret(string(b)); return nil }

func (s Secret) String() string               { return masked }
func (s Secret) GoString() string             { return masked }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(masked)) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(masked) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(masked) }
