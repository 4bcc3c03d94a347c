// SPDX-License-Identifier: Apache-2.0
// What the tests in a browser stand on: Debian's Chromium made without a window, driven by playwright-core, and
// axe-core as the judge of accessibility. A page that logs an error, breaks its own content policy or asks
// another host for something has failed, whatever else the test looked at.
//
// A test gets a World: open() gives a page of its own (context, cookies, language, width, colours), signed in
// as one of the roles or as nobody.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// The packages are the integration tests': one lock file for all that comes from npm.
const require = createRequire(new URL("../integration/package.json", import.meta.url));

export const PATIENCE = 60000; // sanitizers make the gateway slow, and other tests run beside

// Where Debian puts the one that has no window to draw, which takes less than half the time, and where others
// have the whole browser.
function chromium() {
    const found = (process.env.CHROMIUM ? [process.env.CHROMIUM] : ["/usr/bin/chromium-headless-shell",
        "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]).find((file) => fs.existsSync(file));
    if (found === undefined) throw new Error("chromium-headless-shell is missing: sh tests/packages.sh test");
    return found;
}

export function check(condition, what) {
    if (!condition) throw new Error(what);
}

export function same(found, wanted, what) {
    check(found === wanted, `${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

// Asks again until condition gives something true.
export async function until(what, condition, timeout = PATIENCE) {
    const end = Date.now() + timeout;
    for (;;) {
        const value = await condition();
        if (value) return value;
        check(Date.now() < end, `waited ${timeout / 1000} s for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

export class World {
    // base: "http://127.0.0.1:8080"; users: {role: {name, password}}; data: what the gateway holds that
    // tests look for (test_browser.py); screens: a folder for pictures, or null.
    constructor({ base, users, data, screens }) {
        Object.assign(this, { base, users, data, screens });
        this.browser = null;
        this.states = new Map(); // role → cookies of who signed in
    }

    async start() {
        const { chromium: type } = require("playwright-core");
        this.axeSource = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
        this.browser = await type.launch({
            executablePath: chromium(),
            args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none",
                "--force-color-profile=srgb"],
        });
        return this;
    }

    async stop() {
        if (this.browser !== null) await this.browser.close();
        this.browser = null;
    }

    // A context is a browser profile of its own: no cookie of another test is in it.
    async context({ lang = "en", js = true, width = 1280, height = 900, scheme = "light", state } = {}) {
        const context = await this.browser.newContext({
            locale: lang === "fr" ? "fr-FR" : "en-GB",
            timezoneId: "Europe/Paris",
            javaScriptEnabled: js,
            viewport: { width, height },
            colorScheme: scheme,
            reducedMotion: "reduce",
            acceptDownloads: true,
            storageState: state,
        });
        context.setDefaultTimeout(PATIENCE);
        return context;
    }

    // A page of role ("reader", "compliance", "administrator", or null: not signed in) at address, loaded.
    // allow: statuses of the document beside 200. page.problems is what went wrong so far; close() it when done:
    // it fails if anything did.
    async open(role, address, { allow = [], ...options } = {}) {
        const state = role === null ? undefined : await this.signedIn(role);
        const context = await this.context({ ...options, state });
        const page = await context.newPage();
        page.problems = [];
        page.on("console", (message) => {
            // The document's own status is the test's to judge; all else that fails to load is not well.
            const ownStatus = /Failed to load resource: the server responded with a status of/.test(message.text()) &&
                message.location().url === page.url();
            if (["error", "warning"].includes(message.type()) && !ownStatus)
                page.problems.push(`console: ${message.text()} (${message.location().url})`);
        });
        page.on("pageerror", (error) => page.problems.push(`script: ${error.message}`));
        page.on("dialog", async (dialog) => {
            page.problems.push(`a dialog: ${dialog.message()}`);
            await dialog.dismiss();
        });
        page.on("request", (request) => {
            const url = request.url();
            if (!url.startsWith(this.base + "/") && !url.startsWith("data:") && !url.startsWith("blob:"))
                page.problems.push(`asks elsewhere: ${url}`);
        });
        page.on("requestfailed", (request) => {
            if (request.failure()?.errorText !== "net::ERR_ABORTED") // a download, or left before it was there
                page.problems.push(`failed: ${request.url()} ${request.failure()?.errorText}`);
        });
        page.finish = async () => {
            const problems = page.problems;
            await context.close();
            check(problems.length === 0, problems.join("\n"));
        };
        const response = await page.goto(this.base + address, { waitUntil: "load" });
        const status = response.status();
        check(status === 200 || allow.includes(status), `${address}: status ${status}`);
        page.status = status;
        return page;
    }

    // Cookies of who signed in with the form, once a role.
    async signedIn(role) {
        if (!this.states.has(role)) {
            const user = this.users[role];
            check(user !== undefined, `there is no user for the role ${role}`);
            this.states.set(role, await this.signIn(user));
        }
        return this.states.get(role);
    }

    async signIn({ name, password }) {
        const page = await this.open(null, "/console/login");
        await this.submit(page, "main form", { name, password });
        check(!new URL(page.url()).pathname.endsWith("/login"), `${name} could not sign in`);
        const state = await page.context().storageState();
        await page.finish();
        return state;
    }

    // Presses a button or link that leads to another page, and waits for that.
    async press(page, locator) {
        const [response] = await Promise.all([page.waitForNavigation({ waitUntil: "load" }), locator.click()]);
        return response;
    }

    // Fills the fields of a form ({name: value}) and sends it; returns the response of the page it led to.
    async submit(page, form, values = {}) {
        const within = typeof form === "string" ? page.locator(form) : form;
        for (const [name, value] of Object.entries(values)) {
            const field = within.locator(`[name="${name}"]`);
            const kind = await field.first().evaluate((node) => `${node.localName} ${node.type}`);
            if (kind.startsWith("select")) await field.selectOption(value);
            else if (kind === "input radio") await within.locator(`[name="${name}"][value="${value}"]`).check();
            else if (kind === "input checkbox") await field.setChecked(value);
            else await field.fill(value);
        }
        return this.press(page, within.locator("button:not([type=button]), input[type=submit]").last());
    }

    // Serious and critical findings of axe, each with where it is; [] when there is none.
    async axe(page) {
        await page.evaluate(this.axeSource);
        const results = await page.evaluate(() => globalThis.axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        }));
        return results.violations
            .filter((found) => ["serious", "critical"].includes(found.impact))
            .flatMap((found) => found.nodes.map((node) =>
                `${found.id} (${found.impact}): ${node.target.join(" ")}: ${node.failureSummary.split("\n")[1]?.trim()}`));
    }

    async checkAxe(page) {
        const found = await this.axe(page);
        check(found.length === 0, `axe on ${page.url()}:\n${found.join("\n")}`);
    }

    // No page is wider than the window: only tables scroll, inside of themselves.
    async checkWidth(page) {
        const wide = await page.evaluate(() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return null;
            const scrolls = (node) => node !== null && node !== document.body &&
                (["auto", "scroll", "hidden"].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
            const widest = [...document.body.querySelectorAll("*")]
                .filter((node) => node.getBoundingClientRect().right > width + 1 && !scrolls(node.parentElement))
                .map((node) => `${node.localName}.${node.className}`);
            return `${document.documentElement.scrollWidth} px in ${width}: ${widest.slice(0, 5).join(", ")}`;
        });
        check(wide === null, `${page.url()} scrolls sideways: ${wide}`);
    }

    // Tab by Tab, as one without a mouse: an element that matches is reached, and it shows that it is.
    async checkReached(page, selector, most = 150) {
        check((await page.locator(selector).count()) > 0, `${page.url()}: nothing matches ${selector}`);
        await page.evaluate(() => document.activeElement?.blur());
        for (let i = 0; i < most; i++) {
            await page.keyboard.press("Tab");
            const at = await page.evaluate((wanted) => {
                const node = document.activeElement;
                if (node === null || node === document.body) return null;
                const style = getComputedStyle(node);
                // Of a date the browser marks the part that is typed, within.
                const shows = node.type === "date" || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) ||
                    style.boxShadow !== "none";
                return { hit: node.matches(wanted), shows, name: `${node.localName} "${node.textContent.trim().slice(0, 40)}"` };
            }, selector);
            if (at === null) continue;
            check(at.shows, `${page.url()}: focus does not show on ${at.name}`);
            if (at.hit) return;
        }
        throw new Error(`${page.url()}: ${selector} is not reached with ${most} Tabs`);
    }

    // What a reader is told, word by word: without codes, other people's words and what is not shown.
    async texts(page) {
        return page.evaluate(() => {
            const out = [];
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
                const within = node.parentElement;
                if (within.closest("script, style, code, pre, [translate=no], bdi, bdo, q, blockquote, td, dd") !== null)
                    continue;
                if (within.closest("[lang]") !== document.documentElement) continue;
                const text = node.textContent.replace(/\s+/g, " ").trim();
                if (/\p{L}{3}/u.test(text)) out.push(text);
            }
            for (const node of document.querySelectorAll("[aria-label], [placeholder], [title], [alt]"))
                for (const name of ["aria-label", "placeholder", "title", "alt"])
                    if (/\p{L}{3}/u.test(node.getAttribute(name) ?? "")) out.push(node.getAttribute(name));
            out.push(document.title);
            return out;
        });
    }

    async picture(page, name, options = {}) {
        if (this.screens === null || this.screens === undefined) return;
        fs.mkdirSync(this.screens, { recursive: true });
        await page.screenshot({ path: path.join(this.screens, `${name}.png`), fullPage: true, ...options });
    }
}
