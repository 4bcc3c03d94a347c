// SPDX-License-Identifier: Apache-2.0
// One message by a provider's own library, sent to the gate instead:
//
//   node peers_http.js twilio '{"port": 8080, "account": "ACacme", "password": …, "to": …,
//                               "from": …, "text": …}'
//   node peers_http.js vonage '{"port": 8080, "account": …, "password": …, "to": …, …}'
//   node peers_http.js ovh    '{"port": 8443, "key": …, "secret": …, "consumer": …,
//                               "service": …, "receivers": [ … ], "from": …, "text": …}'
//
// Writes one JSON object: {"ok": true, "result": …} as the library returned it, or {"ok": false,
// "type": the error's class, "status": …, "code": …, "message": …, …} as it threw it. The library
// `ovh` speaks HTTPS only: NODE_EXTRA_CA_CERTS names the authority.
'use strict';

const mode = process.argv[2];
const options = JSON.parse(process.argv[3]);
const gate = `http://127.0.0.1:${options.port}`;

function finish(object) {
    process.stdout.write(`${JSON.stringify(object)}\n`);
}

// The library has no base URL: a client of HTTP of our own sends its requests elsewhere, which is
// what the guide for partners shows.
async function twilio() {
    const library = require('twilio');
    const client = new library.Twilio(options.account, options.password, {
        httpClient: new (class extends library.RequestClient {
            request(request) {
                const uri = request.uri.replace('https://api.twilio.com', gate);
                return super.request({ ...request, uri });
            }
        })(),
    });
    if (options.fetch) {
        return client.messages(options.fetch).fetch();
    }
    return client.messages.create({ to: options.to, from: options.from, body: options.text,
        statusCallback: 'http://127.0.0.1:9/never-called' });
}

async function vonage() {
    const { Vonage } = require('@vonage/server-sdk');
    const { Auth } = require('@vonage/auth');
    const client = new Vonage(new Auth({ apiKey: options.account, apiSecret: options.password }),
        { restHost: gate });
    return client.sms.send({ to: options.to, from: options.from, text: options.text });
}

function ovh() {
    const client = require('ovh')({ host: options.host || 'localhost', port: options.port,
        appKey: options.key, appSecret: options.secret, consumerKey: options.consumer });
    return new Promise((resolve, reject) => {
        const answered = (status, result) => {
            if (status) {
                const error = new Error(result);
                error.status = status;
                reject(error);
            } else {
                resolve(result);
            }
        };
        if (options.list) {
            client.request('GET', '/sms', answered);
        } else {
            client.request('POST', `/sms/${options.service}/jobs`, { message: options.text,
                sender: options.from, receivers: options.receivers, noStopClause: false }, answered);
        }
    });
}

const modes = { twilio, vonage, ovh };
modes[mode]().then(
    (result) => finish({ ok: true, result }),
    (error) => finish({ ok: false, type: error.constructor.name, status: error.status,
        code: error.code, message: error.message, moreInfo: error.moreInfo,
        failed: error.getFailedMessages ? error.getFailedMessages() : undefined }));
