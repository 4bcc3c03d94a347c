/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_report.h"

#include "base/clock.h"
#include "base/csv_write.h"
#include "base/str.h"
#include "cli/command.h"
#include "policy/recipient.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

static bool is_same_file(int fd, FILE *input)
{
    struct stat a;
    struct stat b;
    return fstat(fd, &a) == 0 && fstat(fileno(input), &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino && S_ISREG(a.st_mode);
}

static FILE *open_private(const char *path, FILE *input, bool append)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : 0), 0600);
    if (fd < 0) {
        command_failed_text("cannot write %s: %s", path, strerror(errno));
        return NULL;
    }
    struct stat st;
    if (is_same_file(fd, input)) {
        command_failed_text("%s is the file to be imported", path);
        close(fd);
        return NULL;
    }
    /* One that was there keeps its owner, and loses readers it may have had. */
    bool ready =
        fstat(fd, &st) == 0 &&
        (!S_ISREG(st.st_mode) || (fchmod(fd, 0600) == 0 && (append || ftruncate(fd, 0) == 0)));
    FILE *file = ready ? fdopen(fd, append ? "ae" : "we") : NULL;
    if (file == NULL) {
        command_failed_text("cannot write %s: %s", path, strerror(errno));
        close(fd);
    }
    return file;
}

static bool is_empty(FILE *file)
{
    struct stat st;
    return fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0;
}

bool import_report_open(struct import_report *report, FILE *input, bool append)
{
    report->started = clock_monotonic();
    if (report->rejects_path != NULL) {
        report->rejects = open_private(report->rejects_path, input, append);
        if (report->rejects == NULL)
            return false;
        if (is_empty(report->rejects))
            fprintf(report->rejects, "line,column,reason%s\r\n", report->with_lines ? ",text" : "");
    }
    if (report->summary_path != NULL)
        report->summary = open_private(report->summary_path, input, false);
    return report->summary_path == NULL || report->summary != NULL;
}

static bool close_file(FILE **file, const char *path)
{
    bool written = *file == NULL || (fflush(*file) == 0 && !ferror(*file));
    if (*file != NULL && fclose(*file) != 0)
        written = false;
    *file = NULL;
    if (!written)
        command_failed_text("cannot write %s: %s", path, strerror(errno));
    return written;
}

void import_report_close(struct import_report *report)
{
    (void)close_file(&report->rejects, report->rejects_path);
    (void)close_file(&report->summary, report->summary_path);
}

/* ---- problems ---- */

/* The lines are strangers' text, and a spreadsheet may be what opens them. */
static void put_quoted(FILE *file, const char *text, size_t length)
{
    fputs(csv_is_formula(text, length) ? "\"'" : "\"", file);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            fputc('"', file);
        fputc(text[i], file);
    }
    fputc('"', file);
}

/* What tells the lines apart, not their ends. */
static size_t without_line_end(const char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    return length;
}

static void put_reject(const struct import_report *report, const struct import_problem *problem)
{
    FILE *file = report->rejects;
    fprintf(file, "%" PRIu64 ",", problem->line);
    if (problem->number > 0)
        fprintf(file, "%s (%zu)", problem->column, problem->number);
    else
        fputs(problem->column, file);
    fputc(',', file);
    put_quoted(file, problem->reason, strlen(problem->reason));
    if (report->with_lines) {
        fputc(',', file);
        put_quoted(file, problem->text, without_line_end(problem->text, problem->text_length));
    }
    fputs("\r\n", file);
}

void import_report_problem(void *arg, const struct import_problem *problem)
{
    struct import_report *report = arg;
    if (report->rejects != NULL) {
        put_reject(report, problem);
        return;
    }
    progress_clear(&report->progress);
    fprintf(stderr, "%s:%" PRIu64 ": %s%s%s\n", report->name, problem->line, problem->column,
            *problem->column != '\0' ? ": " : "", problem->reason);
}

/* ---- the end ---- */

static void print_counts(const struct import_counts *counts, bool dry_run)
{
    printf("%s%" PRIu64 " line%s: %" PRIu64 " %s (%" PRIu64 " event%s), %" PRIu64
           " already on record, %" PRIu64 " refused\n",
           dry_run ? "nothing kept, as asked. " : "", counts->lines, plural(counts->lines),
           counts->accepted, dry_run ? "would be taken in" : "taken in", counts->events_added,
           plural(counts->events_added), counts->duplicates, counts->refused);
    if (counts->refused == 0)
        return;
    const char *before = "refused for: ";
    for (int i = 0; i < IMPORT_CLASS_COUNT; i++)
        if (counts->classes[i] > 0) {
            printf("%s%s %" PRIu64, before, import_class_name((enum import_class)i),
                   counts->classes[i]);
            before = ", ";
        }
    putchar('\n');
}

static void write_summary(const struct import_report *report, const struct import *import,
                          const char *sum, bool dry_run, bool complete, double seconds)
{
    const struct import_counts *counts = import_counts(import);
    struct strbuf json = {0};
    struct strbuf name = {0};
    text_hide_emails(report->name, &name);
    uint64_t now = counts->lines - import_lines_before(import);
    strbuf_add_char(&json, '{');
    strbuf_add_json_field(&json, "file", name.data);
    strbuf_add_json_field(&json, "input", import_input_name(import_input(import)));
    strbuf_add_json_field(&json, "sha256", complete ? sum : NULL);
    strbuf_add_format(&json, ",\"complete\":%s,\"dry_run\":%s", complete ? "true" : "false",
                      dry_run ? "true" : "false");
    strbuf_add_json_number(&json, "lines", (int64_t)counts->lines);
    strbuf_add_json_number(&json, "lines_before", (int64_t)import_lines_before(import));
    strbuf_add_json_number(&json, "taken_in", (int64_t)counts->accepted);
    strbuf_add_json_number(&json, "events", (int64_t)counts->events_added);
    strbuf_add_json_number(&json, "already_on_record", (int64_t)counts->duplicates);
    strbuf_add_json_number(&json, "refused", (int64_t)counts->refused);
    strbuf_add_str(&json, ",\"refused_for\":{");
    for (int i = 0; i < IMPORT_CLASS_COUNT; i++)
        strbuf_add_json_number(&json, import_class_name((enum import_class)i),
                               (int64_t)counts->classes[i]);
    strbuf_add_format(&json, "},\"seconds\":%.3f,\"lines_per_second\":%.0f}\n", seconds,
                      seconds > 0 ? (double)now / seconds : 0.0);
    if (json.failed || name.failed ||
        fwrite(json.data, 1, json.length, report->summary) < json.length)
        command_failed_text("cannot write %s", report->summary_path);
    strbuf_free(&json);
    strbuf_free(&name);
}

bool import_report_end(struct import_report *report, const struct import *import, bool dry_run,
                       bool complete)
{
    const struct import_counts *counts = import_counts(import);
    double seconds = (double)(clock_monotonic() - report->started) / (double)CLOCK_SECOND;
    uint8_t sum[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1] = "";
    progress_clear(&report->progress);
    if (import_sha256(import, sum))
        hex_encode(sum, sizeof(sum), hex);
    if (complete || counts->lines > 0)
        print_counts(counts, dry_run);
    if (complete) {
        uint64_t now = counts->lines - import_lines_before(import);
        printf("SHA-256 %s, %.1f s, %.0f lines a second\n", hex, seconds,
               seconds > 0 ? (double)now / seconds : 0.0);
    }
    if (report->rejects != NULL && counts->refused > 0)
        fprintf(stderr, "%s: %" PRIu64 " line%s refused, see %s\n", report->name, counts->refused,
                plural(counts->refused), report->rejects_path);
    if (report->summary != NULL)
        write_summary(report, import, hex, dry_run, complete, seconds);
    bool rejects = close_file(&report->rejects, report->rejects_path);
    return close_file(&report->summary, report->summary_path) && rejects;
}
