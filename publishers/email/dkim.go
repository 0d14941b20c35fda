package email

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/crieur/crieur/internal/announce"
)

// signer is one DKIM key (RFC 6376, RFC 8463).
type signer struct {
	variable string // DKIM_KEY
	options  dkim.SignOptions
	record   string // what DNS must say of the key
}

// signedHeaders are what a signature covers. Those listed once more than a mail has them cannot be added afterwards. A mail
// that goes to a mailing list leaves that list's headers to it, so that the signature outlives it.
func signedHeaders(forPeople bool) []string {
	if !forPeople {
		return []string{"From", "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Language"}
	}
	return []string{
		"From", "From", "To", "To", "Subject", "Subject", "Date", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type",
		"Content-Language", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted", "Precedence",
	}
}

// signers reads the keys; RSA signs first, because every receiver knows it.
func (c Config) signers(domain string) ([]signer, []error) {
	if c.DKIMDomain != "" {
		ascii, err := asciiDomain(c.DKIMDomain)
		if err != nil {
			return nil, []error{fmt.Errorf("DKIM_DOMAIN: must be a domain name")}
		}
		domain = ascii
	}
	var out []signer
	var errs []error
	for _, k := range []struct {
		variable, selectorVariable, selector string
		key                                  announce.Secret
	}{
		{"DKIM_KEY", "DKIM_SELECTOR", c.DKIMSelector, c.DKIMKey},
		{"DKIM_KEY_ED25519", "DKIM_SELECTOR_ED25519", c.DKIMSelectorEd25519, c.DKIMKeyEd25519},
	} {
		if k.key.Empty() {
			continue
		}
		if _, err := asciiDomain(k.selector); err != nil {
			errs = append(errs, fmt.Errorf("%s: must name the selector of %s", k.selectorVariable, k.variable))
			continue
		}
		key, record, err := readKey(k.key)
		if err == nil && k.variable == "DKIM_KEY_ED25519" {
			if _, ok := key.(ed25519.PrivateKey); !ok {
				err = fmt.Errorf("must be an Ed25519 key; an RSA key goes into DKIM_KEY")
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.variable, err))
			continue
		}
		out = append(out, signer{k.variable, dkim.SignOptions{
			Domain: domain, Selector: k.selector, Signer: key, Hash: crypto.SHA256,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		}, record})
	}
	if len(out) == 2 && out[0].options.Selector == out[1].options.Selector {
		errs = append(errs, fmt.Errorf("DKIM_SELECTOR_ED25519: must differ from DKIM_SELECTOR: each key has its own DNS record"))
	}
	return out, errs
}

// readKey reads a private key in PEM form. No error shows any of it.
func readKey(s announce.Secret) (crypto.Signer, string, error) {
	block, _ := pem.Decode([]byte(unfold(s.Reveal())))
	if block == nil {
		return nil, "", fmt.Errorf("is not a private key in PEM form (-----BEGIN PRIVATE KEY-----)")
	}
	var parsed any
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		parsed = key
	} else if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		parsed = key
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < 1024 {
			return nil, "", fmt.Errorf("is an RSA key of %d bits; receivers want 2048", key.N.BitLen())
		}
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return nil, "", fmt.Errorf("is not a key that can sign mail")
		}
		return key, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PrivateKey:
		return key, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)), nil
	}
	return nil, "", fmt.Errorf("is neither an RSA nor an Ed25519 private key")
}

// sign returns the signature headers of a whole message over the headers named, the last key's first.
func sign(signers []signer, message []byte, over []string) ([]byte, error) {
	var headers []byte
	for _, k := range signers {
		k.options.HeaderKeys = over
		s, err := dkim.NewSigner(&k.options)
		if err != nil {
			return nil, err
		}
		_, werr := s.Write(message)
		if err := s.Close(); err != nil {
			return nil, err
		}
		if werr != nil {
			return nil, werr
		}
		headers = append([]byte(s.Signature()), headers...)
	}
	return headers, nil
}

// checkKeys signs a sample with each key and looks whether receivers can verify it: by the key itself, then by what DNS says.
func (m *mailer) checkKeys(ctx context.Context) []announce.Finding {
	var out []announce.Finding
	for _, k := range m.signers {
		name := k.options.Selector + "._domainkey." + k.options.Domain
		do := fmt.Sprintf("Publish in DNS, at %s, a TXT record with: %s", name, k.record)
		if key, ok := k.options.Signer.(*rsa.PrivateKey); ok && key.N.BitLen() < 2048 {
			out = append(out, announce.Finding{What: fmt.Sprintf("%s has %d bits.", k.variable, key.N.BitLen()), Do: "Make a key of 2048 bits: openssl genrsa 2048."})
		}
		if err := selfTest(k, k.record); err != nil {
			out = append(out, announce.Finding{Severe: true, What: k.variable + " makes signatures that do not verify.", Do: "Make a new key."})
			continue
		}
		records, err := m.dns.LookupTXT(ctx, name)
		var missing *net.DNSError
		switch {
		case err != nil && (!errors.As(err, &missing) || !missing.IsNotFound):
			out = append(out, announce.Finding{What: "DNS could not be asked for " + name + ".", Do: "Look again later."})
		case err != nil || len(records) == 0:
			out = append(out, announce.Finding{Severe: true, What: "Receivers cannot verify " + k.variable + ": there is no TXT record at " + name + ".", Do: do})
		case !verifies(k, records):
			out = append(out, announce.Finding{Severe: true, What: "The TXT record at " + name + " belongs to another key than " + k.variable + ".", Do: do})
		}
		if d := k.options.Domain; d != m.domain && !strings.HasSuffix(m.domain, "."+d) {
			out = append(out, announce.Finding{What: fmt.Sprintf("DKIM_DOMAIN %s is not the domain of the sender (%s), so DMARC does not count the signature.", d, m.domain), Do: "Sign with the sender's domain."})
		}
	}
	return out
}

func verifies(k signer, records []string) bool {
	for _, r := range records {
		if selfTest(k, r) == nil {
			return true
		}
	}
	return false
}

func selfTest(k signer, record string) error {
	const sample = "From: a@example.org\r\nTo: b@example.org\r\nSubject: Test\r\n\r\nTest\r\n"
	header, err := sign([]signer{k}, []byte(sample), signedHeaders(true))
	if err != nil {
		return err
	}
	v, err := dkim.VerifyWithOptions(strings.NewReader(string(header)+sample), &dkim.VerifyOptions{
		LookupTXT: func(string) ([]string, error) { return []string{record}, nil },
	})
	if err != nil {
		return err
	}
	if len(v) != 1 {
		return fmt.Errorf("%d signatures", len(v))
	}
	return v[0].Err
}
