package googlechat

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const (
	scope   = "https://www.googleapis.com/auth/chat.bot"
	life    = time.Hour       // of an assertion; Google's most
	early   = 2 * time.Minute // before its end a token is not used any more
	backlog = 10 * time.Second
)

// keyring makes access tokens from a service account's key (RFC 7523), and keeps the last. Safe for concurrent use.
type keyring struct {
	client   *rest.Client
	email    string
	id       string
	audience string
	key      *rsa.PrivateKey

	mu    sync.Mutex
	last  announce.Secret
	until time.Time
}

// readKey reads the JSON file that Google gives for a service account. The error shows nothing of it.
func readKey(s announce.Secret) (*keyring, error) {
	var file struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
		ID    string `json:"private_key_id"`
		Token string `json:"token_uri"`
	}
	if json.Unmarshal([]byte(s.Reveal()), &file) != nil || file.Type != "service_account" || file.Email == "" {
		return nil, errors.New("is not the JSON key of a service account: download one (IAM & Admin, Service accounts, Keys, Add key) and give its whole content, best with CREDENTIALS_FILE")
	}
	block, _ := pem.Decode([]byte(file.Key))
	if block == nil {
		return nil, errors.New("holds no private key: download a new JSON key of the service account")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("holds a private key that cannot be read: download a new JSON key of the service account")
	}
	if rest.CheckAddress(file.Token) != nil {
		return nil, errors.New("names no address for tokens (token_uri): download a new JSON key of the service account")
	}
	client, err := rest.New("Google's sign-in", file.Token, nil)
	if err != nil {
		return nil, errors.New("names no address for tokens (token_uri): download a new JSON key of the service account")
	}
	return &keyring{client: client, email: file.Email, id: file.ID, audience: file.Token, key: key}, nil
}

// token returns an access token, and whether it is new. Nothing but a token is made by it.
func (k *keyring) token(ctx context.Context) (announce.Secret, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if !k.last.Empty() && now.Before(k.until) {
		return k.last, false, nil
	}
	assertion, err := k.sign(now)
	if err != nil {
		return announce.Secret{}, false, &announce.Error{Outcome: announce.Permanent, Stop: true, Err: err, Fault: "the private key in CREDENTIALS signs nothing: download a new JSON key, then resume the account"}
	}
	var answer struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	_, err = k.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Raw: []byte(form.Encode()), Type: "application/x-www-form-urlencoded", Into: &answer, Classify: refusedToken,
	})
	if err != nil {
		return announce.Secret{}, false, err
	}
	if answer.Token == "" {
		return announce.Secret{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "Google's sign-in gave no access token: it will be tried again"}
	}
	k.last, k.until = announce.NewSecret(answer.Token), now.Add(time.Duration(answer.Seconds)*time.Second-early)
	return k.last, true, nil
}

// forget drops a token that was refused.
func (k *keyring) forget(token announce.Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == token {
		k.last = announce.Secret{}
	}
}

// sign makes a JWT that says who asks for a token, signed by RS256.
func (k *keyring) sign(now time.Time) (string, error) {
	issued := now.Add(-backlog) // a clock a little ahead of Google's is forgiven
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": k.id})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iss": k.email, "scope": scope, "aud": k.audience, "iat": issued.Unix(), "exp": issued.Add(life).Unix()})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// refusedToken knows the sign-in's words (RFC 6749 section 5.2).
func refusedToken(status int, header http.Header, body []byte) *announce.Error {
	var refusal struct {
		Error any `json:"error"`
	}
	_ = json.Unmarshal(body, &refusal) // not JSON: no word
	word, _ := refusal.Error.(string)
	e := &announce.Error{Outcome: announce.Permanent, Stop: true, Status: strconv.Itoa(status)}
	switch {
	case status == http.StatusTooManyRequests:
		return limited(header)
	case status < 400 || status >= 500:
		return nil
	case word == "invalid_grant":
		e.Status, e.Fault = word, "Google does not accept the service account's key (deleted, or this machine's clock is wrong): put a new JSON key in CREDENTIALS, then resume the account"
	default:
		e.Fault = "Google does not let the service account in: check that it exists and is enabled, or put a new JSON key in CREDENTIALS, then resume the account"
	}
	return e
}
