// Shows what is announced. It keeps nothing, counts nothing, and loads nothing from elsewhere.
'use strict'

const settings = new URL(self.location.href).searchParams // key, renew

const isWeb = (address) => {
  try {
    return ['https:', 'http:'].includes(new URL(address).protocol)
  } catch {
    return false
  }
}

// read is a push message as its sender composed it, or its text when it is somebody else's.
function read(data) {
  try {
    const n = data.json()
    if (n && typeof n.title === 'string') return n
  } catch {
    // not JSON
  }
  return { title: data ? data.text() : '' }
}

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('push', (event) => {
  const n = read(event.data)
  const actions = (Array.isArray(n.actions) ? n.actions : []).filter((a) => a && isWeb(a.url))
  const options = {
    body: n.body || '',
    lang: n.lang || '',
    data: { url: isWeb(n.url) ? n.url : '', actions: Object.fromEntries(actions.map((a) => [a.action, a.url])) },
    actions: actions.map(({ action, title }) => ({ action, title })),
  }
  if (n.tag) Object.assign(options, { tag: n.tag, renotify: false }) // takes the place of the same announcement, silently
  if (isWeb(n.image)) options.image = n.image
  event.waitUntil(self.registration.showNotification(n.title || self.location.hostname, options))
})

self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  const { url, actions } = event.notification.data || {}
  const target = (event.action && actions && actions[event.action]) || url
  if (target) event.waitUntil(open(target))
})

// open shows an address: in the window that shows it already, else in a new one.
async function open(target) {
  for (const client of await self.clients.matchAll({ type: 'window', includeUncontrolled: true })) {
    if (client.url === target && 'focus' in client) return client.focus()
  }
  return self.clients.openWindow(target)
}

self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(renew(event)))

// renew subscribes anew where the browser did not, and tells the site.
async function renew(event) {
  const old = event.oldSubscription || null
  let fresh = event.newSubscription || (await self.registration.pushManager.getSubscription())
  if (!fresh) {
    const key = (old && old.options && old.options.applicationServerKey) || settings.get('key')
    if (!key) return
    fresh = await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
  }
  const renewAt = settings.get('renew')
  if (!renewAt) return
  const address = new URL(renewAt, self.location.href)
  if (address.origin !== self.location.origin) return
  await fetch(address, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ old: old && old.endpoint, new: fresh.toJSON() }),
  })
}
