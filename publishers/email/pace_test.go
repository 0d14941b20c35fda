package email

import (
	"maps"
	"testing"
	"time"
)

func TestDomainPaces(t *testing.T) {
	for list, want := range map[string]map[string]time.Duration{
		"":                               {},
		"gmail.com=20, Outlook.com = 5,": {"gmail.com": 50 * time.Millisecond, "outlook.com": 200 * time.Millisecond},
		"québec.example=0.5":             {"xn--qubec-csa.example": 2 * time.Second},
	} {
		if got, err := domainPaces(list); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"gmail.com", "gmail.com=", "=5", "gmail.com=0", "gmail.com=-1", "gmail.com=NaN", "gmail.com=1;outlook.com=2", "a b=1", "gmail.com=1,GMAIL.com=2"} {
		if got, err := domainPaces(list); err == nil {
			t.Errorf("%q is read as %v", list, got)
		}
	}
}

func TestDomainOf(t *testing.T) {
	for to, want := range map[string]string{
		"ada@Example.org": "example.org", "ada@québec.example": "xn--qubec-csa.example", `"a@b"@example.org`: "example.org", "nobody": "", "ada@": "",
	} {
		if got := domainOf(to); got != want {
			t.Errorf("%q: %q", to, got)
		}
	}
}
