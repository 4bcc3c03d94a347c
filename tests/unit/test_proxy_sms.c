/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back from the network: the recorder, the inbox, partners told by HTTP. */
#include "tests/unit/test_proxy_sms.h"

int main(void)
{
    Suite *const suites[] = {sms_recorder_suite(), sms_inbound_suite(), sms_callbacks_suite(),
                             NULL};
    return unit_run(suites);
}
