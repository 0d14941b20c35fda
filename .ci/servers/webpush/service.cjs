// The push service of the npm package web-push-testing on 127.0.0.1, which by itself listens on every address.
const { writeFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { createServer, Server } = require('node:net')
const { join } = require('node:path')

const [modules, portFile] = process.argv.slice(2)
const load = createRequire(join(modules, 'x.js'))

const listen = Server.prototype.listen
Server.prototype.listen = function (port, ...rest) {
  return typeof port === 'number' ? listen.call(this, port, '127.0.0.1', ...rest) : listen.call(this, port, ...rest)
}

// It puts its port into the addresses of its subscriptions before it listens, so the port is looked for first.
const probe = createServer()
probe.listen(0, () => {
  const { port } = probe.address()
  probe.close(() => {
    const WebPushTestingServer = load('web-push-testing/src/server.js')
    const { PushApiModel } = load('web-push-testing/src/PushApiModel.js')
    const service = new WebPushTestingServer(new PushApiModel(), port)
    service.startServer()
    service._server.on('listening', () => writeFileSync(portFile, String(port)))
  })
})
