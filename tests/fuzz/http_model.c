/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/http_model.h"

#include "tests/must.h"

#include <stdlib.h>
#include <string.h>

/* Where a reader is. */
struct reader {
    const char *at, *end;
};

/* The next line, without its end; a lone LF ends one too (RFC 9112, 2.2). */
static enum model_reading next_line(struct reader *reader, const char **line_out,
                                    size_t *length_out)
{
    const char *feed = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    if (feed == NULL)
        return MODEL_MORE;
    *line_out = reader->at;
    *length_out = (size_t)(feed - reader->at);
    if (*length_out > 0 && feed[-1] == '\r')
        --*length_out;
    reader->at = feed + 1;
    if (memchr(*line_out, '\0', *length_out) != NULL ||
        memchr(*line_out, '\r', *length_out) != NULL)
        return MODEL_ILL;
    return MODEL_CLEAR;
}

static bool is_token(const char *text, size_t length)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return length > 0;
}

static char *copy(const char *text, size_t length)
{
    char *out = malloc(length + 1);
    must(out != NULL);
    memcpy(out, text, length);
    out[length] = '\0';
    return out;
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && (**text == ' ' || **text == '\t'))
        ++*text, --*length;
    while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
        --*length;
}

/* ---- requests ---- */

static bool read_first(const char *line, size_t length, struct model_request *request)
{
    const char *space = memchr(line, ' ', length);
    if (space == NULL || !is_token(line, (size_t)(space - line)))
        return false;
    const char *target = space + 1;
    const char *end = memchr(target, ' ', (size_t)(line + length - target));
    if (end == NULL || end == target || line + length - end != 9 ||
        memcmp(end, " HTTP/1.", 8) != 0 || end[8] < '0' || end[8] > '9')
        return false;
    for (const char *at = target; at < end; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    request->old = end[8] == '0';
    request->method = copy(line, (size_t)(space - line));
    request->target = copy(target, (size_t)(end - target));
    return true;
}

static bool fold(struct model_request *request, const char *line, size_t length)
{
    if (request->n_fields == 0)
        return false;
    struct model_field *field = &request->fields[request->n_fields - 1];
    size_t before = strlen(field->value);
    trim(&line, &length);
    field->value = realloc(field->value, before + length + 2);
    must(field->value != NULL);
    size_t space = before > 0; /* what stands before a value is not of it */
    field->value[before] = ' ';
    memcpy(field->value + before + space, line, length);
    field->value[before + space + length] = '\0';
    return true;
}

static bool read_field(struct model_request *request, const char *line, size_t length)
{
    if (line[0] == ' ' || line[0] == '\t')
        return fold(request, line, length);
    const char *colon = memchr(line, ':', length);
    if (colon == NULL || !is_token(line, (size_t)(colon - line)))
        return false;
    if (request->n_fields % 64 == 0) {
        request->fields =
            realloc(request->fields, (request->n_fields + 64) * sizeof(*request->fields));
        must(request->fields != NULL);
    }
    const char *value = colon + 1;
    size_t value_length = (size_t)(line + length - value);
    trim(&value, &value_length);
    request->fields[request->n_fields++] = (struct model_field){
        copy(line, (size_t)(colon - line)),
        copy(value, value_length),
    };
    return true;
}

/* Up to the empty line. */
static enum model_reading read_fields(struct reader *reader, struct model_request *request)
{
    const char *line;
    size_t length;
    enum model_reading reading;
    while ((reading = next_line(reader, &line, &length)) == MODEL_CLEAR && length > 0)
        if (!read_field(request, line, length))
            return MODEL_ILL;
    return reading;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* A line among chunks or of an answer: a lone LF ends none. */
static enum model_reading next_crlf_line(struct reader *reader, const char **line_out,
                                         size_t *length_out)
{
    enum model_reading reading = next_line(reader, line_out, length_out);
    if (reading != MODEL_CLEAR)
        return reading;
    return reader->at - *line_out == (ptrdiff_t)*length_out + 2 ? MODEL_CLEAR : MODEL_ILL;
}

/* All of a text. */
static bool read_number(const char *text, size_t length, int base, size_t *number_out)
{
    size_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (digit(text[i]) >= base || number > ((size_t)1 << 40))
            return false;
        number = number * (size_t)base + (size_t)digit(text[i]);
    }
    *number_out = number;
    return length > 0;
}

static enum model_reading read_chunks(struct reader *reader, struct model_request *request)
{
    for (;;) {
        const char *line;
        size_t length, size;
        enum model_reading reading = next_crlf_line(reader, &line, &length);
        if (reading != MODEL_CLEAR)
            return reading;
        const char *extension = memchr(line, ';', length);
        if (extension != NULL)
            length = (size_t)(extension - line);
        if (!read_number(line, length, 16, &size))
            return MODEL_ILL;
        if (size == 0)
            break;
        if ((size_t)(reader->end - reader->at) < size)
            return MODEL_MORE;
        strbuf_add(&request->body, reader->at, size);
        reader->at += size;
        reading = next_crlf_line(reader, &line, &length);
        if (reading != MODEL_CLEAR || length > 0)
            return reading == MODEL_MORE ? MODEL_MORE : MODEL_ILL;
    }
    size_t before = request->n_fields;
    enum model_reading reading = read_fields(reader, request);
    request->n_trailers = request->n_fields - before;
    return reading;
}

static enum model_reading read_body(struct reader *reader, struct model_request *request)
{
    size_t lengths = 0, codings = 0, size = 0;
    for (size_t i = 0; i < request->n_fields; i++) {
        lengths += ascii_equal(request->fields[i].name, "Content-Length");
        codings += ascii_equal(request->fields[i].name, "Transfer-Encoding");
    }
    if (lengths + codings > 1)
        return MODEL_ILL;
    if (codings > 0)
        return !request->old && ascii_equal(model_field(request, "Transfer-Encoding"), "chunked")
                   ? read_chunks(reader, request)
                   : MODEL_ILL;
    const char *value = model_field(request, "Content-Length");
    if (value == NULL)
        return MODEL_CLEAR;
    if (!read_number(value, strlen(value), 10, &size))
        return MODEL_ILL;
    if ((size_t)(reader->end - reader->at) < size)
        return MODEL_MORE;
    strbuf_add(&request->body, reader->at, size);
    reader->at += size;
    return MODEL_CLEAR;
}

enum model_reading model_read_request(const struct strbuf *said, size_t at,
                                      struct model_request *request_out)
{
    const char *line = "";
    size_t length = 0;
    *request_out = (struct model_request){.end = at};
    if (said->length == at)
        return MODEL_MORE;
    struct reader reader = {said->data + at, said->data + said->length};
    enum model_reading reading = MODEL_CLEAR;
    while (reading == MODEL_CLEAR && length == 0) /* empty lines before it are nothing */
        reading = next_line(&reader, &line, &length);
    if (reading == MODEL_CLEAR && !read_first(line, length, request_out))
        return MODEL_ILL;
    if (reading == MODEL_CLEAR)
        reading = read_fields(&reader, request_out);
    if (reading == MODEL_CLEAR)
        reading = read_body(&reader, request_out);
    must(!request_out->body.failed);
    request_out->end = (size_t)(reader.at - said->data);
    return reading;
}

void model_free_request(struct model_request *request)
{
    free(request->method);
    free(request->target);
    for (size_t i = 0; i < request->n_fields; i++) {
        free(request->fields[i].name);
        free(request->fields[i].value);
    }
    free(request->fields);
    strbuf_free(&request->body);
    *request = (struct model_request){0};
}

const char *model_field(const struct model_request *request, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < request->n_fields; i++) {
        if (!ascii_equal(request->fields[i].name, name))
            continue;
        if (found != NULL)
            return NULL;
        found = request->fields[i].value;
    }
    return found;
}

/* ---- answers ---- */

/* "HTTP/1.1 200 OK". evhttp's own errors are in the version they are about, be it "1.10" or "1.-5":
 * who asks so is answered so. */
static bool read_status(const char *line, size_t length, struct model_answer *answer)
{
    size_t number;
    const char *end = line + length;
    const char *space = memchr(line, ' ', length);
    if (space == NULL || space - line < 8 || memcmp(line, "HTTP/", 5) != 0 || end - space < 6 ||
        !read_number(space + 1, 3, 10, &number) || space[4] != ' ')
        return false;
    for (const char *at = line + 5; at < space; at++)
        if (digit(*at) > 9 && *at != '.' && *at != '-')
            return false;
    answer->status = (int)number;
    answer->known_version = space - line == 8 && line[5] == '1' && line[6] == '.' && line[7] <= '1';
    return number >= 100 && number <= 599;
}

enum model_reading model_read_answer(const struct strbuf *got, size_t at, bool bodyless, bool ended,
                                     struct model_answer *answer_out)
{
    const char *line;
    size_t length = 0, size = 0;
    char value[32];
    *answer_out = (struct model_answer){0};
    if (got->length == at)
        return MODEL_MORE;
    struct reader reader = {got->data + at, got->data + got->length};
    answer_out->head = reader.at;
    enum model_reading reading = next_crlf_line(&reader, &line, &length);
    if (reading != MODEL_CLEAR || !read_status(line, length, answer_out))
        return reading == MODEL_MORE ? MODEL_MORE : MODEL_ILL;
    while ((reading = next_crlf_line(&reader, &line, &length)) == MODEL_CLEAR && length > 0) {
        const char *colon = memchr(line, ':', length);
        if (colon == NULL || !is_token(line, (size_t)(colon - line)))
            return MODEL_ILL;
    }
    if (reading != MODEL_CLEAR)
        return reading;
    answer_out->head_length = (size_t)(reader.at - answer_out->head);
    answer_out->body = reader.at;
    size_t left = (size_t)(reader.end - reader.at);
    if (bodyless || answer_out->status < 200) {
        size = 0;
    } else if (model_answer_field(answer_out, "Content-Length", value, sizeof(value))) {
        if (!read_number(value, strlen(value), 10, &size))
            return MODEL_ILL;
    } else {
        answer_out->to_the_end = true;
        size = left;
        if (!ended)
            return MODEL_MORE;
    }
    if (left < size)
        return MODEL_MORE;
    answer_out->length = size;
    answer_out->end = (size_t)(reader.at - got->data) + size;
    return MODEL_CLEAR;
}

bool model_answer_field(const struct model_answer *answer, const char *name, char *out, size_t size)
{
    struct reader reader = {answer->head, answer->head + answer->head_length};
    const char *line;
    size_t length;
    unsigned found = 0;
    while (next_line(&reader, &line, &length) == MODEL_CLEAR) {
        const char *colon = memchr(line, ':', length);
        if (colon == NULL || !ascii_equal_n(line, (size_t)(colon - line), name))
            continue;
        const char *value = colon + 1;
        length -= (size_t)(value - line);
        trim(&value, &length);
        must(str_copy_n(out, size, value, length));
        found++;
    }
    return found == 1;
}

/* ---- codings ---- */

char *model_decoded(const char *text, size_t length)
{
    char *out = malloc(length + 1);
    size_t n = 0;
    must(out != NULL);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%' && length - i > 2 && digit(text[i + 1]) < 16 &&
            digit(text[i + 2]) < 16) {
            out[n++] = (char)(digit(text[i + 1]) << 4 | digit(text[i + 2]));
            i += 2;
        } else if (length - i > 5 && memcmp(text + i, "\\u00", 4) == 0 && digit(text[i + 4]) < 16 &&
                   digit(text[i + 5]) < 16) {
            out[n++] = (char)(digit(text[i + 4]) << 4 | digit(text[i + 5]));
            i += 5;
        } else {
            out[n++] = text[i] == '+' ? ' ' : text[i];
        }
        if (out[n - 1] == '\0')
            out[n - 1] = '\1';
    }
    out[n] = '\0';
    return out;
}
