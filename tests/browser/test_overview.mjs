// SPDX-License-Identifier: Apache-2.0
// The overview: its charts, its periods, and the ways from a number to what is behind it.

import { check, same } from "./browser.mjs";

const numberOf = (text) => Number(text.replace(/\D/g, ""));
const tile = (page, at) => page.locator(".tiles li strong").nth(at).innerText().then(numberOf);

// Something is drawn on each, in more than one colour, and nothing moved to make room for it.
export async function chartsAreDrawn(world) {
    for (const scheme of ["light", "dark"]) {
        const page = await world.open("compliance", "/console", { scheme });
        const drawn = await page.evaluate(() =>
            [...document.querySelectorAll("canvas[data-chart]")].map((canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                const seen = new Set();
                for (let i = 0; i < data.length; i += 4)
                    if (data[i + 3] === 255) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
                return { colours: seen.size, label: canvas.getAttribute("aria-label") };
            }),
        );
        same(drawn.length, 2, "charts");
        for (const { colours, label } of drawn) {
            check(colours >= 2, `only ${colours} colours in the chart "${label}" (${scheme})`);
            check(label.length > 0, "a chart without a name");
        }
        const moved = await page.evaluate(
            () =>
                new Promise((resolve) => {
                    let sum = 0;
                    new PerformanceObserver((list) => {
                        for (const entry of list.getEntries()) sum += entry.value;
                    }).observe({ type: "layout-shift", buffered: true });
                    requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
                }),
        );
        check(moved < 0.02, `the page moved by ${moved} while it was loaded`);
        await page.finish();
    }
}

// The chart's numbers are those of the table beside it.
export async function chartsSayWhatTablesSay(world) {
    const page = await world.open("compliance", "/console?days=30");
    const { labels, series } = JSON.parse(await page.locator("canvas[data-chart]").first().getAttribute("data-chart"));
    same(labels.length, 30, "days of the chart");
    const sum = series.reduce((all, { values }) => all + values.reduce((a, b) => a + b, 0), 0);
    same(sum, await tile(page, 0), "messages in the chart");
    await page.locator("details.fold > summary").first().click();
    const cells = await page.locator("details.fold table").first().locator("tbody td.n").allInnerTexts();
    same(cells.map(numberOf).reduce((a, b) => a + b, 0), sum, "messages in the table");
    await page.finish();
}

export async function anotherPeriod(world) {
    const page = await world.open("reader", "/console");
    const thirty = await tile(page, 0);
    await world.press(page, page.locator(".choices a").first());
    same(new URL(page.url()).search, "?days=7", "the period");
    check((await tile(page, 0)) < thirty, "seven days have as many messages as thirty");
    same(await page.locator(".choices a[aria-current]").innerText(), "7 days", "the period that is marked");
    await page.locator("main form.filter select[name=channel]").selectOption("sms");
    await world.press(page, page.locator("main form.filter button"));
    check(new URL(page.url()).search.includes("channel=sms"), `the channel is lost: ${page.url()}`);
    same(await page.inputValue("main form.filter select[name=channel]"), "sms", "the channel that is shown");
    await page.finish();
}

// From what is suspended to where it can be resumed; from an observed partner to its messages.
export async function waysOn(world) {
    const page = await world.open("compliance", "/console");
    await world.press(page, page.locator(`.states a[href='/console/partners/${world.data.suspended}']`));
    check((await page.locator("main form, main summary").count()) > 0, "nothing can be done about the suspension");
    await page.finish();
    const observed = await world.open("compliance", "/console/observe");
    const would = await tile(observed, 2);
    check(would > 0, "nothing would have been blocked of a partner that is observed");
    const cells = await observed.locator("section:nth-of-type(2) table tbody tr td.n:nth-of-type(2)").allInnerTexts();
    same(cells.map(numberOf).reduce((a, b) => a + b, 0), would, "messages by reason");
    await observed.finish();
}
