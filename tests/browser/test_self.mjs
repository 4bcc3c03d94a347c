// SPDX-License-Identifier: Apache-2.0
// The checks themselves: each finds what is wrong with a page made for it, and nothing on a good one.

import http from "node:http";

import { World, check, until } from "./browser.mjs";

const frame = (body, head = "") =>
    `<!DOCTYPE html><html lang="en"><head><title>Made up</title><meta name="viewport" content="width=device-width">` +
    `<link rel="icon" href="data:,">${head}</head><body><main><h1>Made up</h1>${body}</main></body></html>`;

const made = {
    "/good": frame(`<p>All is well.</p><button>Go on</button><div><table><tr><td>1</td></tr></table></div>`),
    "/wide": frame(`<p class="w">Wide</p>`, `<link rel="stylesheet" href="/wide.css">`),
    "/axe": frame(`<form><input name="nobody-knows"></form>`),
    "/unseen": frame(`<button class="u">Go on</button>`, `<link rel="stylesheet" href="/wide.css">`),
    "/far": frame(`<p>No button</p><a href="/good">Elsewhere</a><span class="go">Go on</span>`),
    "/policy": frame(`<p style="color: red">Red</p>`),
    "/inline": frame(`<script>document.title = "changed"</script>`),
    "/missing": frame(`<img src="/nothing.png" alt="Nothing">`),
    "/elsewhere": frame(`<img src="http://127.0.0.2:9/picture.png" alt="Elsewhere">`),
};
const style = ".w { width: 900px } .u:focus { outline: none; box-shadow: none }";

async function serve() {
    const server = http.createServer((request, response) => {
        const css = request.url === "/wide.css";
        const text = css ? style : made[request.url];
        response.writeHead(text === undefined ? 404 : 200, {
            "Content-Type": css ? "text/css" : "text/html; charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'",
        });
        response.end(text ?? "");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
}

async function fails(wanted, run) {
    let why = "nothing";
    try {
        await run();
    } catch (error) {
        why = error.message;
    }
    check(wanted.test(why), `${wanted} was to be found, but ${why} was`);
}

export async function checksFindWhatTheyAreFor(outer) {
    const server = await serve();
    const world = Object.assign(new World({ base: `http://127.0.0.1:${server.address().port}`, users: {}, data: {} }),
        { browser: outer.browser, axeSource: outer.axeSource });
    const on = async (path, look, options = { width: 360 }) => {
        const page = await world.open(null, path, options);
        await look(page);
        await page.finish();
    };
    try {
        await on("/good", async (page) => {
            await world.checkWidth(page);
            await world.checkAxe(page);
            await world.checkReached(page, "button");
        });
        await fails(/scrolls sideways: 9\d\d px in 360: p\.w/, () => on("/wide", (page) => world.checkWidth(page)));
        await fails(/label \(critical\): input/, () => on("/axe", (page) => world.checkAxe(page)));
        await fails(/focus does not show on button/, () => on("/unseen", (page) => world.checkReached(page, "button")));
        await fails(/is not reached with 20 Tabs/, () => on("/far", (page) => world.checkReached(page, ".go", 20)));
        // They come a little later than the page.
        const troubled = (page) => until("a problem", () => page.problems.length > 0);
        await fails(/Content Security Policy/, () => on("/policy", troubled));
        await fails(/Content Security Policy/, () => on("/inline", troubled));
        await fails(/status of 404/, () => on("/missing", troubled));
        await fails(/asks elsewhere/, () => on("/elsewhere", troubled));
    } finally {
        server.close();
    }
}
