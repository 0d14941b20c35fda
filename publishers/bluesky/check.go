package bluesky

import (
	"context"
	"net/http"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Check signs in and asks the server that keeps the account how it does.
func (c *channel) Check(ctx context.Context) (announce.Report, error) {
	s, err := c.sessions.open(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	var a struct {
		Handle string `json:"handle"`
		Active *bool  `json:"active"`
		Status string `json:"status"`
	}
	if _, err := c.sessions.call(ctx, s, rest.Call{Method: http.MethodGet, Path: "/xrpc/com.atproto.server.getSession", Into: &a}, reading); err != nil {
		return announce.Report{}, err
	}
	report := announce.Report{Identity: "@" + a.Handle + " on " + s.server.Base()}
	add := func(severe bool, what, do string) {
		report.Findings = append(report.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if a.Active != nil && !*a.Active {
		add(true, "the account is not active ("+a.Status+")", "look at the account in Bluesky")
	}
	if a.Handle == "handle.invalid" {
		add(false, "the account's name no longer leads to it, so readers see Invalid Handle", "set the name anew in Bluesky: Settings, Account, Handle")
	}
	if s.scope == "com.atproto.access" {
		add(false, "APP_PASSWORD is the account's own password, which can do anything", "make an app password (Settings, Privacy and security, App passwords), put it in APP_PASSWORD")
	}
	return report, nil
}
