/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool chain_open(struct chain_walk *walk, const struct signing_key *key)
{
    *walk = (struct chain_walk){.key = key};
    return hasher_open(&walk->hasher);
}

void chain_close(struct chain_walk *walk)
{
    hasher_close(&walk->hasher);
}

void chain_segment(struct chain_walk *walk, uint64_t number)
{
    walk->segment = number;
    walk->lines = 0;
}

const char *chain_step(struct chain_walk *walk, const char *text, size_t length)
{
    struct line line;
    const char *fault = NULL;
    bool checkpoint = false;
    if (!line_parse(text, length, &line))
        return "the line is not in the journal's form";
    if (!line_holds(&walk->hasher, walk->head, &line))
        return "the record does not match its hash";
    if (walk->lines == 0) {
        fault = segment_fault(line.record, line.length, walk->segment, walk->head);
    } else if (!line.erased && record_type(line.record, line.length) == RECORD_CHECKPOINT) {
        checkpoint = true;
        fault = checkpoint_fault(line.record, line.length, walk->rows, walk->head, walk->key);
    }
    if (fault != NULL)
        return fault;
    walk->lines++;
    walk->rows++;
    walk->since = checkpoint ? 0 : walk->since + 1;
    walk->checkpoints += checkpoint;
    walk->erased += line.erased;
    memcpy(walk->head, line.hash, sizeof(walk->head));
    walk->line = line;
    return NULL;
}

void chain_where(const struct chain_walk *walk, const char *directory, const char *text,
                 size_t length, const char *fault, char *out, size_t size)
{
    char label[SEGMENT_LABEL];
    char id[RECORD_ID];
    bool has_id = line_id(text, length, id);
    segment_label(directory, walk->segment, label);
    snprintf(out, size, "row %" PRIu64 ", %s%s%s%s line %" PRIu64 ": %s", walk->rows + 1,
             has_id ? "id " : "", has_id ? id : "", has_id ? ", " : "", label, walk->lines + 1,
             fault);
}
