// SPDX-License-Identifier: Apache-2.0
// What the console does beyond its pages where scripts run: charts. Everything a chart shows stands in a
// table of the same page; without this file nothing is missing.
//
// <canvas data-chart='{"type":"bar","stacked":true,"labels":["1 March"],"series":[{"name":"Passed","kind":"pass",
// "values":[3]}]}'>: type "bar", "line" or "row" (bars that lie, for long names); kind is a colour's name in
// console.css ("pass", "block", "defer", "mark"); values are numbers.
"use strict";

(() => {
    const style = () => getComputedStyle(document.documentElement);
    const colour = (name) => style().getPropertyValue("--" + name).trim() || "gray";
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    const charts = [];

    function options(data, lying) {
        const numbers = new Intl.NumberFormat(document.documentElement.lang);
        const axis = (stacked, counts) => ({
            stacked,
            beginAtZero: true,
            grid: { color: counts ? colour("line") : "transparent" },
            ticks: {
                color: colour("soft"),
                maxRotation: 0,
                autoSkipPadding: 12,
                ...(counts ? { precision: 0, callback: (value) => numbers.format(value) } : {}),
            },
        });
        return {
            indexAxis: lying ? "y" : "x",
            responsive: true,
            maintainAspectRatio: false,
            animation: still.matches ? false : { duration: 300 },
            interaction: { mode: "index", intersect: false, axis: lying ? "y" : "x" },
            scales: { x: axis(data.stacked, lying), y: axis(data.stacked, !lying) },
            plugins: {
                legend: { display: data.series.length > 1, labels: { color: colour("ink"), boxWidth: 14 } },
                tooltip: {
                    callbacks: {
                        label: (item) => `${item.dataset.label}: ${numbers.format(item.raw)}`,
                    },
                },
            },
        };
    }

    function draw(canvas) {
        const data = JSON.parse(canvas.dataset.chart);
        const lying = data.type === "row";
        canvas.parentElement.hidden = false;
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
                options: options(data, lying),
            }),
        );
    }

    function drawAll() {
        while (charts.length > 0) charts.pop().destroy();
        document.querySelectorAll("canvas[data-chart]").forEach(draw);
    }

    if (window.Chart === undefined) return; // not installed: the tables say it all
    drawAll();
    dark.addEventListener("change", drawAll);
})();
