"use strict"
/**
 * Starts processes for the node. A fork copies the tables of all pages of the process that forks, and holds its event loop
 * meanwhile; this one is small. Lines of JSON come on stdin and go on stdout; the streams of what it starts are sockets that
 * it connects to the node and then forgets. It ends with the node.
 */
const { spawn } = require("node:child_process")
const { connect } = require("node:net")
const { createInterface } = require("node:readline")

const streams = [1, 2, 3]
let address
let token

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const order = JSON.parse(line)
    if (order.address !== undefined) {
      address = order.address
      token = order.token
    } else start(order)
  })
  .on("close", () => process.exit(0))

function start({ id, file, args, environment }) {
  let left = streams.length
  const fail = (error) => {
    for (const socket of sockets) socket.destroy()
    say({ id, failed: error.message, code: error.code })
  }
  const sockets = streams.map((stream) => {
    const socket = connect(address, () => {
      // Before the process writes anything: the socket is empty.
      socket.write(`${token} ${id} ${stream}\n`)
      left--
      if (left === 0) run()
    })
    return socket.once("error", fail)
  })
  const run = () => {
    const child = spawn(file, args, { cwd: "/", env: environment, detached: true, stdio: ["ignore", ...sockets] })
    for (const socket of sockets) socket.destroy()
    child.on("error", (error) => say({ id, failed: error.message, code: error.code }))
    child.on("exit", (code, signal) => say({ id, code, signal, isOver: true }))
    if (child.pid !== undefined) say({ id, pid: child.pid })
  }
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
