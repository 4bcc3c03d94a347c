// SPDX-License-Identifier: Apache-2.0
// The recipients Haraka lets through in the benchmark: one set in memory, nothing else asked.
'use strict';

const fs = require('node:fs');

let people;

exports.register = function () {
    people = new Set(fs.readFileSync(this.config.get('people').trim(), 'latin1').split('\n'));
    this.register_hook('rcpt', 'consent');
};

exports.consent = function (next, connection, params) {
    // Haraka relays for nobody unless a plugin says so; here the gateway's networks may.
    connection.relaying = true;
    next(people.has(params[0].address.toLowerCase()) ? OK : DENY);
};
