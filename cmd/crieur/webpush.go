package main

import (
	"fmt"

	"github.com/crieur/crieur/publishers/webpush"
)

type webpushCmd struct {
	Keys webpushKeysCmd `cmd:"" help:"Make the key that browsers subscribe with, and print it once."`
}

func (webpushCmd) Help() string {
	return "Example:\n  crieur webpush keys"
}

type webpushKeysCmd struct{}

func (webpushKeysCmd) Help() string {
	return "Make it once and keep it: a subscription holds for the key that it was made with.\n\nExample:\n  crieur webpush keys >> /etc/crieur/crieur.env"
}

func (webpushKeysCmd) Run(s *session) error {
	private, err := webpush.NewKey()
	if err != nil {
		return err
	}
	public, err := webpush.PublicKey(private)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "# Public key, which browsers are given: %s\nCRIEUR_WEBPUSH_KEY=%s\n", public, private.Reveal())
	return err
}
