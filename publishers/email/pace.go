package email

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// domainPaces reads "gmail.com=20,outlook.com=5": mails per second, by domain.
func domainPaces(list string) (map[string]time.Duration, error) {
	paces := map[string]time.Duration{}
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		name, rate, _ := strings.Cut(word, "=")
		domain, err := asciiDomain(strings.TrimSpace(name))
		perSecond, notNumber := strconv.ParseFloat(strings.TrimSpace(rate), 64)
		if err != nil || notNumber != nil || !(perSecond >= 0.001 && perSecond <= 10_000) {
			return nil, fmt.Errorf("%q cannot be read: write gmail.com=20,outlook.com=5, in mails per second", word)
		}
		domain = strings.ToLower(domain)
		if _, twice := paces[domain]; twice {
			return nil, fmt.Errorf("%s is there twice", domain)
		}
		paces[domain] = time.Duration(float64(time.Second) / perSecond)
	}
	return paces, nil
}

// domainOf is the domain of an address, in ASCII; "" when it has none.
func domainOf(to string) string {
	i := strings.LastIndexByte(to, '@')
	if i < 0 {
		return ""
	}
	domain := strings.ToLower(strings.Trim(to[i+1:], " >"))
	if ascii, err := asciiDomain(domain); err == nil {
		return ascii
	}
	return domain
}

// domainPace is the least time between two mails to a domain.
func (s *settings) domainPace(domain string) time.Duration { return s.paces[domain] }
