package publishers

import (
	"errors"
	"slices"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/webpush"
)

// Browsers is what pages need so that browsers can subscribe to notifications.
type Browsers struct {
	Key     string                                    // public, as PushManager.subscribe takes it; empty: webpush is not one of the accounts
	Worker  []byte                                    // the script that shows notifications
	Address func(subscription string) (string, error) // what a browser's subscription is as an address of webpush
}

// Push tells pages how browsers subscribe to the webpush account of accounts.
func Push(accounts []string, environ map[string]string) (Browsers, error) {
	i := slices.IndexFunc(accounts, func(name string) bool { return announce.Channel(name) == "webpush" })
	if i < 0 {
		return Browsers{}, nil
	}
	prefix := Prefix(accounts[i])
	c, err := env.ParseAsWithOptions[webpush.Config](env.Options{Environment: environ, Prefix: prefix})
	if err != nil {
		return Browsers{}, errors.Join(explain(accounts[i], prefix, err, c)...)
	}
	key, err := webpush.PublicKey(c.Key)
	if err != nil {
		return Browsers{}, errors.Join(explain(accounts[i], prefix, errors.New("KEY: "+err.Error()), c)...)
	}
	return Browsers{key, webpush.ServiceWorker(), webpush.Address}, nil
}
