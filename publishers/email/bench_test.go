package email

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// long is a mail of about 13 kB, as an announcement with a programme is.
func long() announce.Message {
	m := message(1)
	m.Text = strings.Repeat("Bonjour, l’été arrive : une soirée, deux présentations, un café.\n", 50) + announce.UnsubscribeMark + "\n"
	m.HTML = "<style>\n.a { color: #111 }\n</style>" + strings.Repeat("<tr><td style=\"font-family: sans-serif\">Bonjour, l’été arrive</td></tr>\n", 100) + `<a href="` + announce.UnsubscribeMark + `">Se désabonner</a>`
	return m
}

func BenchmarkCompose(b *testing.B) {
	m, _ := start(b, emailtest.Options{Forget: true}, nil)
	msg := long()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var fault *announce.Error
		if buf, _, _, fault = m.compose(buf[:0], "ada@example.org", msg); fault != nil {
			b.Fatal(fault)
		}
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name   string
		n      int
		tls    string
		change func(*Config)
	}{
		{"1 connection", 1, tlsNone, nil},
		{"10 connections", 10, tlsNone, nil},
		{"10 connections, TLS", 10, tlsStart, nil},
		{"10 connections, Ed25519", 10, tlsNone, func(c *Config) { c.DKIMKeyEd25519, c.DKIMSelectorEd25519 = ed25519Key(b), "e" }},
		{"10 connections, RSA-2048", 10, tlsNone, func(c *Config) { c.DKIMKey, c.DKIMSelector = rsaKey(b), "r" }},
	} {
		b.Run(c.name, func(b *testing.B) {
			m, p := start(b, emailtest.Options{Forget: true, Open: c.tls == tlsNone}, func(cfg *Config) {
				cfg.TLS, cfg.Connections = c.tls, c.n
				if c.change != nil {
					c.change(cfg)
				}
			})
			msg := long()
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(max(1, c.n/2))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					one := msg
					i := n.Add(1)
					one.Key, one.To = fmt.Sprintf("delivery-%d", i), fmt.Sprintf("ada%d@example.org", i)
					if _, err := m.Publish(context.Background(), one); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
			if p.Count("") != int(n.Load()) {
				b.Errorf("%d of %d mails", p.Count(""), n.Load())
			}
		})
	}
}
