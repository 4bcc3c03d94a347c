/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_journal.h"

int main(void)
{
    Suite *const suites[] = {
        record_suite(),   write_suite(), verify_suite(), screening_suite(), sent_suite(),
        outcomes_suite(), NULL};
    return unit_run(suites);
}
