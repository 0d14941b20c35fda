package bounce

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// get fetches an address, at most most bytes of it, as (*fetch.Client).Get does. Tests have an Amazon of their own.
type get func(ctx context.Context, address string, most int64, types ...string) (body []byte, mediaType string, err error)

const (
	snsOldest    = time.Hour // SNS itself tries again for a while, under the first timestamp
	certificates = 24 * time.Hour
	mostCerts    = 8
	mostCert     = 64 << 10
)

var (
	topicARN = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{3,32}):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?$`)
	certPath = regexp.MustCompile(`^/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem$`)
)

// sns is the outside of a message of Amazon SNS, and what of it is checked
// (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
type sns struct {
	MessageID                                                                                                     string `json:"MessageId"`
	Type, Token, TopicArn, Subject, Message, SubscribeURL, Timestamp, SignatureVersion, Signature, SigningCertURL string
}

// amazon reads bounces and complaints of Amazon SES, notifications and events alike, that SNS brings.
type amazon struct {
	reader      Reader
	topic, host string
	get         get
	mu          sync.Mutex
	certs       map[string]cert
}

type cert struct {
	*x509.Certificate
	until time.Time
}

// ses takes messages of one topic. Certificates and confirmations are fetched from that topic's region alone.
func ses(r Reader, topic string, fetch get) (*hook, error) {
	m := topicARN.FindStringSubmatch(topic)
	if m == nil {
		return nil, errors.New("must be the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>")
	}
	a := &amazon{reader: r, topic: topic, host: "sns." + m[2] + ".amazonaws.com", get: fetch, certs: map[string]cert{}}
	if m[1] == "aws-cn" {
		a.host += ".cn"
	}
	return newHook(func(req *http.Request, body []byte, now time.Time) (delivered, error) {
		return a.read(req.Context(), body, now)
	}), nil
}

func (a *amazon) read(ctx context.Context, body []byte, now time.Time) (delivered, error) {
	var m sns
	if err := json.Unmarshal(body, &m); err != nil {
		return delivered{}, errShape
	}
	switch {
	case m.TopicArn != a.topic:
		return delivered{}, errForeign
	case !fresh(moment(m.Timestamp), now, snsOldest):
		return delivered{}, errAge
	}
	if err := a.verify(ctx, m, now); err != nil {
		return delivered{}, err
	}
	d := delivered{once: m.MessageID, keep: snsOldest + 2*oldest}
	switch m.Type {
	case "Notification":
		var err error
		d.reports, err = a.notification(m, now)
		return d, err
	case "SubscriptionConfirmation":
		if err := a.confirm(ctx, m); err != nil {
			return delivered{}, err
		}
		return d, nil
	case "UnsubscribeConfirmation":
		return d, nil
	}
	return delivered{}, errShape
}

// verify checks the signature with the certificate that the message names, which is Amazon's because of where it lies.
func (a *amazon) verify(ctx context.Context, m sns, now time.Time) error {
	pairs := []string{"Message", m.Message, "MessageId", m.MessageID}
	switch m.Type {
	case "Notification":
		if m.Subject != "" {
			pairs = append(pairs, "Subject", m.Subject)
		}
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		pairs = append(pairs, "SubscribeURL", m.SubscribeURL)
	default:
		return errShape
	}
	pairs = append(pairs, "Timestamp", m.Timestamp)
	if m.Type != "Notification" {
		pairs = append(pairs, "Token", m.Token)
	}
	signed := []byte(strings.Join(append(pairs, "TopicArn", m.TopicArn, "Type", m.Type), "\n") + "\n")
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil || m.MessageID == "" {
		return errSignature
	}
	var method crypto.Hash
	var sum []byte
	switch m.SignatureVersion {
	case "1":
		s := sha1.Sum(signed) // what Amazon signs unless the topic is set to version 2
		method, sum = crypto.SHA1, s[:]
	case "2":
		s := sha256.Sum256(signed)
		method, sum = crypto.SHA256, s[:]
	default:
		return errShape
	}
	c, err := a.certificate(ctx, m.SigningCertURL, now)
	if err != nil {
		return err
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || now.Before(c.NotBefore) || now.After(c.NotAfter) || rsa.VerifyPKCS1v15(key, method, sum, signature) != nil {
		return errSignature
	}
	return nil
}

// pinned reads an address and reports whether it is one of our region's SNS itself.
func (a *amazon) pinned(address string) (*url.URL, bool) {
	u, err := url.Parse(address)
	return u, err == nil && u.Scheme == "https" && u.Host == a.host && u.User == nil && u.Fragment == ""
}

func (a *amazon) certificate(ctx context.Context, address string, now time.Time) (*x509.Certificate, error) {
	u, ok := a.pinned(address)
	if !ok || !certPath.MatchString(u.EscapedPath()) || u.RawQuery != "" {
		return nil, errSignature
	}
	a.mu.Lock()
	c, ok := a.certs[address]
	a.mu.Unlock()
	if ok && now.Before(c.until) {
		return c.Certificate, nil
	}
	b, _, err := a.get(ctx, u.String(), mostCert)
	if err != nil {
		return nil, fmt.Errorf("%w: the certificate at %s %w", errLater, a.host, err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errSignature
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errSignature
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.certs) >= mostCerts {
		clear(a.certs)
	}
	a.certs[address] = cert{parsed, now.Add(certificates)}
	return parsed, nil
}

// confirm says yes to a subscription of our topic.
func (a *amazon) confirm(ctx context.Context, m sns) error {
	u, ok := a.pinned(m.SubscribeURL)
	if !ok || u.Path != "/" || u.Query().Get("Action") != "ConfirmSubscription" || u.Query().Get("TopicArn") != a.topic {
		return errForeign
	}
	if _, _, err := a.get(ctx, u.String(), mostCert); err != nil {
		return fmt.Errorf("%w: the subscription could not be confirmed, its address %w", errLater, err)
	}
	return nil
}

// notification reads what SES says (https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html; events have
// eventType in place of notificationType).
func (a *amazon) notification(m sns, now time.Time) ([]Report, error) {
	type recipient struct{ EmailAddress, Status, Action, DiagnosticCode string }
	var e struct {
		NotificationType, EventType string
		Bounce                      struct {
			BounceType, BounceSubType, FeedbackID, Timestamp string
			BouncedRecipients                                []recipient
		}
		Complaint struct {
			ComplaintFeedbackType, FeedbackID, Timestamp, UserAgent string
			ComplainedRecipients                                    []recipient
		}
		Mail struct {
			Source  string
			Headers []struct{ Name, Value string }
			Tags    map[string][]string
		}
	}
	if err := json.Unmarshal([]byte(m.Message), &e); err != nil {
		if strings.HasPrefix(m.Message, "Successfully validated SNS topic") {
			return nil, nil // what SES says once, when it begins
		}
		return nil, errShape
	}
	kind := e.NotificationType
	if kind == "" {
		kind = e.EventType
	}
	var token string
	for _, t := range e.Mail.Tags["token"] {
		token = a.reader.plain(t)
	}
	if token == "" {
		field := map[string]string{}
		for _, h := range e.Mail.Headers {
			field[strings.ToLower(h.Name)] = h.Value
		}
		token = a.reader.ofOriginal(e.Mail.Source, field["message-id"], field["list-unsubscribe"])
	}
	var reports []Report
	add := func(r recipient, class Class, status, id, at, detail string) {
		if len(reports) < mostPerBatch {
			reports = append(reports, Report{
				ID: digest(sourceSES, kind, id, r.EmailAddress), Source: sourceSES, Class: class, Status: status, Token: token,
				Address: address(r.EmailAddress), At: past(moment(at), now), Detail: oneLine(detail),
			})
		}
	}
	switch kind {
	case "Bounce":
		b := e.Bounce
		for _, r := range b.BouncedRecipients {
			class, status := judge(r.Status, r.DiagnosticCode)
			switch {
			case class == Block || b.BounceSubType == "ContentRejected" || b.BounceSubType == "AttachmentRejected":
				class = Block
			case b.BounceType != "Permanent":
				class = Soft
			case class == "":
				class = Hard
			}
			add(r, class, status, b.FeedbackID, b.Timestamp, b.BounceType+" "+b.BounceSubType+" "+typed(r.DiagnosticCode))
		}
	case "Complaint":
		c := e.Complaint
		if c.ComplaintFeedbackType == "not-spam" || c.ComplaintFeedbackType == "auth-failure" {
			return nil, nil
		}
		for _, r := range c.ComplainedRecipients {
			add(r, Complaint, "", c.FeedbackID, c.Timestamp, c.ComplaintFeedbackType+" "+c.UserAgent)
		}
	case "Delivery", "Send", "Reject", "Open", "Click", "Rendering Failure", "DeliveryDelay", "Subscription", "AmazonSnsSubscriptionSucceeded":
	default:
		return nil, errShape
	}
	return reports, nil
}
