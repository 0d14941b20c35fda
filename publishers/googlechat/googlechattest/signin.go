package googlechattest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signIn trades a signed assertion for an access token, as RFC 7523 has it.
func (p *Platform) signIn(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	no := func(word string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": word, "error_description": "simulated"})
	}
	parts := strings.Split(r.PostFormValue("assertion"), ".")
	if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 {
		no("invalid_request")
		return
	}
	var head struct{ Alg, Typ, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	now := time.Now().Unix()
	switch {
	case err != nil, !part(parts[0], &head), !part(parts[1], &claims), head.Alg != "RS256", head.Kid != "simulated-key", p.chat.Disabled,
		rsa.VerifyPKCS1v15(&account().key.PublicKey, crypto.SHA256, sum[:], signature) != nil,
		claims.Iss != email, claims.Aud != p.server.URL+"/token", claims.Iat > now, claims.Exp < now, claims.Exp-claims.Iat > 3600:
		no("invalid_grant")
	case claims.Scope != "https://www.googleapis.com/auth/chat.bot":
		no("invalid_scope")
	default:
		token := "simulated-access-token-" + strconv.Itoa(len(p.tokens)+1) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
		p.tokens[token] = true
		answer(w, map[string]any{"access_token": token, "expires_in": 3599, "token_type": "Bearer"})
	}
}

func part(s string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && json.Unmarshal(b, into) == nil
}
