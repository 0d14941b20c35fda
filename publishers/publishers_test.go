package publishers

import (
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

func TestOpenNamesEveryMistake(t *testing.T) {
	_, err := Open([]string{"slack", "slack@partners", "fax", "email", "slack"}, map[string]string{
		"CRIEUR_SLACK_TOKEN": "xoxb-1", "CRIEUR_EMAIL_FROM": "nobody",
	}, Deps{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"CRIEUR_SLACK_CHANNEL", "CRIEUR_SLACK_PARTNERS_", "fax", "CRIEUR_EMAIL_HOST", "slack twice"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "xoxb-1") {
		t.Error("a secret is in the error")
	}
}

func TestAccountsOfOneChannel(t *testing.T) {
	accounts, err := Open([]string{"slack", "slack@partners"}, map[string]string{
		"CRIEUR_SLACK_TOKEN": "xoxb-1", "CRIEUR_SLACK_CHANNEL": "C012345678",
		"CRIEUR_SLACK_PARTNERS_WEBHOOK": "https://hooks.slack.com/services/T/B/x", "CRIEUR_SLACK_PARTNERS_LANGUAGE": "en",
	}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if len(accounts) != 2 || accounts[1].Name != "slack@partners" || !slices.Equal(accounts[1].Languages, []announce.Language{"en"}) || accounts[0].Languages != nil {
		t.Fatalf("%+v", accounts)
	}
	if _, edits := accounts[0].Publisher.(announce.Amender); !edits {
		t.Error("a bot cannot edit")
	}
	if _, edits := accounts[1].Publisher.(announce.Amender); edits {
		t.Error("a webhook can edit")
	}
}

func TestReads(t *testing.T) {
	for name, want := range map[string]bool{
		"CRIEUR_SLACK_TOKEN": true, "CRIEUR_SLACK_PARTNERS_TOKEN": true, "CRIEUR_SLACK_LANGUAGE": true, "CRIEUR_SLACK_TOKN": false, "CRIEUR_SLAKC_TOKEN": false,
	} {
		if got := Reads(name); got != want {
			t.Errorf("Reads(%s) is %v", name, got)
		}
	}
}
