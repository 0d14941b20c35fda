package sms

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// window is for a 429 that names no wait: Twilio counts requests at once, and the messages of a number by the second.
const window = 10 * time.Second

// classify reads the codes of Twilio's refusals (twilio.com/docs/api/errors). A 5xx stays ambiguous whatever its code.
func classify(status int, header http.Header, body []byte) *announce.Error {
	if status < 300 || status >= 500 {
		return nil
	}
	var refusal struct {
		Code int `json:"code"`
	}
	_ = json.Unmarshal(body, &refusal) // not JSON: no code
	e := byCode(refusal.Code)
	switch {
	case status == http.StatusTooManyRequests && (e == nil || e.Outcome != announce.RateLimited):
		e = wait(refusal.Code)
	case e == nil && status == http.StatusNotFound:
		e = halt(refusal.Code, "Twilio does not know the account: correct ACCOUNT, then resume the account")
	}
	if e == nil {
		return nil
	}
	if asked := rest.RetryAfter(header, time.Now()); e.Outcome == announce.RateLimited && asked > 0 {
		e.RetryAfter = asked
	}
	if e.Status == "0" {
		e.Status = strconv.Itoa(status)
	}
	return e
}

func gone(code int, why string) *announce.Error {
	return &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Status: strconv.Itoa(code), Fault: why}
}

func halt(code int, why string) *announce.Error {
	return &announce.Error{Outcome: announce.Permanent, Stop: true, Status: strconv.Itoa(code), Fault: why}
}

func refuse(code int, field, why string) *announce.Error {
	return &announce.Error{Outcome: announce.Permanent, Field: field, Status: strconv.Itoa(code), Fault: why}
}

func wait(code int) *announce.Error {
	return &announce.Error{Outcome: announce.RateLimited, RetryAfter: window, Status: strconv.Itoa(code), Fault: "Twilio asks to wait: the channel pauses, nothing is lost"}
}

// byCode is what a code means, be it in a refusal or in a message that failed at once. Nil: the status says enough.
func byCode(code int) *announce.Error {
	switch code {
	case 21211, 21614, 30005, 30006:
		return gone(code, "no text message can reach this number: it is taken off")
	case 21610:
		return gone(code, "the person has answered STOP: they are taken off. Only they can come back, by answering START")
	case 20003, 20005, 10001, 30002:
		return halt(code, "Twilio does not accept the account: renew TOKEN, or pay what is owed on console.twilio.com, then resume the account")
	case 20404:
		return halt(code, "Twilio does not know the account or the service: correct ACCOUNT and SERVICE, then resume the account")
	case 21212, 21603, 21606, 21659, 21660, 21661, 21701, 21703, 21704:
		return halt(code, "messages cannot come from this number or service: correct FROM or SERVICE, then resume the account")
	case 30032, 30034:
		return halt(code, "carriers take nothing from a number that is not registered with them: register it on console.twilio.com (A2P 10DLC, or toll-free verification), then resume the account")
	case 20429, 14107, 21611, 30001:
		return wait(code)
	case 63038:
		e := wait(code)
		e.RetryAfter, e.Fault = time.Hour, "Twilio takes no more messages today from this account: the channel waits, nothing is lost. A higher limit is asked for on console.twilio.com"
		return e
	case 21408:
		return refuse(code, "to", "messages to this country are switched off: allow it on console.twilio.com (Messaging, Geo permissions)")
	case 21608:
		return refuse(code, "to", "a trial account writes only to numbers verified on console.twilio.com: upgrade it")
	case 21612:
		return refuse(code, "to", "Twilio has no way from this number to that one: another FROM may have")
	case 21617, 30019:
		return refuse(code, "text", "the text is too long for Twilio: shorten it, or lower SEGMENTS")
	case 30004, 30007:
		return refuse(code, "text", "the carrier or the phone has blocked the message: look on console.twilio.com why, and write plainer")
	case 30003, 30008:
		return &announce.Error{Outcome: announce.Temporary, Status: strconv.Itoa(code), Fault: "the phone could not be reached: it will be tried again"}
	}
	return nil
}
