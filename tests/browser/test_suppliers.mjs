// SPDX-License-Identifier: Apache-2.0
// A supplier is suspended and resumed.

import { check, same } from "./browser.mjs";

export async function suspendASupplier(world) {
    const path = `/console/suppliers/${world.data.supplier}`;
    for (const lang of ["en", "fr"]) {
        const page = await world.open("compliance", path, { lang, js: lang === "en" });
        const fold = page.locator("details:has(form[action='/console/suspensions'])");
        await fold.locator("summary").click();
        await world.submit(page, "form[action='/console/suspensions']", { reason: "Audit <b>of its files</b>" });
        same(new URL(page.url()).pathname, path, "where the act led");
        check((await page.locator("main").innerText()).includes("Audit <b>of its files</b>"), "the reason is not shown");
        if (lang === "en") await world.checkAxe(page);
        await page.locator("details:has(form[action='/console/resumptions']) summary").click();
        await world.submit(page, "form[action='/console/resumptions']", { reason: "Proof handed in" });
        same(await page.locator("form[action='/console/suspensions']").count(), 1, "ways to suspend it again");
        await page.finish();
    }
}

// What cannot be taken back asks for the name.
export async function invalidatingAsksForTheName(world) {
    const path = `/console/suppliers/${world.data.supplier}`;
    const page = await world.open("compliance", path, { lang: "en", allow: [400] });
    const form = `form[action='${path}/invalidation']`;
    await page.locator(`details:has(${form}) summary`).click();
    const response = await world.submit(page, form, { reason: "forged", confirm: "somebody else" });
    same(response.status(), 400, "a wrong name");
    check((await page.locator("main").innerText()).includes("Nothing was changed"), "it is not said that nothing was changed");
    await page.goto(world.base + path);
    same(await page.locator(form).count(), 1, "it is still valid");
    page.problems = [];
    await page.finish();
}
