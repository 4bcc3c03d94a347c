/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal segment. The input's lines, made into records of a chain that holds, must verify; cut
 * anywhere it is a torn tail and no damage; with any one byte changed it is damage. The input as it
 * is must be borne by the reader, the verifier and the index.
 */
#include "store/journal.h"
#include "store/segment.h"
#include "tests/fuzz/folder.h"

static void write_segment(const void *bytes, size_t size)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/00000001.seg", fuzz_folder());
    fuzz_write(path, bytes, size);
}

static size_t count_lines(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == '\n';
    return count;
}

static enum result verify(struct verify_report *report)
{
    struct error err = {0};
    enum result result = journal_verify(fuzz_folder(), NULL, NULL, NULL, report, &err);
    must(result == RESULT_OK || result == RESULT_DAMAGED);
    if (result == RESULT_DAMAGED)
        must(fuzz_one_line(report->where) && fuzz_one_line(err.text));
    else
        must(report->segments == 1);
    return result;
}

static bool on_entry(void *arg, const struct log_entry *entry)
{
    size_t *entries = arg;
    must(entry->id != NULL && entry->hash != NULL && strlen(entry->hash) == 64);
    (*entries)++;
    return true;
}

/* The index of what write_segment wrote: all decisions, or damage. */
static void check_index(size_t rows)
{
    struct error err = {0};
    struct journal_index *index = NULL;
    struct log_filter all = {.since = INT64_MIN, .until = INT64_MAX};
    uint64_t indexed = 0;
    size_t entries = 0;
    char path[600];
    /* Beside the segments, which the verifier does not mind. */
    snprintf(path, sizeof(path), "%s/journal.db", fuzz_folder());
    unlink(path);
    must(journal_index_open(path, fuzz_folder(), NULL, &index, &err) == RESULT_OK);
    enum result result = journal_index_catch_up(index, 0, &indexed, &err);
    must(result == RESULT_OK || (result == RESULT_DAMAGED && fuzz_one_line(err.text)));
    must(indexed <= rows);
    must(journal_index_log(index, &all, on_entry, &entries, &err) == RESULT_OK);
    must(entries <= rows);
    journal_index_close(&index);
}

/* One record of the input, as the journal would write it: an object on one line. */
static void add_record(struct hasher *hasher, struct strbuf *segment, uint8_t head[SHA256_BYTES],
                       const char *text, size_t length)
{
    static const uint8_t salt[SALT_BYTES] = {7};
    struct strbuf record = {0};
    bool whole = length >= 2 && text[0] == '{' && text[length - 1] == '}';
    strbuf_add_str(&record, whole ? "" : "{");
    for (size_t i = 0; i < length; i++)
        strbuf_add_char(&record, (unsigned char)text[i] < 0x20 ? ' ' : text[i]);
    strbuf_add_str(&record, whole ? "" : "}");
    must(!record.failed);
    /* A checkpoint states a row and a hash that the input cannot know; of the registry's event the
     * verifier wants to be told which. */
    enum record_type type = record_type(record.data, record.length);
    int64_t event;
    uint8_t hash[SHA256_BYTES];
    if (type != RECORD_CHECKPOINT &&
        (type != RECORD_REGISTRY ||
         record_registry_parse(record.data, record.length, &event, hash)))
        must(line_add(hasher, segment, head, salt, record.data, record.length));
    strbuf_free(&record);
}

static void build_chain(const char *text, size_t size, struct strbuf *segment)
{
    struct hasher hasher;
    struct strbuf first = {0};
    uint8_t head[SHA256_BYTES] = {0};
    const char *end = text + size;
    must(hasher_open(&hasher));
    record_segment(&first, "gate.example", 1, head, 0);
    must(!first.failed);
    add_record(&hasher, segment, head, first.data, first.length);
    while (text < end) {
        const char *feed = memchr(text, '\n', (size_t)(end - text));
        const char *stop = feed != NULL ? feed : end;
        add_record(&hasher, segment, head, text, (size_t)(stop - text));
        text = stop + (feed != NULL);
    }
    strbuf_free(&first);
    hasher_close(&hasher);
}

static void check_chain(const uint8_t *data, size_t size)
{
    struct verify_report report;
    struct strbuf segment = {0};
    uint64_t choice = fuzz_hash(data, size);
    build_chain((const char *)data, size, &segment);
    size_t rows = count_lines(segment.data, segment.length);

    write_segment(segment.data, segment.length);
    must(verify(&report) == RESULT_OK && report.rows == rows && report.torn_bytes == 0);
    check_index(rows);

    size_t cut = (size_t)(choice % segment.length);
    size_t whole_rows = count_lines(segment.data, cut);
    write_segment(segment.data, cut);
    must(verify(&report) == RESULT_OK && report.rows == whole_rows);
    must((report.torn_bytes == 0) == (cut == 0 || segment.data[cut - 1] == '\n'));

    size_t at = (size_t)((choice >> 20) % segment.length);
    segment.data[at] = (char)(segment.data[at] ^ (1 + (choice >> 50) % 255));
    write_segment(segment.data, segment.length);
    must(verify(&report) == RESULT_DAMAGED);
    strbuf_free(&segment);
}

static void check_raw(const char *text, size_t size)
{
    struct verify_report report;
    struct line line;
    char id[RECORD_ID];
    uint64_t row;
    uint8_t head[SHA256_BYTES];
    if (line_parse(text, size, &line))
        must(line.record >= text && line.record + line.length == text + size);
    if (line_id(text, size, id))
        must(fuzz_one_line(id));
    record_type(text, size);
    checkpoint_read(text, size, &row, head);
    write_segment(text, size);
    if (verify(&report) == RESULT_OK)
        must(report.rows == count_lines(text, size));
    if (report.rows > 0) /* else the index sees nothing but damage, which is slow to find often */
        check_index(count_lines(text, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SEGMENT_RECORD_MAX - 2) /* a record may be no longer */
        return 0;
    check_raw((const char *)data, size);
    check_chain(data, size);
    return 0;
}
