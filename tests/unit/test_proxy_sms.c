/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back from the network: binds, the map of messages sent, the recorder, the inbox. */
#include "tests/unit/test_proxy_sms.h"

int main(void)
{
    Suite *suites[] = {sms_binds_suite(),   sms_sent_suite(),      sms_recorder_suite(),
                       sms_inbound_suite(), sms_callbacks_suite(), NULL};
    return unit_run(suites);
}
