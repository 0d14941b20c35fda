package webpush

import _ "embed"

//go:embed worker.js
var worker string

// ServiceWorker is the script that shows notifications in a browser, for a page to register at an address of its own site:
//
//	navigator.serviceWorker.register("/push.js?key=" + publicKey + "&renew=/push/renew")
//
// key is PublicKey. When the browser replaces its subscription, the worker subscribes with it again and posts
// {"old": the former endpoint or null, "new": the subscription} as JSON to renew, an address of the same site. Without
// renew nobody is told, and the new subscription waits for the person's next visit.
func ServiceWorker() []byte { return []byte(worker) }
