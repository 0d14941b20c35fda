package facebook

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/crieur/crieur/publishers/internal/rest"
)

// usage is how much of what Facebook grants was used.
type usage struct {
	percent int           // of the worst count
	regain  time.Duration // until calls are taken again, when Facebook says so
}

// counts are percentages. Facebook writes the time to regain access in minutes.
type counts struct {
	Calls  float64 `json:"call_count"`
	CPU    float64 `json:"total_cputime"`
	Time   float64 `json:"total_time"`
	Regain float64 `json:"estimated_time_to_regain_access"`
}

// usageOf reads the headers in which Facebook tells of its limits: it has no Retry-After.
func usageOf(h http.Header) usage {
	var u usage
	var pages map[string][]counts
	_ = json.Unmarshal([]byte(h.Get("X-Business-Use-Case-Usage")), &pages) // absent or of another form: says nothing
	for _, list := range pages {
		for _, x := range list {
			u = u.with(x)
		}
	}
	var app counts
	_ = json.Unmarshal([]byte(h.Get("X-App-Usage")), &app)
	return u.with(app)
}

func (u usage) with(x counts) usage {
	minutes := min(max(x.Regain, 0), longest.Minutes())
	return usage{
		percent: max(u.percent, int(min(max(x.Calls, x.CPU, x.Time, 0), 1e6))),
		regain:  max(u.regain, time.Duration(minutes*float64(time.Minute))),
	}
}

// exhausted reports whether Facebook takes no more calls for now.
func (u usage) exhausted() bool { return u.percent >= 100 }

// wait is how long Facebook wants no call.
func wait(h http.Header, u usage) time.Duration {
	if w := max(u.regain, rest.RetryAfter(h, time.Now())); w > 0 {
		return w
	}
	return window
}

// note keeps the next calls back when this one has used up what there was.
func (c *channel) note(u usage) {
	if !u.exhausted() {
		return
	}
	until := time.Now().Add(wait(nil, u))
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(c.until) {
		c.until = until
	}
}
