/* SPDX-License-Identifier: Apache-2.0 */
/* What smpp_load and http_load have in common: see load.h. */
#include "tests/bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = TOOL_NUMBER_BYTES + 1 };

bool load_option(struct load *load, int option, const char *value)
{
    switch (option) {
    case 't':
        load->duration = (uint64_t)tool_number("-t", value, 1, 3600000) * 1000000;
        return true;
    case 'n':
        load->most = (uint64_t)tool_number("-n", value, 1, 1000000000);
        return true;
    case 'f':
        load->next_number = (size_t)tool_number("-f", value, 0, 1000000000);
        return true;
    default:
        return false;
    }
}

void load_open(struct load *load, const char *port, const char *recipients)
{
    load->port = (uint16_t)tool_number("PORT", port, 1, 65535);
    if (load->most == 0 && load->duration == 0)
        tool_die("-t or -n has to say when it ends");
    struct stat stat;
    int fd = open(recipients, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0)
        tool_die("%s: %s", recipients, strerror(errno));
    if (stat.st_size < LINE || stat.st_size % LINE != 0)
        tool_die("%s: not lines of %d digits", recipients, TOOL_NUMBER_BYTES);
    void *mapped = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (mapped == MAP_FAILED)
        tool_die("%s: %s", recipients, strerror(errno));
    close(fd);
    load->numbers = mapped;
    load->n_numbers = (size_t)stat.st_size / LINE;
    for (size_t i = 0; i < load->n_numbers; i++)
        if (strspn(load->numbers + i * LINE, "0123456789") != TOOL_NUMBER_BYTES ||
            load->numbers[i * LINE + TOOL_NUMBER_BYTES] != '\n')
            tool_die("%s:%zu: not %d digits", recipients, i + 1, TOOL_NUMBER_BYTES);
    load->next_number %= load->n_numbers;
}

bool load_goes_on(const struct load *load, uint64_t now)
{
    return (load->most == 0 || load->sent < load->most) &&
           (load->duration == 0 || now - load->began < load->duration);
}

const char *load_next(struct load *load)
{
    const char *number = load->numbers + load->next_number * LINE;
    if (++load->next_number == load->n_numbers)
        load->next_number = 0;
    uint64_t value = 0;
    for (int i = 0; i < TOOL_NUMBER_BYTES; i++)
        value = value * 10 + (uint64_t)(number[i] - '0');
    load->sent++;
    load->sum += value;
    return number;
}

/* Times below 256 ns have a bucket each; then each power of two has LOAD_STEPS/2 of them. */
static size_t bucket_of(uint64_t time)
{
    unsigned shift = 0;
    for (; time >> shift >= LOAD_STEPS; shift++)
        ;
    return shift * LOAD_STEPS + (size_t)(time >> shift);
}

static double bucket_us(size_t bucket)
{
    double from = (double)(bucket % LOAD_STEPS) + 0.5;
    return from * (double)(UINT64_C(1) << bucket / LOAD_STEPS) / 1000;
}

void load_answered(struct load *load, uint32_t status, uint64_t since, uint64_t now)
{
    load->answered++;
    load->ended = now;
    load->times[bucket_of(now - since)]++;
    for (int i = 0; i < LOAD_STATUSES; i++) {
        if (load->statuses[i].count == 0)
            load->statuses[i].status = status;
        if (load->statuses[i].status == status) {
            load->statuses[i].count++;
            return;
        }
    }
    tool_die("more than %d different answers", LOAD_STATUSES);
}

static double percentile(const struct load *load, double share)
{
    uint64_t wanted = (uint64_t)((double)load->answered * share), seen = 0;
    for (size_t i = 0; i < LOAD_BUCKETS; i++) {
        seen += load->times[i];
        if (seen > wanted)
            return bucket_us(i);
    }
    return 0;
}

void load_report(const struct load *load)
{
    double seconds = (double)(load->ended - load->began) / 1e9;
    printf("{\"sent\": %" PRIu64 ", \"sum\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.1f, "
           "\"median_us\": %.1f, \"p99_us\": %.1f, \"next\": %zu, \"statuses\": {",
           load->sent, load->sum, seconds, (double)load->answered / seconds, percentile(load, 0.5),
           percentile(load, 0.99), load->next_number);
    for (int i = 0; i < LOAD_STATUSES && load->statuses[i].count > 0; i++)
        printf("%s\"%" PRIu32 "\": %" PRIu64, i > 0 ? ", " : "", load->statuses[i].status,
               load->statuses[i].count);
    puts("}}");
}
