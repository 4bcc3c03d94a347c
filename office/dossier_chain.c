/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dossier's proof: the signed checkpoints of the period, the public key, the journal's segments
 * if asked for, the script that checks them, and the list of all files with its signature. The
 * segments are copied as they stand, as far as they are durable.
 */
#include "office/dossier.h"
#include "office/output.h"
#include "office/verify_script.h"
#include "store/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_BLOCK 65536

/* ---- checkpoints ---- */

struct checkpoints {
    struct dossier *dossier;
    struct output *output;
};

static bool on_checkpoint(void *arg, int64_t at, const char *text, size_t length)
{
    struct checkpoints *checkpoints = arg;
    json_t *record = json_loadb(text, length, 0, NULL);
    (void)at;
    if (record == NULL)
        return false;
    const struct cell cells[] = {
        cell_text(history_text(record, "at")), cell_text(history_text(record, "gateway")),
        cell_number(json_integer_value(json_object_get(record, "row"))),
        cell_text(history_text(record, "head")), cell_text(history_text(record, "signature"))};
    bool written = output_row(checkpoints->output, cells);
    json_decref(record);
    checkpoints->dossier->checkpoints++;
    return written;
}

static enum result write_checkpoints(struct dossier *dossier, struct error *err)
{
    static const struct column columns[] = {
        {"at", CELL_TEXT, false},   {"gateway", CELL_TEXT, false},   {"row", CELL_NUMBER, false},
        {"head", CELL_TEXT, false}, {"signature", CELL_TEXT, false}, {0}};
    const struct tally_filter *filter = &dossier->filter;
    struct error end = {0};
    FILE *file;
    enum result result = folder_add(dossier->folder, "checkpoints.csv", &file, err);
    if (result != RESULT_OK)
        return result;
    struct checkpoints checkpoints = {.dossier = dossier,
                                      .output = output_new(file, OUTPUT_CSV, columns)};
    if (checkpoints.output == NULL)
        result = error_no_memory(err);
    else
        result = journal_index_checkpoints(dossier->index, filter->since, filter->until,
                                           on_checkpoint, &checkpoints, err);
    if (checkpoints.output != NULL && output_end(&checkpoints.output, &end) != RESULT_OK &&
        result == RESULT_OK)
        result = error_set(err, end.code, "%s", end.text);
    if (result == RESULT_OK)
        return folder_finish(dossier->folder, "checkpoints.csv", &file, err);
    fclose(file);
    return result;
}

/* ---- segments ---- */

/* When the segment was begun: its first record says so. */
static enum result segment_began(const char *directory, uint64_t number, int64_t *at_out,
                                 struct error *err)
{
    struct segment_reader reader = {.fd = -1};
    struct line line;
    enum result result = segment_reader_open(&reader, directory, number, 0, err);
    if (result != RESULT_OK)
        return result;
    enum segment_read read = segment_reader_next(&reader, err);
    json_t *record = NULL;
    if (read == SEGMENT_LINE && line_parse(reader.text, reader.length, &line))
        record = json_loadb(line.record, line.length, 0, NULL);
    const char *at = history_text(record, "at");
    if (read == SEGMENT_FAILED)
        result = RESULT_SYSTEM;
    else if (!clock_parse(at, strlen(at), at_out))
        result = error_set(err, RESULT_DAMAGED,
                           "journal/%08" PRIu64 ".seg does not begin as a segment does: see octroi "
                           "verify",
                           number);
    json_decref(record);
    segment_reader_close(&reader);
    return result;
}

static enum result copy_bytes(const struct folder *folder, int from, FILE *to, uint64_t length,
                              struct error *err)
{
    char block[COPY_BLOCK];
    uint64_t done = 0;
    while (done < length) {
        if (folder_going_on(folder, err) != RESULT_OK)
            return RESULT_UNAVAILABLE;
        size_t want = length - done < sizeof(block) ? (size_t)(length - done) : sizeof(block);
        ssize_t n = pread(from, block, want, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, RESULT_SYSTEM, n < 0 ? errno : EIO, "cannot read the journal");
        if (fwrite(block, 1, (size_t)n, to) != (size_t)n)
            return RESULT_OK; /* folder_finish says why */
        done += (uint64_t)n;
    }
    return RESULT_OK;
}

/* Up to its last whole line: what an interrupted write left behind it is no record. */
static enum result whole_lines(const char *directory, uint64_t number, uint64_t *bytes_out,
                               struct error *err)
{
    struct segment_reader reader = {.fd = -1};
    enum segment_read read = SEGMENT_LINE;
    enum result result = segment_reader_open(&reader, directory, number, 0, err);
    if (result != RESULT_OK)
        return result;
    while (read == SEGMENT_LINE) {
        read = segment_reader_next(&reader, err);
        if (read == SEGMENT_LINE)
            *bytes_out = reader.offset;
    }
    segment_reader_close(&reader);
    return read == SEGMENT_FAILED ? RESULT_SYSTEM : RESULT_OK;
}

static enum result copy_segment(struct dossier *dossier, uint64_t number, struct error *err)
{
    const char *directory = dossier->journal_path;
    struct segment_reader reader = {.fd = -1};
    char name[40];
    uint64_t bytes = 0;
    FILE *file;
    snprintf(name, sizeof(name), "journal/%08" PRIu64 ".seg", number);
    enum result result = whole_lines(directory, number, &bytes, err);
    if (result == RESULT_OK)
        result = segment_reader_open(&reader, directory, number, 0, err);
    if (result != RESULT_OK)
        return result;
    result = folder_add(dossier->folder, name, &file, err);
    if (result == RESULT_OK) {
        result = copy_bytes(dossier->folder, reader.fd, file, bytes, err);
        if (result == RESULT_OK)
            result = folder_finish(dossier->folder, name, &file, err);
        else
            fclose(file);
    }
    segment_reader_close(&reader);
    return result;
}

/* Those in which a row of the period may stand: begun before its end, and followed by none that
 * was begun before its start. The first may hold rows older than itself, of a past that was brought
 * in. */
static enum result copy_segments(struct dossier *dossier, struct error *err)
{
    const struct tally_filter *filter = &dossier->filter;
    const char *directory = dossier->journal_path;
    uint64_t last = 0;
    enum result result = folder_add_folder(dossier->folder, "journal", err);
    if (result == RESULT_OK)
        result = segment_last(directory, &last, err);
    for (uint64_t number = 1; number <= last && result == RESULT_OK; number++) {
        int64_t began = 0;
        int64_t ended = INT64_MAX;
        result = segment_began(directory, number, &began, err);
        if (result == RESULT_OK && number < last)
            result = segment_began(directory, number + 1, &ended, err);
        if (result != RESULT_OK || ended < filter->since)
            continue;
        if (began >= filter->until && number > 1)
            break;
        result = copy_segment(dossier, number, err);
        if (dossier->first_segment == 0)
            dossier->first_segment = number;
        dossier->segments++;
    }
    return result;
}

enum result dossier_chain(struct dossier *dossier, struct error *err)
{
    enum result result = journal_index_head(dossier->index, &dossier->rows, dossier->head, err);
    if (result == RESULT_OK)
        result = write_checkpoints(dossier, err);
    if (result == RESULT_OK)
        result = folder_write(dossier->folder, "public.pem", dossier->public_key,
                              strlen(dossier->public_key), err);
    if (result == RESULT_OK)
        result = folder_write(dossier->folder, "verify-journal.sh", verify_script,
                              strlen(verify_script), err);
    if (result == RESULT_OK && dossier->with_journal)
        result = copy_segments(dossier, err);
    return result;
}

enum result dossier_sums(struct dossier *dossier, struct error *err)
{
    struct strbuf sums = {0};
    uint8_t signature[SIGNATURE_BYTES];
    strbuf_add(&sums, dossier->folder->sums.data, dossier->folder->sums.length);
    if (sums.failed) {
        strbuf_free(&sums);
        return error_no_memory(err);
    }
    enum result result = folder_write(dossier->folder, "SHA256SUMS", sums.data, sums.length, err);
    if (result == RESULT_OK && dossier->key != NULL) {
        if (!signing_key_sign(dossier->key, sums.data, sums.length, signature))
            result = error_set(err, RESULT_SYSTEM, "cannot sign SHA256SUMS");
        else
            result =
                folder_write(dossier->folder, "SHA256SUMS.sig", signature, sizeof(signature), err);
    }
    strbuf_free(&sums);
    return result;
}

/* ---- the page's section ---- */

static void step(struct page *page, const char *msgid, const char *command)
{
    page_element_tr(page, "p", msgid);
    page_element(page, "pre", command);
}

static void files(struct dossier *dossier)
{
    static const struct {
        const char *name;
        const char *what;
    } list[] = {
        {"series.csv", N_("The decisions of the period, counted by day, partner, channel, purpose, "
                          "regime, verdict, reason and effect")},
        {"origins.csv", N_("The same by form, collector and supplier of the consent relied on")},
        {"policies.csv", N_("The same by channel and version of the rules")},
        {"before-after.csv", N_("The numbers before and after the day of the comparison, in total "
                                "and by partner")},
        {"configuration.csv", N_("The history of the configuration, in full")},
        {"forms.csv", N_("All collection forms, as registered")},
        {"suspensions.csv", N_("The suspensions in force in the period, or in a part of it")},
        {"invalid-suppliers.csv", N_("The suppliers invalidated in the period or before it")},
        {"checkpoints.csv", N_("The last signed checkpoint of each day")},
        {"public.pem", N_("The public key that checks the signatures")},
        {"verify-journal.sh", N_("The script that checks the journal")},
        {"SHA256SUMS", N_("The hashes of all files of this folder")},
    };
    struct page *page = &dossier->page;
    static const char *const heads[] = {N_("File"), N_("What it holds"), NULL};
    page_table(page, heads);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (dossier->change == 0 && strcmp(list[i].name, "before-after.csv") == 0)
            continue;
        page_row(page);
        page_code(page, list[i].name);
        page_cell(page, tr(page->language, list[i].what));
    }
    if (dossier->key != NULL) {
        page_row(page);
        page_code(page, "SHA256SUMS.sig");
        page_cell(page, tr(page->language, N_("The gateway's signature of SHA256SUMS")));
    }
    if (dossier->with_journal) {
        page_row(page);
        page_code(page, "journal/");
        page_cell(page, tr(page->language, N_("The journal's files of the period, unaltered")));
    }
    page_table_end(page);
}

static void head_facts(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    struct strbuf number = {0};
    char hex[2 * SHA256_BYTES + 1];
    hex_encode(dossier->head, SHA256_BYTES, hex);
    language_add_number(&number, page->language, (int64_t)dossier->rows);
    page_raw(page, "<dl class=\"facts\">\n");
    page_element_tr(page, "dt", N_("Entries of the journal when this dossier was drawn up"));
    page_element(page, "dd", number.data != NULL ? number.data : "");
    page_element_tr(page, "dt", N_("Hash of the last one"));
    page_raw(page, "<dd><code>");
    page_text(page, hex);
    page_raw(page, "</code></dd>\n");
    page_element_tr(page, "dt", N_("Public key of the gateway"));
    page_raw(page, "<dd><code>");
    page_text(page, dossier->public_key);
    page_raw(page, "</code></dd>\n</dl>\n");
    page->html.failed = page->html.failed || number.failed;
    strbuf_free(&number);
}

void dossier_proof(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    dossier_heading(dossier, N_("How to check this dossier"));
    page_element_tr(page, "p",
                    N_("Every entry of the journal carries a hash of itself and of the entry "
                       "before. At intervals the gateway signs the last hash with its private key: "
                       "a checkpoint. Whoever holds a checkpoint and the public key can tell "
                       "whether any entry before it was changed, removed or inserted since. What "
                       "follows needs no program of the gateway's maker."));
    page_element_tr(page, "p",
                    N_("Two limits: entries cut off the end show only to someone who kept a later "
                       "checkpoint, and whoever holds the private key can sign another history. "
                       "Checkpoints handed over, such as those of this folder, bar both."));
    head_facts(dossier);
    page_element_tr(page, "h3", N_("Checks"));
    step(page, N_("That no file of this folder was changed:"), "sha256sum -c SHA256SUMS");
    if (dossier->key != NULL)
        step(page, N_("That the list of files is the gateway's own:"),
             "openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in SHA256SUMS -sigfile "
             "SHA256SUMS.sig");
    else
        page_element_tr(page, "p",
                        N_("The list of files is not signed: whoever drew up this dossier could "
                           "not read the gateway's private key."));
    if (dossier->with_journal)
        step(page, N_("That the journal's entries and checkpoints hold:"),
             "sh verify-journal.sh journal public.pem");
    else
        page_element_tr(page, "p",
                        N_("The journal itself is not part of this folder. It can be produced on "
                           "request, and must then contain the checkpoints listed in "
                           "checkpoints.csv."));
    page_element_tr(page, "h3", N_("Files"));
    files(dossier);
}
