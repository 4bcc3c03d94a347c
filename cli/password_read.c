/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/password_read.h"

#include "base/crypto.h"
#include "base/str.h"
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
    caught = number;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define N_SIGNALS (sizeof(signals) / sizeof(*signals))

/* One line without its end. False at the end of input before any byte, on a signal, or when the
 * line does not fit: a password that was cut would lock its owner out. */
static bool read_line(int fd, char *out, size_t size)
{
    size_t length = 0;
    for (;;) {
        char byte;
        ssize_t got = read(fd, &byte, 1);
        if (got < 0 && errno == EINTR && caught == 0)
            continue;
        if (got < 0 || (got == 0 && length == 0))
            return false;
        if (got == 0 || byte == '\n')
            break;
        if (length + 1 >= size || byte == '\0')
            return false;
        out[length++] = byte;
    }
    if (length > 0 && out[length - 1] == '\r')
        length--;
    out[length] = '\0';
    return true;
}

/* The terminal is put back as it was before a signal is let through. */
static bool ask_once(int fd, const char *prompt, char *out, size_t size)
{
    struct sigaction before[N_SIGNALS];
    struct sigaction action = {.sa_handler = catch_signal};
    struct termios shown;
    struct termios hidden;
    if (tcgetattr(fd, &shown) != 0)
        return false;
    caught = 0;
    for (size_t i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    bool done = tcsetattr(fd, TCSAFLUSH, &hidden) == 0;
    if (done) {
        fputs(prompt, stderr);
        fflush(stderr);
        done = read_line(fd, out, size);
        fputc('\n', stderr);
        tcsetattr(fd, TCSAFLUSH, &shown);
    }
    for (size_t i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    if (caught != 0)
        raise(caught);
    return done;
}

/* Stopped by hand and continued: ask anew. */
static bool ask(int fd, const char *prompt, char *out, size_t size)
{
    bool read = ask_once(fd, prompt, out, size);
    while (!read && caught == SIGTSTP)
        read = ask_once(fd, prompt, out, size);
    return read;
}

static bool read_good(char out[PASSWORD_TEXT], char second[PASSWORD_TEXT])
{
    bool terminal = isatty(STDIN_FILENO) == 1;
    bool read = terminal ? ask(STDIN_FILENO, "Password: ", out, PASSWORD_TEXT)
                         : read_line(STDIN_FILENO, out, PASSWORD_TEXT);
    const char *wrong = NULL;
    if (!read) {
        command_failed_text("no password could be read (a line of at most %d bytes)",
                            PASSWORD_TEXT - 1);
        return false;
    }
    if (*out == '\0')
        wrong = "an empty password is not a password";
    else if (!utf8_valid(out, strlen(out)))
        wrong = "the password is not valid UTF-8";
    else if (terminal &&
             (!ask(STDIN_FILENO, "Once more: ", second, PASSWORD_TEXT) || strcmp(out, second) != 0))
        wrong = "the two do not match";
    if (wrong != NULL)
        command_failed_text("%s", wrong);
    return wrong == NULL;
}

bool password_read(char out[PASSWORD_TEXT])
{
    char second[PASSWORD_TEXT];
    bool good = read_good(out, second);
    wipe(second, sizeof(second));
    if (!good)
        wipe(out, PASSWORD_TEXT);
    return good;
}

bool password_hash(const char *password, char out[PASSWORD_HASH])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = calloc(1, sizeof(*data));
    if (data == NULL) {
        command_failed_text("out of memory");
        return false;
    }
    const char *hash = NULL;
    if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) != NULL)
        hash = crypt_r(password, setting, data);
    /* libxcrypt answers a failure with a text that begins with '*'. */
    bool hashed = hash != NULL && *hash != '*' && str_copy(out, PASSWORD_HASH, hash);
    if (!hashed)
        command_failed_text("the password could not be hashed");
    wipe(data, sizeof(*data));
    free(data);
    return hashed;
}
