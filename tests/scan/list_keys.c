/* SPDX-License-Identifier: Apache-2.0 */
/* Prints every key of the configuration, one a line, for docs.sh. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    size_t count = 0;
    const char *const *keys = config_known_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (puts(keys[i]) < 0)
            return EXIT_FAILURE;
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
