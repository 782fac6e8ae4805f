"use strict"
/** Frames over file descriptor 3: 4 bytes of length, most significant first, and JSON. What is sent in one turn leaves in one write. */
const { writeSync } = require("node:fs")
const { Socket } = require("node:net")

// Code may change what everybody shares; the runner keeps its own.
const { parse } = JSON
const later = setImmediate
const { exit } = process

const socket = new Socket({ fd: 3, readable: true, writable: true })
const pause = new Int32Array(new SharedArrayBuffer(4))
let outgoing = []
let take

/** Calls with every message, parsed. */
function listen(call) {
  take = call
  socket.on("data", read)
  // Without its node a function has no purpose.
  socket.on("end", () => exit(0))
  socket.on("error", () => exit(0))
}

function send(text) {
  if (outgoing.push(text) === 1) later(flush)
}

function flush() {
  if (outgoing.length > 0) socket.write(gathered())
}

/** Leaves before the code goes on, however slowly the node reads. */
function flushNow() {
  if (socket.writableLength > 0) return flush()
  const frames = gathered()
  for (let at = 0; at < frames.length; ) {
    try {
      at += writeSync(3, frames, at)
    } catch (error) {
      if (error.code !== "EAGAIN") return
      Atomics.wait(pause, 0, 0, 1)
    }
  }
}

function gathered() {
  const texts = outgoing
  outgoing = []
  let size = 0
  const lengths = texts.map((text) => {
    const length = Buffer.byteLength(text)
    size += 4 + length
    return length
  })
  const frames = Buffer.allocUnsafe(size)
  let at = 0
  for (let place = 0; place < texts.length; place++) {
    at = frames.writeUInt32BE(lengths[place], at)
    frames.write(texts[place], at, lengths[place] === texts[place].length ? "latin1" : "utf8")
    at += lengths[place]
  }
  return frames
}

let parts = []
let held = 0
let wanted = 4

function read(chunk) {
  let bytes = chunk
  if (held > 0) {
    parts.push(chunk)
    held += chunk.length
    if (held < wanted) return
    bytes = Buffer.concat(parts, held)
    parts = []
    held = 0
  }
  let at = 0
  while (bytes.length - at >= 4) {
    const end = at + 4 + bytes.readUInt32BE(at)
    if (end > bytes.length) break
    take(parse(bytes.toString("utf8", at + 4, end)))
    at = end
  }
  if (at === bytes.length) return
  const rest = bytes.subarray(at)
  parts = [rest]
  held = rest.length
  wanted = held >= 4 ? 4 + rest.readUInt32BE(0) : 4
}

/** Drops what waits, sends this, then calls. */
function sendLast(text, then) {
  outgoing = [text]
  socket.write(gathered(), then)
}

module.exports = { flushNow, listen, send, sendLast }
