/* SPDX-License-Identifier: Apache-2.0 */
/* The bar: what it says, and that it keeps within the terminal. */
#include "cli/progress.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1024) * 1024)

START_TEST(says_what_is_known)
{
    static const struct {
        uint64_t done, total, items, done_before, items_before;
        double seconds;
        size_t width;
        const char *line;
    } rows[] = {
        {0, 0, 0, 0, 0, 0, 79, "importing 0 lines"},
        {5, 0, 1200, 0, 0, 4, 79, "importing 1200 lines, 300/s"},
        {MIB, 4 * MIB, 1000, 0, 0, 10, 79,
         "importing [#######                       ]  25 %  1000 lines, 100/s, 30 s left"},
        {4 * MIB, 4 * MIB, 4000, 0, 0, 40, 79,
         "importing [##############################] 100 %  4000 lines, 100/s"},
        {MIB, 4 * MIB, 1000, 0, 0, 0.1, 79,
         "importing [#######                       ]  25 %  1000 lines"},
        {MIB, 101 * MIB, 1000, 0, 0, 10, 70,
         "importing [               ]   0 %  1000 lines, 100/s, 16 min 40 s left"},
        {MIB, 1001 * MIB, 1000, 0, 0, 10, 60,
         "importing   0 %  1000 lines, 100/s, 2 h 46 min left"},
        /* What an earlier go did is no part of the rate. */
        {3 * MIB, 4 * MIB, 3000, 2 * MIB, 2000, 10, 50,
         "importing  75 %  3000 lines, 100/s, 10 s left"},
        {MIB, 4 * MIB, 1000, 0, 0, 10, 20, "importing  25 %  100"},
        {MIB, 4 * MIB, 1000, 0, 0, 10, 0, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct progress progress;
        char line[200];
        progress_start(&progress, "importing", "lines");
        progress_resume(&progress, rows[i].done_before, rows[i].items_before);
        progress_line(&progress, rows[i].done, rows[i].total, rows[i].items, rows[i].seconds,
                      rows[i].width, line, sizeof(line));
        ck_assert_str_eq(line, rows[i].line);
    }
}
END_TEST

START_TEST(keeps_within_the_width)
{
    struct progress progress;
    progress_start(&progress, "importing", "lines");
    for (size_t width = 0; width < 300; width++)
        for (uint64_t done = 1; done < UINT64_MAX / 1000; done *= 977) {
            char line[200];
            progress_line(&progress, done, done * 900, done, 77.7, width, line, sizeof(line));
            ck_assert_uint_le(strlen(line), width);
        }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {says_what_is_known, keeps_within_the_width, NULL};
    Suite *const suites[] = {unit_suite("progress", tests), NULL};
    return unit_run(suites);
}
