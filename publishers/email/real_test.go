package email

import (
	"flag"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jhillyerd/enmime/v2"

	"github.com/crieur/crieur/internal/announce"
)

var (
	relayAt = flag.String("relay", "", "address of a real mail server")
	maildir = flag.String("maildir", "", "folder in which it keeps the mail of ada@example.org")
	keysIn  = flag.String("keys", "", "folder of rsa.pem and ed.pem, whose selectors are rsa and ed")
)

// TestRealServers sends an event through a real mail server that verifies signatures, and reads what a mailbox got.
func TestRealServers(t *testing.T) {
	if *relayAt == "" {
		t.Skip("without -relay there is no real mail server; .ci/servers/mail runs this test with one")
	}
	host, port, err := net.SplitHostPort(*relayAt)
	if err != nil {
		t.Fatal(err)
	}
	number, _ := strconv.Atoi(port)
	key := func(name string) announce.Secret {
		b, err := os.ReadFile(filepath.Join(*keysIn, name))
		if err != nil {
			t.Fatal(err)
		}
		return announce.NewSecret(string(b))
	}
	p, err := New(Config{
		Host: host, Port: number, TLS: tlsNone, From: "Rencontres du Fjord <annonces@example.org>", Connections: 1, PerConnection: 10,
		Timeout: 10 * time.Second, TimeoutFinal: time.Minute, UnsubscribeMailto: "adieu@example.org",
		DKIMSelector: "rsa", DKIMKey: key("rsa.pem"), DKIMSelectorEd25519: "ed", DKIMKeyEd25519: key("ed.pem"),
	}, testSite)
	if err != nil {
		t.Fatal(err)
	}
	msg := event(t)
	msg.To, msg.Name, msg.Subject = "ada@example.org", "Zoé", "Fête de l’été 🎉"
	msg.Text = "Bonjour" + announce.NameMark + ",\n\nC’est l’été 🎉 : « venez ».\n" + strings.Repeat("Une longue ligne avec des accents éèàù. ", 10) + "\n.\n" + announce.UnsubscribeMark + "\n"
	msg.HTML = "<p>Bonjour" + announce.NameMark + ",</p><p>C’est l’été 🎉 : « venez ».</p><a href=\"" + announce.UnsubscribeMark + "\">Se désabonner</a>"
	if _, err := p.Publish(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	var files []os.DirEntry
	for end := time.Now().Add(30 * time.Second); len(files) == 0; time.Sleep(50 * time.Millisecond) {
		if files, _ = os.ReadDir(*maildir); time.Now().After(end) {
			t.Fatal("the mail did not arrive")
		}
	}
	raw, err := os.ReadFile(filepath.Join(*maildir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	e, err := enmime.ReadEnvelope(strings.NewReader(string(raw)))
	if err != nil || len(e.Errors) > 0 {
		t.Fatal(err, e.Errors)
	}
	if got := e.GetHeader("Authentication-Results"); strings.Count(got, "dkim=pass") != 2 {
		t.Errorf("OpenDKIM says %q", got)
	}
	for name, want := range map[string]string{
		"Subject": msg.Subject, "List-Unsubscribe": "<" + msg.Unsubscribe + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		"List-Id": "<announcements.example.org>", "Auto-Submitted": "auto-generated", "Precedence": "bulk", "Content-Language": "fr",
		"Delivered-To": "ada@example.org",
	} {
		if got := e.GetHeader(name); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	want := strings.NewReplacer(announce.NameMark, " Zoé", announce.UnsubscribeMark, msg.Unsubscribe).Replace(msg.Text)
	if got := strings.ReplaceAll(e.Text, "\r\n", "\n"); got != want { // a Maildir ends lines by LF
		t.Errorf("text:\n%q", got)
	}
}
