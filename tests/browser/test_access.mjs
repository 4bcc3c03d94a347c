// SPDX-License-Identifier: Apache-2.0
// Coming in, changing the language, leaving.

import { check, same } from "./browser.mjs";

const pathOf = (page) => new URL(page.url()).pathname;

// Who comes to a page without being signed in gets there once he is; a wrong password is told so.
export async function comeIn(world) {
    const { name, password } = world.users.compliance;
    const page = await world.open(null, "/console/partners?from=test");
    same(pathOf(page), "/console/login", "where one is sent");
    let response = await world.submit(page, "main form", { name, password: "not the password" });
    same(pathOf(page), "/console/login", "after a wrong password");
    check(response.status() >= 400, `a wrong password was answered ${response.status()}`);
    check((await page.locator("main [role=alert], main .notice, main .bad").count()) > 0, "a wrong password is not told so");
    same(await page.inputValue("input[name=password]"), "", "the password of the form shown again");
    await world.checkAxe(page);
    response = await world.submit(page, "main form", { name, password });
    same(response.status(), 200, "the page after signing in");
    same(pathOf(page), "/console/partners", "where one wanted to go");
    await page.finish();
}

// Without scripts and with the keyboard alone.
export async function comeInByKeyboard(world) {
    const { name, password } = world.users.reader;
    const page = await world.open(null, "/console/login", { js: false });
    await page.focus("input[name=name]");
    await page.keyboard.type(name);
    await page.keyboard.press("Tab");
    await page.keyboard.type(password);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    same(pathOf(page), "/console", "after Enter");
    await page.finish();
}

// The other language stays, for this page and the next ones.
export async function changeLanguage(world) {
    const page = await world.open("reader", "/console", { lang: "en" });
    await world.press(page, page.locator("button[lang=fr]"));
    same(pathOf(page), "/console", "the page after another language");
    same(await page.getAttribute("html", "lang"), "fr", "the language asked for");
    await page.reload();
    same(await page.getAttribute("html", "lang"), "fr", "the language later on");
    await page.finish();
}

// After leaving, no way back brings anything.
export async function leave(world) {
    const { name, password } = world.users.administrator;
    const page = await world.open(null, "/console/login");
    await world.submit(page, "main form", { name, password });
    same(pathOf(page), "/console", "signed in");
    await world.press(page, page.locator("form[action='/console/logout'] button"));
    same(pathOf(page), "/console/login", "after leaving");
    await page.goBack();
    check(pathOf(page) !== "/console" || (await page.locator("nav a").count()) === 0, "the page left is shown again");
    await page.goto(`${world.base}/console`);
    same(pathOf(page), "/console/login", "after having left");
    await page.finish();
}

// The skip link is the first thing by keyboard, and goes to the content.
export async function skipToContent(world) {
    const page = await world.open("reader", "/console");
    await page.keyboard.press("Tab");
    check(await page.evaluate(() => document.activeElement.matches(".skip")), "the first Tab is not the skip link");
    await page.keyboard.press("Enter");
    same(await page.evaluate(() => document.activeElement.id), "content", "where it goes");
    await page.finish();
}
