// The service worker in Chromium: messages arrive by the DevTools protocol as from a push service, clicks and a change of
// the subscription as the events that a browser makes of them. Arguments: node_modules' folder, chromium, the repository.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [modules, executablePath, root] = process.argv.slice(2)
const { chromium } = createRequire(join(modules, 'x.js'))('playwright-core')

const script = readFileSync(join(root, 'publishers/webpush/worker.js'))
const message = readFileSync(join(root, 'publishers/webpush/testdata/change.fr.golden.json'), 'utf8')

const renewed = []
const server = createServer((req, res) => {
  const path = new URL(req.url, 'http://127.0.0.1').pathname
  if (path === '/push.js') {
    res.writeHead(200, { 'Content-Type': 'text/javascript', 'Content-Security-Policy': "default-src 'self'" }).end(script)
  } else if (path === '/push/renew') {
    let body = ''
    req.on('data', (c) => (body += c))
    req.on('end', () => {
      renewed.push({ method: req.method, type: req.headers['content-type'], body: JSON.parse(body) })
      res.writeHead(204).end()
    })
  } else {
    res.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>page</title>')
  }
})
await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
const origin = `http://127.0.0.1:${server.address().port}`

// Nothing but this machine is asked: a browser loads the picture of a notification before it shows it, and waits for names
// that nobody answers.
const args = ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run']
if (process.getuid() === 0) args.push('--no-sandbox')
const browser = await chromium.launch({ executablePath, args })
try {
  console.log(`- Chromium ${browser.version()}`)
  const context = await browser.newContext()
  await context.grantPermissions(['notifications'], { origin })
  const page = await context.newPage()
  await page.goto(origin)
  const cdp = await context.newCDPSession(page)
  const registered = new Promise((done) => {
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const r = registrations.find((x) => x.scopeURL === origin + '/')
      if (r) done(r.registrationId)
    })
  })
  await cdp.send('ServiceWorker.enable')
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/push.js?key=BKEY&renew=/push/renew')
    await navigator.serviceWorker.ready
  })
  const registrationId = await registered
  const worker = context.serviceWorkers()[0]

  const shown = () =>
    page.evaluate(async () => {
      const r = await navigator.serviceWorker.ready
      return (await r.getNotifications()).map((n) => ({
        title: n.title, body: n.body, lang: n.lang, tag: n.tag, renotify: n.renotify, image: n.image, data: n.data, actions: n.actions.map(({ action, title }) => ({ action, title })),
      }))
    })
  const until = async (what, ok, ms = 10_000) => {
    for (const end = Date.now() + ms; Date.now() < end; await new Promise((r) => setTimeout(r, 50))) {
      const got = await shown()
      if (ok(got)) return got
    }
    assert.fail(`${what}: ${JSON.stringify(await shown())}`)
  }
  // push delivers a message until the browser shows what is asked for. A browser without a desktop loses one now and then
  // (one in ten, as tried), between the protocol and what it says is shown; what it then shows is looked at all the same.
  const push = async (data, what, ok) => {
    for (let tries = 1; ; tries++) {
      await cdp.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data })
      try {
        return await until(what, ok, 2_000)
      } catch (lost) {
        if (tries === 10) throw lost
        console.log(`  (${what}: delivered again)`)
      }
    }
  }
  const step = (what) => console.log(`  ${what}`)

  const sent = JSON.parse(message)
  const [n] = await push(message, 'one notification', (l) => l.length === 1)
  assert.deepEqual(n, {
    title: sent.title, body: sent.body, lang: 'fr', tag: sent.tag, renotify: false, image: sent.image,
    data: { url: sent.url, actions: { preferences: sent.actions[0].url, unsubscribe: sent.actions[1].url } },
    actions: [{ action: 'preferences', title: 'Préférences' }, { action: 'unsubscribe', title: 'Se désabonner' }],
  })
  step('a message is shown as it was composed')

  await push(JSON.stringify({ ...sent, rev: 2, title: 'Déplacée' }), 'the correction alone', (l) => l.length === 1 && l[0].title === 'Déplacée')
  step('a correction takes its place')

  const hostile = { ...sent, tag: 'another', title: 'Autre', url: 'javascript:alert(1)', image: 'data:x', actions: [{ action: 'a', title: 'A', url: 'javascript:alert(2)' }] }
  const [other] = (await push(JSON.stringify(hostile), 'two notifications', (l) => l.length === 2)).filter((x) => x.tag === 'another')
  assert.deepEqual([other.data, other.actions, other.image], [{ url: '', actions: {} }, [], ''])
  step('addresses that are not of the web are left out')

  await push('just words', 'words of others', (l) => l.some((x) => x.title === 'just words'))
  await push('', 'an empty message', (l) => l.some((x) => x.title === '127.0.0.1'))
  step('what is not JSON is shown too, as browsers demand')

  // Without a person's hand a browser opens no window, so it is noted what would open. Each click has a notification of its
  // own: a browser forgets one a little after it is closed, and a new one with its tag along with it.
  const click = (tag, action) =>
    worker.evaluate(async ([tag, action]) => {
      const opened = []
      Clients.prototype.openWindow = async (url) => void opened.push(url)
      const [notification] = await self.registration.getNotifications({ tag })
      const event = new NotificationEvent('notificationclick', { notification, action })
      const waits = []
      event.waitUntil = (p) => waits.push(p)
      self.dispatchEvent(event)
      await Promise.all(waits)
      return opened
    }, [tag, action])
  for (const [action, url] of [['', sent.url], ['unsubscribe', sent.actions[1].url], ['nonsense', sent.url]]) {
    const tag = 'click' + action
    await push(JSON.stringify({ ...sent, tag }), 'a notification to click', (l) => l.some((x) => x.tag === tag))
    assert.deepEqual(await click(tag, action), [url], action)
    await until('a click closes it', (l) => !l.some((x) => x.tag === tag))
  }
  step('a click opens the link, a button its own, and closes the notification')

  // Vendors' push services are not to be had here: the new subscription is said by a stand-in for PushManager.
  await worker.evaluate(async () => {
    const asked = []
    PushManager.prototype.getSubscription = async () => null
    PushManager.prototype.subscribe = async (options) => {
      asked.push(options)
      return { endpoint: 'https://push.example.org/2', toJSON: () => ({ endpoint: 'https://push.example.org/2', keys: { p256dh: 'B', auth: 'a' } }) }
    }
    for (const old of [{ endpoint: 'https://push.example.org/1' }, null]) {
      const event = new ExtendableEvent('pushsubscriptionchange')
      const waits = []
      Object.defineProperties(event, { oldSubscription: { value: old }, newSubscription: { value: null }, waitUntil: { value: (p) => waits.push(p) } })
      self.dispatchEvent(event)
      await Promise.all(waits)
    }
    if (JSON.stringify(asked) !== JSON.stringify(Array(2).fill({ userVisibleOnly: true, applicationServerKey: 'BKEY' }))) throw new Error(JSON.stringify(asked))
  })
  const fresh = { endpoint: 'https://push.example.org/2', keys: { p256dh: 'B', auth: 'a' } }
  assert.deepEqual(renewed, ['https://push.example.org/1', null].map((old) => ({ method: 'POST', type: 'application/json', body: { old, new: fresh } })))
  step('a subscription that was replaced is told to the site')
} finally {
  await browser.close()
  server.close()
}
