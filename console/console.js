// SPDX-License-Identifier: Apache-2.0
// What the console does beyond its pages where scripts run: charts. Everything a chart shows stands in a
// table of the same page; without this file nothing is missing.
//
// <canvas data-chart='{"type":"bar","stacked":true,"dates":true,"labels":["2026-03-01"],"series":[{"name":"Passed",
// "kind":"pass","values":[3]}]}'>: type "bar", "line" or "row" (bars that lie, for long names); with dates the
// labels are days or months ("2026-03"), of UTC; kind is a colour's name in console.css ("pass", "block",
// "defer", "observe", "mark"); values are numbers.
"use strict";

(() => {
    const language = document.documentElement.lang || "en";
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    const narrow = window.matchMedia("(max-width: 40rem)");
    const numbers = new Intl.NumberFormat(language);
    const shares = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
    const charts = [];

    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim() || "gray";

    // "2026-03-01" or "2026-03" as people write it: short under an axis, whole in a tooltip.
    function date(text, whole) {
        const month = text.length < 10;
        const shape = month
            ? { month: whole ? "long" : "short", year: "numeric" }
            : whole
              ? { weekday: "long", day: "numeric", month: "long", year: "numeric" }
              : { day: "numeric", month: "short" };
        return new Intl.DateTimeFormat(language, { ...shape, timeZone: "UTC" }).format(
            new Date(month ? text + "-01" : text),
        );
    }

    // A sentence in lines that fit beside the bars, at most two of them.
    function lines(text, most) {
        const out = [""];
        for (const word of text.split(" ")) {
            const last = out[out.length - 1];
            if (last !== "" && (last + " " + word).length > most) out.push(word);
            else out[out.length - 1] = last === "" ? word : last + " " + word;
        }
        return out.length > 2 ? [out[0], out[1] + "…"] : out;
    }

    function axis(data, counts) {
        const ticks = { color: colour("soft"), maxRotation: 0, autoSkipPadding: 16 };
        if (counts) {
            ticks.precision = 0;
            ticks.maxTicksLimit = narrow.matches ? 4 : 7;
            ticks.callback = (value) => numbers.format(value);
        } else if (data.dates) {
            ticks.callback = (value) => date(data.labels[value], false);
        } else {
            ticks.autoSkip = false;
            ticks.callback = (value) => lines(data.labels[value], narrow.matches ? 18 : 44);
        }
        return {
            stacked: data.stacked === true,
            beginAtZero: true,
            grid: { color: counts ? colour("line") : "transparent", drawTicks: false },
            border: { display: false },
            ticks: { ...ticks, padding: 6 },
        };
    }

    // Of a bar what it is of the whole that it is stacked on.
    function told(data, item) {
        const text = `${item.dataset.label}: ${numbers.format(item.raw)}`;
        const whole = data.series.reduce((sum, series) => sum + series.values[item.dataIndex], 0);
        return data.stacked && whole > 0 ? `${text} (${shares.format(item.raw / whole)})` : text;
    }

    function options(data, lying) {
        return {
            indexAxis: lying ? "y" : "x",
            responsive: true,
            maintainAspectRatio: false,
            animation: still.matches ? false : { duration: 300 },
            interaction: { mode: "index", intersect: false, axis: lying ? "y" : "x" },
            scales: { x: axis(data, lying), y: axis(data, !lying) },
            plugins: {
                legend: {
                    display: data.series.length > 1,
                    align: "start",
                    labels: { color: colour("ink"), boxWidth: 14, padding: 12 },
                },
                tooltip: {
                    callbacks: {
                        title: (items) =>
                            data.dates
                                ? date(data.labels[items[0].dataIndex], true)
                                : lines(data.labels[items[0].dataIndex], narrow.matches ? 34 : 70),
                        label: (item) => told(data, item),
                    },
                },
            },
        };
    }

    function draw(canvas) {
        const data = JSON.parse(canvas.dataset.chart);
        charts.push(
            new window.Chart(canvas, {
                type: data.type === "line" ? "line" : "bar",
                data: {
                    labels: data.labels,
                    datasets: data.series.map((series) => ({
                        label: series.name,
                        data: series.values,
                        backgroundColor: colour(series.kind),
                        borderColor: colour(series.kind),
                        maxBarThickness: 28,
                        pointRadius: 2,
                    })),
                },
                options: options(data, data.type === "row"),
            }),
        );
    }

    function drawAll() {
        while (charts.length > 0) charts.pop().destroy();
        document.querySelectorAll("canvas[data-chart]").forEach(draw);
    }

    // Not installed: the tables say it all, and no empty place is kept for a picture.
    if (window.Chart === undefined) {
        document.querySelectorAll(".chart").forEach((box) => (box.hidden = true));
        return;
    }
    window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawAll();
    for (const changed of [dark, narrow, still]) changed.addEventListener("change", drawAll);
})();
