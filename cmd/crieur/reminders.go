package main

import (
	"fmt"
	"strings"

	"github.com/crieur/crieur/internal/broadcast"
)

// reminders prints what becomes of each reminder of an announcement.
func (s *session) reminders(all []broadcast.Wave) {
	for _, r := range all {
		line := fmt.Sprintf("%s %s: %s, %s", r.Kind, r.At, r.State, moment(r.Due))
		if r.Child != "" {
			line += fmt.Sprintf(" (crieur status %s)", r.Child)
		}
		if r.Delivery != "" {
			line = strings.Replace(line, string(r.State), s.painter().state(string(r.Delivery)), 1)
		}
		if r.Why != "" {
			line += ": " + r.Why
		}
		fmt.Fprintln(s.out, line)
	}
}
