// SPDX-License-Identifier: Apache-2.0
// The SMPP peers, by the npm library `smpp`:
//
//   node peers_smpp.js smsc   '{"port": 0, "system_id": "gate", "password": "secret"}'
//   node peers_smpp.js client '{"host": "127.0.0.1", "port": 2775}'
//
// Both write one JSON object a line on standard output, read one a line on standard input, and end
// with standard input. Options of both: "tls" (client: true; smsc: {"cert": FILE, "key": FILE});
// "host". Of smsc: "system_id" and "password" (without them every bind is accepted), "receipts":
// true (each accepted submit that asked for one gets its delivery report).
//
// What they write:
//   {"event": "listening", "port": N}                       smsc
//   {"event": "connected"}                                  client
//   {"event": "session", "session": N}                      smsc: a connection came
//   {"event": "pdu", "session": N, "command": …, "status": …, "sequence": …, "pdu": {…},
//    "raw": HEX}                                            a request of the peer came
//   {"event": "response", …the same…, "tag": …}             an answer to what was sent with "do"
//   {"event": "closed", "session": N} {"event": "error", "session": N, "message": …}
//   {"event": "ready", "tag": …}                            an order without an answer of its own
//
// What they are told ("session": which connection; without it the newest; "tag" comes back):
//   {"do": "send", "command": "submit_sm", "pdu": {…}, "tlvs": [[TAG, HEX], …]}
//                        a request; bytes in pdu are {"hex": …}; a text is encoded by the library
//   {"do": "raw", "hex": …, "chunk": N}    bytes as they are, N at a time
//   {"do": "answer", "command": "submit_sm", "status": N, "times": N, "delay": MS, "pdu": {…},
//    "nack": true, "raw": HEX}
//                        how the next requests of that kind are answered; raw: in place of the
//                        answer, its sequence number put in at byte 12
//   {"do": "hold"}  {"do": "release", "order": "reverse"}   answers to submits, kept and let go
//   {"do": "silence", "on": true}          nothing is answered at all
//   {"do": "receipt", "id": …, "stat": "DELIVRD", "pdu": {…}}   smsc: a delivery report
//   {"do": "close"}  {"do": "destroy"}     the connection's end, in order or not
'use strict';

const fs = require('node:fs');
const readline = require('node:readline');
const smpp = require('smpp');

const options = JSON.parse(process.argv[3] || '{}');
smpp.PDU.maxLength = 65536;

// The library keeps no bytes of what it reads.
smpp.PDU.fromStream = function fromStream(stream, length) {
    const rest = stream.read(length - 4);
    if (!rest) {
        return false;
    }
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length, 0);
    const bytes = Buffer.concat([head, rest]);
    const pdu = new smpp.PDU(bytes);
    Object.defineProperty(pdu, 'raw', { value: bytes.toString('hex'), enumerable: false });
    return pdu;
};

function write(object) {
    process.stdout.write(`${JSON.stringify(object)}\n`);
}

function plain(value) {
    if (Buffer.isBuffer(value)) {
        return { hex: value.toString('hex') };
    }
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (value && typeof value === 'object' && !(value instanceof Date)) {
        return Object.fromEntries(Object.entries(value)
            .filter(([, each]) => typeof each !== 'function').map(([key, each]) => [key, plain(each)]));
    }
    return value;
}

function unplain(value) {
    if (Array.isArray(value)) {
        return value.map(unplain);
    }
    if (value && typeof value === 'object') {
        if (typeof value.hex === 'string') {
            return Buffer.from(value.hex, 'hex');
        }
        return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, unplain(each)]));
    }
    return value;
}

const HEAD = ['command', 'command_id', 'command_length', 'command_status', 'sequence_number'];

function describe(peer, event, pdu, more) {
    const fields = Object.fromEntries(Object.entries(pdu)
        .filter(([key, value]) => !HEAD.includes(key) && typeof value !== 'function'));
    return { event, session: peer.number, command: pdu.command, status: pdu.command_status,
        sequence: pdu.sequence_number, pdu: plain(fields), raw: pdu.raw, ...more };
}

function withTlvs(bytes, tlvs) {
    const parts = [bytes];
    for (const [tag, hex] of tlvs || []) {
        const value = Buffer.from(hex, 'hex');
        const head = Buffer.alloc(4);
        head.writeUInt16BE(tag, 0);
        head.writeUInt16BE(value.length, 2);
        parts.push(head, value);
    }
    const whole = Buffer.concat(parts);
    whole.writeUInt32BE(whole.length, 0);
    return whole;
}

let silent = false;
let held = null; // null, or the answers kept
const scripted = []; // of "answer"
let messages = 0;
const peers = []; // every connection, the newest last

function nextScripted(command) {
    const index = scripted.findIndex((each) => each.command === command);
    if (index < 0) {
        return {};
    }
    const found = scripted[index];
    found.times -= 1;
    if (found.times <= 0) {
        scripted.splice(index, 1);
    }
    return found;
}

function report(peer, id, stat, more) {
    const text = `id:${id} sub:001 dlvrd:${stat === 'DELIVRD' ? '001' : '000'} ` +
        `submit date:2601011200 done date:2601011201 stat:${stat} err:000 text:`;
    request(peer, 'deliver_sm', { esm_class: 4, short_message: Buffer.from(text, 'latin1'),
        ...more }, [], 'receipt');
}

function request(peer, command, fields, tlvs, tag) {
    const pdu = new smpp.PDU(command, fields);
    peer.sequence = peer.sequence >= 0x7fffffff ? 1 : peer.sequence + 1;
    pdu.sequence_number = fields.sequence_number || peer.sequence;
    peer.sent.set(pdu.sequence_number, tag);
    peer.session.socket.write(withTlvs(pdu.toBuffer(), tlvs));
}

const WITH_ID = ['submit_sm', 'submit_multi', 'data_sm'];

function respond(peer, pdu, script) {
    const socket = peer.session.socket;
    if (!socket.writable) {
        return;
    }
    if (script.raw) {
        const bytes = Buffer.from(script.raw, 'hex');
        bytes.writeUInt32BE(pdu.sequence_number, 12);
        socket.write(bytes);
        return;
    }
    const fields = { command_status: script.status || 0, ...unplain(script.pdu || {}) };
    if (script.nack) {
        fields.sequence_number = pdu.sequence_number;
        socket.write(new smpp.PDU('generic_nack', fields).toBuffer());
        return;
    }
    if (WITH_ID.includes(pdu.command) && !('message_id' in fields)) {
        messages += 1;
        fields.message_id = `${options.prefix || 'm'}${messages}`;
    }
    const answer = pdu.response(fields);
    socket.write(answer.toBuffer());
    if (options.receipts && WITH_ID.includes(pdu.command) && !fields.command_status &&
        (pdu.registered_delivery & 3) !== 0) {
        report(peer, fields.message_id, 'DELIVRD', { source_addr: pdu.destination_addr,
            source_addr_ton: 1, source_addr_npi: 1, destination_addr: pdu.source_addr });
    }
    if (pdu.command === 'unbind') {
        peer.session.close();
    }
}

function authenticate(pdu) {
    if (options.system_id !== undefined && pdu.system_id !== options.system_id) {
        return smpp.ESME_RINVSYSID;
    }
    if (options.password !== undefined && pdu.password !== options.password) {
        return smpp.ESME_RINVPASWD;
    }
    return 0;
}

function heard(peer, pdu) {
    if (pdu.isResponse()) {
        const tag = peer.sent.get(pdu.sequence_number);
        peer.sent.delete(pdu.sequence_number);
        write(describe(peer, 'response', pdu, { tag }));
        return;
    }
    write(describe(peer, 'pdu', pdu));
    if (silent || pdu.command === 'outbind' || pdu.command === 'alert_notification') {
        return;
    }
    let script = nextScripted(pdu.command);
    if (pdu.command.startsWith('bind_') && script.command === undefined) {
        const status = options.role === 'smsc' ? authenticate(pdu) : smpp.ESME_RINVBNDSTS;
        script = { status, pdu: { system_id: 'npm-smsc', sc_interface_version: 0x34 } };
    }
    const answer = () => respond(peer, pdu, script);
    if (held !== null && WITH_ID.includes(pdu.command)) {
        held.push(answer);
    } else if (script.delay) {
        setTimeout(answer, script.delay);
    } else {
        answer();
    }
}

function take(session) {
    const peer = { session, number: peers.length + 1, sequence: 0, sent: new Map() };
    peers.push(peer);
    session.on('pdu', (pdu) => heard(peer, pdu));
    session.on('close', () => write({ event: 'closed', session: peer.number }));
    session.on('error', (error) => write({ event: 'error', session: peer.number,
        message: error.message }));
    return peer;
}

async function sendRaw(peer, order) {
    const bytes = Buffer.from(order.hex, 'hex');
    const chunk = order.chunk || bytes.length;
    for (let at = 0; at < bytes.length; at += chunk) {
        peer.session.socket.write(bytes.subarray(at, at + chunk));
        if (order.chunk) {
            await new Promise((resolve) => setImmediate(resolve));
        }
    }
}

const orders = {
    send: (peer, order) => request(peer, order.command, unplain(order.pdu || {}), order.tlvs,
        order.tag),
    raw: sendRaw,
    answer: (peer, order) => scripted.push({ times: 1, ...order }),
    hold: () => { held = []; },
    release: (peer, order) => {
        const answers = held || [];
        held = null;
        (order.order === 'reverse' ? answers.reverse() : answers).forEach((answer) => answer());
    },
    silence: (peer, order) => { silent = order.on !== false; },
    receipt: (peer, order) => report(peer, order.id, order.stat || 'DELIVRD',
        unplain(order.pdu || {})),
    close: (peer) => peer.session.close(),
    destroy: (peer) => peer.session.destroy(),
};

async function obey(line) {
    const order = JSON.parse(line);
    const run = orders[order.do];
    if (!run) {
        throw new Error(`no such order: ${order.do}`);
    }
    const needsPeer = ['send', 'raw', 'receipt', 'close', 'destroy'].includes(order.do);
    const peer = order.session ? peers[order.session - 1] : peers[peers.length - 1];
    if (needsPeer && !peer) {
        throw new Error('nobody is connected');
    }
    await run(peer, order);
    if (!['send', 'receipt'].includes(order.do)) {
        write({ event: 'ready', do: order.do, tag: order.tag });
    }
}

function start(mode) {
    options.role = mode;
    if (mode === 'client') {
        const session = smpp.connect({ host: options.host || '127.0.0.1', port: options.port,
            tls: Boolean(options.tls), rejectUnauthorized: false });
        take(session);
        session.on(options.tls ? 'secureConnect' : 'connect', () => write({ event: 'connected' }));
        return;
    }
    const listening = options.tls ? { key: fs.readFileSync(options.tls.key),
        cert: fs.readFileSync(options.tls.cert) } : {};
    const server = smpp.createServer(listening, (session) => {
        const peer = take(session);
        write({ event: 'session', session: peer.number });
    });
    server.listen(options.port || 0, options.host || '127.0.0.1',
        () => write({ event: 'listening', port: server.address().port }));
}

const mode = process.argv[2];
if (mode !== 'smsc' && mode !== 'client') {
    process.stderr.write('usage: peers_smpp.js smsc|client OPTIONS\n');
    process.exit(2);
}
start(mode);
const input = readline.createInterface({ input: process.stdin });
let queue = Promise.resolve();
input.on('line', (line) => {
    queue = queue.then(() => obey(line)).catch((error) => write({ event: 'error',
        message: error.message }));
});
input.on('close', () => queue.then(() => process.exit(0)));
