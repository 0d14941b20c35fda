// The work that a form does for one address, so that subscribing many strangers costs something (internal/web/gate.go).

const K = new Uint32Array(64)
const H = new Uint32Array(8)
const root = (n, power) => ((n ** power) % 1) * 2 ** 32
for (let n = 2, i = 0; i < 64; n++) {
  let prime = true
  for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0
  if (!prime) continue
  if (i < 8) H[i] = root(n, 1 / 2)
  K[i++] = root(n, 1 / 3)
}

// sha256 is the digest of bytes as eight words (FIPS 180-4). crypto.subtle has no synchronous one, and is slower for short texts.
export function sha256(bytes) {
  const size = ((bytes.length + 8) >> 6) * 64 + 64
  const padded = new Uint8Array(size)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(size - 8, Math.floor(bytes.length / 2 ** 29))
  view.setUint32(size - 4, bytes.length * 8)
  const h = H.slice()
  const w = new Uint32Array(64)
  const turn = (x, n) => (x >>> n) | (x << (32 - n))
  for (let at = 0; at < size; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i)
    for (let i = 16; i < 64; i++) {
      const a = w[i - 15]
      const b = w[i - 2]
      w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))
    }
    let [a, b, c, d, e, f, g, z] = h
    for (let i = 0; i < 64; i++) {
      const one = (z + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      z = g
      g = f
      f = e
      e = (d + one) | 0
      d = c
      c = b
      b = a
      a = (one + two) | 0
    }
    ;[a, b, c, d, e, f, g, z].forEach((x, i) => (h[i] += x))
  }
  return h
}

const zeros = (h) => {
  let n = 0
  for (const word of h) {
    n += Math.clz32(word)
    if (word !== 0) break
  }
  return n
}

// solve finds the work for a challenge and an address. It pauses often, so that the page stays alive.
export async function solve(challenge, address, bits) {
  const text = new TextEncoder()
  for (let n = 0, pause = performance.now() + 20; ; n++) {
    if (zeros(sha256(text.encode(challenge + '\n' + address + '\n' + n))) >= bits) return String(n)
    if (n % 64 === 0 && performance.now() > pause) {
      await new Promise((go) => setTimeout(go))
      pause = performance.now() + 20
    }
  }
}

const opened = performance.now()

// filled waits until the page has been open for as long as filling in a form takes.
export const filled = (seconds) => new Promise((go) => setTimeout(go, Math.max(0, opened + 1000 * seconds + 500 - performance.now())))
