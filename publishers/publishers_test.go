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

// A channel that posts in one place can write to each subscriber instead, beside an account that posts there.
func TestPeopleInsteadOfOnePlace(t *testing.T) {
	environ := map[string]string{
		"CRIEUR_TELEGRAM_TOKEN": "1234567890:AAAAAAAAAAAAAAAAAAAAAAAAA", "CRIEUR_MATRIX_API": "https://matrix.example.org", "CRIEUR_MATRIX_TOKEN": "t",
		"CRIEUR_SLACK_TOKEN": "xoxb-1", "CRIEUR_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
	}
	for channel, place := range map[string][2]string{
		"telegram": {"CHAT", "@meetup"}, "ntfy": {"TOPIC", "meetup"}, "matrix": {"ROOM", "#meetup:example.org"}, "slack": {"CHANNEL", "C0123456789"}, "webhook": {"URL", "https://example.org/"},
	} {
		variable := Prefix(channel) + place[0]
		for people, at := range map[string]string{"true": "", "false": place[1]} {
			environ[Prefix(channel)+"PEOPLE"], environ[variable] = people, at
			accounts, err := Open([]string{channel}, environ, Deps{})
			if err != nil || accounts[0].Publisher.Limits().Personal != (people == "true") || accounts[0].Publisher.Name() != channel {
				t.Errorf("%s, people %s: %v", channel, people, err)
			}
		}
		for people, at := range map[string]string{"true": place[1], "false": ""} {
			environ[Prefix(channel)+"PEOPLE"], environ[variable] = people, at
			if _, err := Open([]string{channel}, environ, Deps{}); err == nil || !strings.Contains(err.Error(), variable+": ") {
				t.Errorf("%s, people %s at %q: %v", channel, people, at, err)
			}
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct{ channel, written, want string }{
		{"sms", "+1 (418) 555-0123", "+14185550123"}, {"telegram", " 42 ", "42"}, {"ntfy", "ada-x7Kq", "ada-x7Kq"}, {"matrix", "@ada:Example.org", "@ada:example.org"},
		{"slack", "u0123456789", "U0123456789"}, {"webhook", "https://Example.org", "https://example.org/"}, {"email", " ada@example.org ", "ada@example.org"},
	} {
		if got, err := Address(c.channel, c.written); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", c.channel, got, err)
		}
		if c.channel == "email" {
			continue
		}
		if _, err := Address(c.channel, "?"); err == nil {
			t.Errorf("%s takes anything", c.channel)
		}
	}
}
