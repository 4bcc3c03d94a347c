/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi serve`. Started by root over a state directory of another user it serves as that user,
 * as every command does: else segments and the control socket would become root's, and neither the
 * commands nor the next start could use them. Of root's powers it keeps one, ports below 1024. From
 * then on, before anybody can speak to it, it does without the system calls that it never needs.
 */
#include "cli/context.h"
#include "cli/options.h"
#include "proxy/gateway.h"
#include "proxy/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* After the change of user: only the permitted set is left, and of it only this one stays. */
static bool keep_low_ports(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    const unsigned wanted = 1U << CAP_NET_BIND_SERVICE;
    if (syscall(SYS_capget, &header, sets) != 0)
        return false;
    sets[0].permitted &= wanted;
    sets[0].effective = sets[0].permitted;
    sets[0].inheritable = 0;
    sets[1] = (struct __user_cap_data_struct){0};
    return syscall(SYS_capset, &header, sets) == 0 && prctl(PR_SET_KEEPCAPS, 0L) == 0;
}

static bool become_owner(const char *state_dir)
{
    if (geteuid() != 0)
        return true;
    if (prctl(PR_SET_KEEPCAPS, 1L) == 0) {
        if (!context_become_owner(state_dir))
            return false;
        if (geteuid() == 0 ? prctl(PR_SET_KEEPCAPS, 0L) == 0 : keep_low_ports())
            return true;
    }
    command_failed_text("cannot give up what root may: %s", strerror(errno));
    return false;
}

int cli_serve(const struct invocation *invocation, int argc, char **argv)
{
    bool takeover = false;
    const struct option_spec specs[] = {{"takeover", OPTION_FLAG, &takeover}, {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    struct config *config = NULL;
    if (!context_load_config(invocation->config_file, &config))
        return EXIT_FAILED;
    bool ready = become_owner(config->state_dir);
    config_unref(&config);
    if (!ready)
        return EXIT_FAILED;
    struct error err;
    if (syscalls_give_up(&err) != RESULT_OK)
        return command_failed(&err);
    if (gateway_run(invocation->config_file, takeover, &err) != RESULT_OK)
        return command_failed(&err);
    return EXIT_DONE;
}
