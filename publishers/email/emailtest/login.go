package emailtest

import (
	"encoding/base64"
	"strings"
)

// login is AUTH, PLAIN and LOGIN. Its refusal repeats the password, as rude servers do.
func (s *session) login(rest string) error {
	if !s.secure {
		s.p.note(func(t *Stats) { t.Cleartext++ })
		if !s.p.options.Open {
			return s.say("538 5.7.11 encryption required")
		}
	}
	mechanism, initial, _ := strings.Cut(rest, " ")
	ask := func(prompt string) (string, error) {
		if s.say("334 "+base64.StdEncoding.EncodeToString([]byte(prompt))) != nil || s.w.Flush() != nil {
			return "", errOver
		}
		line, err := s.line()
		if err != nil || line == "*" {
			return "", errHandled
		}
		b, err := base64.StdEncoding.DecodeString(line)
		return string(b), err
	}
	var user, password string
	var err error
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		var b []byte
		if initial == "" {
			var answer string
			answer, err = ask("")
			b = []byte(answer)
		} else {
			b, err = base64.StdEncoding.DecodeString(initial)
		}
		if parts := strings.Split(string(b), "\x00"); err == nil && len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case "LOGIN":
		if user, err = ask("Username:"); err == nil {
			password, err = ask("Password:")
		}
	default:
		return s.say("504 5.5.4 not that way")
	}
	switch {
	case err == errOver:
		return err
	case err != nil:
		return s.say("501 5.5.2 cancelled")
	case user != Username || password != Password:
		return s.say("535 5.7.8 " + password + " is not the password of " + user) // rude, and it happens
	}
	s.known = true
	s.p.note(func(t *Stats) { t.Logins++ })
	return s.say("235 2.7.0 welcome")
}
