/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_script.h"

#include "base/str.h"

bool script_unescape(char *text, size_t *length_out)
{
    char *out = text;
    for (char *at = text; *at != '\0'; at++) {
        uint8_t byte;
        if (*at != '\\') {
            *out++ = *at;
            continue;
        }
        at++;
        if (*at == 'r')
            *out++ = '\r';
        else if (*at == 'n')
            *out++ = '\n';
        else if (*at == '0')
            *out++ = '\0';
        else if (*at == '\\')
            *out++ = '\\';
        else if (*at == 'x' && at[1] != '\0' && hex_decode(at + 1, 2, &byte, 1)) {
            *out++ = (char)byte;
            at += 2;
        } else
            return false;
    }
    *out = '\0';
    *length_out = (size_t)(out - text);
    return true;
}
