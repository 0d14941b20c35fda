// A Bluesky PDS and a PLC directory on 127.0.0.1, with two accounts: node start.mjs DIR. The one line that it writes to
// DIR/ready is its address, the first account, an app password of it, and the second account.
import { randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import net from 'node:net'

// Both servers would listen on every interface.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (...args) {
  if (args[0] !== null && typeof args[0] === 'object') args[0] = { ...args[0], host: '127.0.0.1' }
  else if (typeof args[1] === 'string') args[1] = '127.0.0.1'
  else args.splice(1, 0, '127.0.0.1')
  return listen.apply(this, args)
}
process.env.LOG_ENABLED = 'false'
const { Database, PlcServer } = await import('@did-plc/server')
const { PDS, readEnv, envToCfg, envToSecrets } = await import('@atproto/pds')

const free = () =>
  new Promise((resolve) => {
    const s = net.createServer().listen(0, () => {
      const { port } = s.address()
      s.close(() => resolve(port))
    })
  })
const hex = () => randomBytes(32).toString('hex')
const dir = process.argv[2]
mkdirSync(`${dir}/data`, { recursive: true })

const [plcPort, port] = [await free(), await free()]
const directory = PlcServer.create({ db: Database.mock(), port: plcPort })
await directory.start()

const env = {
  ...readEnv(),
  devMode: true,
  port,
  hostname: 'localhost',
  dataDirectory: `${dir}/data`,
  blobstoreDiskLocation: `${dir}/data/blobs`,
  adminPassword: hex(),
  jwtSecret: hex(),
  dpopSecret: hex(),
  serviceHandleDomains: ['.test'],
  bskyAppViewUrl: 'https://appview.invalid',
  bskyAppViewDid: 'did:example:invalid',
  modServiceUrl: 'https://moderator.invalid',
  modServiceDid: 'did:example:invalid',
  plcRotationKeyK256PrivateKeyHex: hex(),
  inviteRequired: false,
  enableDidDocWithSession: true, // as Bluesky's own: it names http://localhost, which is not where the account signs in
  disableSsrfProtection: true,
  didPlcUrl: `http://localhost:${plcPort}`,
}
const pds = await PDS.create(envToCfg(env), envToSecrets(env))
await pds.start()

const at = `http://127.0.0.1:${port}`
async function call(method, body, token) {
  const res = await fetch(`${at}/xrpc/${method}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  })
  if (!res.ok) throw new Error(`${method}: ${res.status} ${await res.text()}`)
  return res.json()
}
const create = (name) =>
  call('com.atproto.server.createAccount', { handle: `${name}.test`, email: `${name}@example.org`, password: hex() })
const account = await create('rencontre-crieur')
const friend = await create('club-crieur')
const app = await call('com.atproto.server.createAppPassword', { name: 'crieur' }, account.accessJwt)

writeFileSync(`${dir}/ready.new`, `${at} ${account.handle} ${app.password} ${friend.handle}\n`, { mode: 0o600 })
renameSync(`${dir}/ready.new`, `${dir}/ready`)
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await pds.destroy()
    await directory.destroy()
    process.exit(0)
  })
}
