// SPDX-License-Identifier: Apache-2.0
// The Node peers: `node peers.js pool|dkim|verify`, a JSON order on standard input, a JSON answer
// on standard output.
'use strict';

const fs = require('node:fs');
const nodemailer = require('nodemailer');

const order = JSON.parse(fs.readFileSync(0, 'utf8'));

function describe(error) {
    return { code: error.code, responseCode: error.responseCode, response: error.response,
        command: error.command, rejected: error.rejected };
}

// Sends order.messages through one pooled transport, all at once; one answer a message.
async function pool() {
    const transport = nodemailer.createTransport({ pool: true, ...order.transport });
    const answers = await Promise.all(order.messages.map(async (message) => {
        try {
            const info = await transport.sendMail(message);
            return { accepted: info.accepted, rejected: info.rejected, response: info.response,
                errors: (info.rejectedErrors || []).map(describe) };
        } catch (error) {
            return { error: describe(error) };
        }
    }));
    transport.close();
    return answers;
}

// Signs order.message (base64) with mailauth; returns the signed message, base64.
async function sign() {
    const { dkimSign } = require('mailauth/lib/dkim/sign');
    const content = Buffer.from(order.message, 'base64');
    const result = await dkimSign(content, {
        canonicalization: order.canonicalization,
        algorithm: order.algorithm,
        signTime: new Date(),
        signatureData: [{ signingDomain: order.domain, selector: order.selector,
            privateKey: order.privateKey }],
    });
    if (result.errors.length > 0) {
        throw result.errors[0];
    }
    return { message: Buffer.concat([Buffer.from(result.signatures), content])
        .toString('base64') };
}

// Verifies order.message (base64); order.keys: the TXT records of the DNS.
async function verify() {
    const { dkimVerify } = require('mailauth/lib/dkim/verify');
    const resolver = async (name, type) => {
        if (type === 'TXT' && order.keys[name]) {
            return [[order.keys[name]]];
        }
        const error = new Error(`no ${type} of ${name}`);
        error.code = 'ENOTFOUND';
        throw error;
    };
    const result = await dkimVerify(Buffer.from(order.message, 'base64'), { resolver,
        minBitLength: 1024 });
    return result.results.map((each) => ({ domain: each.signingDomain,
        result: each.status.result, comment: each.status.comment }));
}

const run = { pool, sign, verify }[process.argv[2]];
run().then((answer) => {
    process.stdout.write(JSON.stringify(answer));
}).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
});
