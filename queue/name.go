package queue

import (
	"errors"
	"fmt"
	"strings"
)

const maxToken = 200 // the server takes names of 255 bytes, and makes files of them

// token writes any name as one token of a subject and as a consumer's name: lower-case letters, digits and "-" stay,
// every other byte becomes "_" and two hexadecimal digits. Different names give different tokens, also on a file
// system that ignores case.
func token(name string) (string, error) {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	if b.Len() == 0 || b.Len() > maxToken {
		return "", fmt.Errorf("a name must have between 1 and %d characters", maxToken)
	}
	return b.String(), nil
}

func plain(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }

var errToken = errors.New("not a token of this queue")

// name reads what token wrote.
func name(token string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		c := token[i]
		switch {
		case plain(c):
		case c == '_' && i+2 < len(token):
			if _, err := fmt.Sscanf(token[i+1:i+3], "%02x", &c); err != nil {
				return "", errToken
			}
			i += 2
		default:
			return "", errToken
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func (q *Queue) subject(j Job) (string, error) {
	account, err := token(j.Account)
	if err != nil {
		return "", fmt.Errorf("account: %w", err)
	}
	announcement, err := token(j.Announcement)
	if err != nil {
		return "", fmt.Errorf("announcement: %w", err)
	}
	return q.name + ".job." + account + "." + announcement, nil
}

func (q *Queue) job(subject string) (Job, error) {
	rest, ours := strings.CutPrefix(subject, q.name+".job.")
	account, announcement, two := strings.Cut(rest, ".")
	if !ours || !two {
		return Job{}, errToken
	}
	a, err := name(account)
	if err != nil {
		return Job{}, err
	}
	b, err := name(announcement)
	return Job{a, b}, err
}
