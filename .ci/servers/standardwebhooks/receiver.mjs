// Receives events and verifies them with code that is not Crieur's: POST /v1?key=whsec_... with the standardwebhooks
// library, POST /v1a?key=whpk_... with Node's own Ed25519 (the library knows v1 only). 204: verified; 400: why not.
import { createServer } from 'node:http'
import { createPublicKey, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [modules, portFile] = process.argv.slice(2)
const { Webhook } = createRequire(join(modules, 'x.js'))('standardwebhooks')

const der = Buffer.from('302a300506032b6570032100', 'hex') // what stands before a raw Ed25519 key in SPKI (RFC 8410)

function verifyV1a(key, body, headers) {
  const raw = Buffer.from(key.replace(/^whpk_/, ''), 'base64')
  const publicKey = createPublicKey({ key: Buffer.concat([der, raw]), format: 'der', type: 'spki' })
  const content = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body])
  for (const part of headers['webhook-signature'].split(' ')) {
    const [version, signature] = part.split(',')
    if (version === 'v1a' && verify(null, content, publicKey, Buffer.from(signature, 'base64'))) return JSON.parse(body)
  }
  throw new Error('No matching signature found')
}

const server = createServer((req, res) => {
  const chunks = []
  req.on('data', (c) => chunks.push(c))
  req.on('end', () => {
    const url = new URL(req.url, 'http://127.0.0.1')
    const body = Buffer.concat(chunks)
    const key = url.searchParams.get('key')
    try {
      const event = url.pathname === '/v1a' ? verifyV1a(key, body, req.headers) : new Webhook(key).verify(body, req.headers)
      console.log(`  ${url.pathname} accepted ${event.type} ${req.headers['webhook-id']}`)
      res.writeHead(204).end()
    } catch (e) {
      console.log(`  ${url.pathname} refused ${req.headers['webhook-id']}: ${e.message}`)
      res.writeHead(400).end(e.message)
    }
  })
})
server.listen(0, '127.0.0.1', () => writeFileSync(portFile, String(server.address().port)))
