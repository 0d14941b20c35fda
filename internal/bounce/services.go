package bounce

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// postmark reads https://postmarkapp.com/developer/webhooks/bounce-webhook and its neighbours. There is no signature: the user
// name and password in the address of our webhook are what proves it.
func postmark(r Reader, username string, password announce.Secret) *hook {
	want := sha256.Sum256([]byte(username + "\x00" + password.Reveal()))
	return newHook(func(req *http.Request, body []byte, now time.Time) (delivered, error) {
		u, p, _ := req.BasicAuth()
		if got := sha256.Sum256([]byte(u + "\x00" + p)); subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return delivered{}, errSignature
		}
		var e struct {
			RecordType, Type, Email, Recipient, Details, Description, Origin string
			ID                                                               json.Number
			MessageID                                                        string
			BouncedAt, ChangedAt                                             string
			SuppressSending                                                  bool
			Metadata                                                         map[string]string
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return delivered{}, errShape
		}
		report := Report{
			Source: sourcePostmark, ID: digest(sourcePostmark, e.RecordType, e.ID.String(), e.MessageID, e.Email, e.ChangedAt), Token: r.plain(e.Metadata["token"]),
			Address: address(e.Email), At: past(moment(e.BouncedAt), now), Detail: oneLine(e.Details + " " + e.Description),
		}
		said, status := judge("", e.Details)
		report.Status = status
		switch e.RecordType {
		case "Bounce", "SpamComplaint":
			switch e.Type {
			case "HardBounce", "BadEmailAddress":
				report.Class = Hard
			case "SoftBounce", "Transient", "DnsError":
				report.Class = Soft
			case "SpamNotification", "VirusNotification", "Blocked", "SMTPApiError", "DMARCPolicy":
				report.Class = Block
			case "SpamComplaint":
				report.Class = Complaint
			case "Unsubscribe":
				report.Class = Unsubscribe
			case "AutoResponder", "ChallengeVerification", "Subscribe", "AddressChange", "OpenRelayTest", "Unknown", "ManuallyDeactivated", "Unconfirmed", "InboundError", "TemplateRenderingFailed":
				return delivered{}, nil
			default:
				return delivered{}, errShape
			}
			if said == Block && (report.Class == Hard || report.Class == Soft) {
				report.Class = Block
			}
		case "SubscriptionChange":
			if !e.SuppressSending || e.Origin != "Recipient" {
				return delivered{}, nil
			}
			report.Class, report.Address, report.At = Unsubscribe, address(e.Recipient), past(moment(e.ChangedAt), now)
			report.ID = digest(sourcePostmark, e.RecordType, e.MessageID, e.Recipient, e.ChangedAt)
		case "Delivery", "Open", "Click", "Inbound":
			return delivered{}, nil
		default:
			return delivered{}, errShape
		}
		sum := sha256.Sum256(body)
		return delivered{reports: []Report{report}, once: hex.EncodeToString(sum[:]), keep: time.Hour}, nil
	})
}

// mailgun reads https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/. Its signature does not cover the body, so that a token is
// good for one body only, and once.
func mailgun(r Reader, key announce.Secret) *hook {
	return newHook(func(_ *http.Request, body []byte, now time.Time) (delivered, error) {
		var e struct {
			Signature struct{ Timestamp, Token, Signature string }
			Event     struct {
				ID, Event, Severity, Reason, Recipient string
				Timestamp                              float64
				Status                                 struct {
					Code                 int
					Message, Description string
					Enhanced             string `json:"enhanced-code"`
				} `json:"delivery-status"`
				Variables map[string]any `json:"user-variables"`
				Message   struct {
					Headers struct {
						ID string `json:"message-id"`
					}
				}
			} `json:"event-data"`
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return delivered{}, errShape
		}
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte(e.Signature.Timestamp + e.Signature.Token))
		got, err := hex.DecodeString(e.Signature.Signature)
		if err != nil || e.Signature.Token == "" || !hmac.Equal(got, mac.Sum(nil)) {
			return delivered{}, errSignature
		}
		if !fresh(unix(e.Signature.Timestamp), now, oldest) {
			return delivered{}, errAge
		}
		d := delivered{once: e.Signature.Token, keep: 3 * oldest}
		v := e.Event
		token, _ := v.Variables["token"].(string)
		report := Report{
			Source: sourceMailgun, ID: digest(sourceMailgun, v.ID), Token: r.plain(token), Address: address(v.Recipient),
			At: past(seconds(v.Timestamp), now), Detail: oneLine(v.Status.Message + " " + v.Status.Description),
		}
		if report.Token == "" {
			report.Token = r.ofOriginal("", v.Message.Headers.ID, "")
		}
		switch v.Event {
		case "complained":
			report.Class = Complaint
		case "unsubscribed":
			report.Class = Unsubscribe
		case "failed":
			switch {
			case v.Severity == "temporary": // Mailgun goes on trying
				return d, nil
			case v.Severity != "permanent":
				return delivered{}, errShape
			case v.Reason == "suppress-complaint":
				report.Class = Complaint
			case v.Reason == "suppress-unsubscribe":
				report.Class = Unsubscribe
			case v.Reason == "suppress-bounce":
				report.Class = Hard
			default:
				report.Class, report.Status = judge(v.Status.Enhanced, strings.Join([]string{code(v.Status.Code), v.Status.Enhanced, v.Status.Message, v.Status.Description}, " "))
				if report.Class == "" {
					report.Class = Soft
				}
			}
		case "accepted", "delivered", "opened", "clicked", "stored", "rejected":
			return d, nil
		default:
			return delivered{}, errShape
		}
		if v.ID == "" {
			return delivered{}, errShape
		}
		d.reports = []Report{report}
		return d, nil
	})
}

// sendgrid reads https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event. Events of a type that nobody here knows are passed over:
// they come in one batch with others.
func sendgrid(r Reader, key *ecdsa.PublicKey) *hook {
	return newHook(func(req *http.Request, body []byte, now time.Time) (delivered, error) {
		stamp := req.Header.Get("X-Twilio-Email-Event-Webhook-Timestamp")
		signature, err := base64.StdEncoding.DecodeString(req.Header.Get("X-Twilio-Email-Event-Webhook-Signature"))
		sum := sha256.Sum256(append([]byte(stamp), body...))
		if err != nil || !ecdsa.VerifyASN1(key, sum[:], signature) {
			return delivered{}, errSignature
		}
		if !fresh(unix(stamp), now, oldest) {
			return delivered{}, errAge
		}
		var events []struct {
			Event, Type, Email, Status, Reason, Token string
			Timestamp                                 float64
			ID                                        string `json:"sg_event_id"`
			SMTP                                      string `json:"smtp-id"`
		}
		if err := json.Unmarshal(body, &events); err != nil || len(events) > mostPerBatch {
			return delivered{}, errShape
		}
		d := delivered{once: hex.EncodeToString(sum[:]), keep: 3 * oldest}
		for _, e := range events {
			report := Report{
				Source: sourceSendGrid, ID: digest(sourceSendGrid, e.ID), Token: r.plain(e.Token), Address: address(e.Email),
				At: past(seconds(e.Timestamp), now), Detail: oneLine(e.Reason),
			}
			if report.Token == "" {
				report.Token = r.ofOriginal("", e.SMTP, "")
			}
			switch e.Event {
			case "bounce":
				report.Class, report.Status = judge(e.Status, e.Reason)
				if e.Type == "blocked" {
					report.Class = Block
				} else if report.Class == "" {
					report.Class = Soft
				}
			case "dropped": // not sent, for what happened before
				report.Class, report.Status = dropped(e.Reason), e.Status
			case "spamreport":
				report.Class = Complaint
			case "unsubscribe", "group_unsubscribe":
				report.Class = Unsubscribe
			}
			if _, _, _, ok := parseStatus(report.Status); !ok {
				report.Status = ""
			}
			if report.Class != "" && e.ID != "" {
				d.reports = append(d.reports, report)
			}
		}
		return d, nil
	})
}

// dropped is what SendGrid's reason for sending nothing means.
func dropped(reason string) Class {
	switch strings.ToLower(strings.TrimSpace(reason)) {
	case "bounced address", "invalid":
		return Hard
	case "spam reporting address":
		return Complaint
	case "unsubscribed address":
		return Unsubscribe
	}
	return Block
}

// publicKey reads the verification key that SendGrid shows: base64 of a P-256 key (PKIX), or the same as PEM.
func publicKey(s string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if block, _ := pem.Decode([]byte(strings.ReplaceAll(s, `\n`, "\n"))); block != nil {
		der, err = block.Bytes, nil
	}
	if err == nil {
		var key any
		if key, err = x509.ParsePKIXPublicKey(der); err == nil {
			if k, ok := key.(*ecdsa.PublicKey); ok && k.Curve == elliptic.P256() {
				return k, nil
			}
		}
	}
	return nil, errors.New("must be the verification key that SendGrid shows under Signed Event Webhook")
}

func unix(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

func seconds(f float64) time.Time {
	if f <= 0 || f > 1<<40 {
		return time.Time{}
	}
	return time.UnixMilli(int64(f * 1000))
}

func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func code(n int) string {
	if n < 400 || n > 599 {
		return ""
	}
	return strconv.Itoa(n)
}
