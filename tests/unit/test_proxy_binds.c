/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries to binds, and the memory of what was sent: what lanes share without a file. */
#include "tests/unit/test_proxy_sms.h"

int main(void)
{
    Suite *const suites[] = {sms_binds_suite(), sms_sent_suite(), NULL};
    return unit_run(suites);
}
