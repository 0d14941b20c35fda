package website

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// plainScalar needs no quotes in any YAML, not even between the brackets of a list: a letter first, then nothing that
// means something.
var plainScalar = regexp.MustCompile(`^\pL(?:[\pL\pN_.' -]*[\pL\pN.'])?$`)

// reserved are words that some YAML reads as something else than text.
func reserved(s string) bool {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return true
	}
	return false
}

// encodeYAML writes a value on one line, such that every YAML reads the same value back, wherever in a document it stands.
func encodeYAML(v any) (string, error) {
	if t, ok := v.(time.Time); ok {
		v = t.Format(time.RFC3339)
	}
	s, ok := v.(string)
	switch {
	case !ok:
		return encodeJSON(v)
	case plainScalar.MatchString(s) && !reserved(s):
		return s, nil
	case strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u00a0' && r != '\u202f' }) < 0 && s != "":
		return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
	}
	return encodeJSON(s)
}

// encodeJSON writes JSON, which is YAML, with escapes for everything that YAML does not take as it is.
func encodeJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String(), nil
}
