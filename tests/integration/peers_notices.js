// SPDX-License-Identifier: Apache-2.0
// A partner that is told of withdrawals, by the npm libraries `standardwebhooks` (is it from the
// gate?) and `jose` (whom is it about?):
//
//   node peers_notices.js partner '{"secret": "whsec_…", "key": "BASE64", "port": 0}'
//
// "tls": {"cert": FILE, "key": FILE} for https. It writes one JSON object a line on standard output:
//   {"event": "listening", "port": N}
//   {"event": "notice", "id": …, "type": …, "data": {…}, "address": … or null, "status": N}
//   {"event": "forged", "message": …}      the signature does not hold: answered 401
// and is told on standard input, one a line, until that ends ("tag" comes back as "ready"):
//   {"do": "answer", "status": 500, "headers": {…}}    from now on
//   {"do": "answer", "how": "close" | "silence" | "huge" | "garbage"}
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const readline = require('node:readline');
const { Webhook } = require('standardwebhooks');
const { compactDecrypt } = require('jose');

const options = JSON.parse(process.argv[3]);
const key = Buffer.from(options.key, 'base64');
const webhook = new Webhook(options.secret);
let answer = { status: 204 };

function write(object) {
    process.stdout.write(`${JSON.stringify(object)}\n`);
}

async function open(data) {
    if (!data.recipient.sealed) {
        return data.recipient.identifier || null;
    }
    const { plaintext } = await compactDecrypt(data.recipient.sealed, key);
    return new TextDecoder().decode(plaintext);
}

async function take(request, body) {
    const message = webhook.verify(body, request.headers);
    const { type, data } = message;
    write({ event: 'notice', id: request.headers['webhook-id'], type, data,
        address: await open(data), status: answer.how || answer.status });
}

function reply(response) {
    if (answer.how === 'close') {
        response.socket.destroy();
    } else if (answer.how === 'garbage') {
        response.socket.end('this is no HTTP\r\n\r\n');
    } else if (answer.how === 'huge') {
        response.writeHead(500);
        const more = () => {
            while (!response.destroyed && response.write('x'.repeat(65536)));
        };
        response.on('drain', more).on('error', () => {});
        more();
    } else if (answer.how !== 'silence') {
        response.writeHead(answer.status, answer.headers);
        response.end();
    }
}

function serve(request, response) {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
        take(request, Buffer.concat(pieces).toString()).then(() => reply(response), (error) => {
            write({ event: 'forged', message: error.message });
            response.writeHead(401);
            response.end();
        });
    });
}

const server = options.tls
    ? https.createServer({ cert: fs.readFileSync(options.tls.cert),
        key: fs.readFileSync(options.tls.key) }, serve)
    : http.createServer(serve);
server.listen(options.port || 0, '127.0.0.1',
    () => write({ event: 'listening', port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const order = JSON.parse(line);
    answer = order;
    write({ event: 'ready', tag: order.tag });
}).on('close', () => process.exit(0));
