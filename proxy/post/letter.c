/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/letter.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <string.h>

#define LINE_MOST   76 /* RFC 2045, 6.7 and RFC 2047, 2 */
#define WORD_BYTES  39 /* encoded they, "=?utf-8?B?" and "Subject: " fit a line */
#define RANDOM_HEX  32
#define BASE64_LINE 57 /* bytes, 76 characters */

static bool random_hex(char out[RANDOM_HEX + 1])
{
    uint8_t bytes[RANDOM_HEX / 2];
    if (!random_bytes(bytes, sizeof(bytes)))
        return false;
    hex_encode(bytes, sizeof(bytes), out);
    return true;
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

/* ---- the header ---- */

/* Encoded words of whole characters, one a line. */
static void add_encoded(struct strbuf *out, const char *text)
{
    size_t left = strlen(text);
    for (const char *separator = ""; left > 0; separator = "\r\n ") {
        char encoded[4 * ((WORD_BYTES + 2) / 3) + 1];
        size_t n = left < WORD_BYTES ? left : WORD_BYTES;
        while (n < left && n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
        base64_encode((const uint8_t *)text, n, encoded);
        strbuf_add_format(out, "%s=?utf-8?B?%s?=", separator, encoded);
        text += n;
        left -= n;
    }
}

/* Folded before a blank wherever a line would be too long. */
static void add_folded(struct strbuf *out, const char *text, size_t column)
{
    while (*text != '\0') {
        size_t word = strspn(text, " ");
        word += strcspn(text + word, " ");
        if (*text == ' ' && column + word > LINE_MOST) {
            strbuf_add_str(out, "\r\n");
            column = 0;
        }
        strbuf_add(out, text, word);
        column += word;
        text += word;
    }
}

static void add_subject(struct strbuf *out, const char *subject)
{
    /* What is no single line would be a header of its own. */
    struct strbuf line = {0};
    for (const char *at = subject; *at != '\0'; at++)
        strbuf_add_char(&line, (unsigned char)*at < ' ' ? ' ' : *at);
    const char *text = line.data != NULL ? line.data : "";
    strbuf_add_str(out, "Subject: ");
    if (is_plain(text) && strstr(text, "=?") == NULL)
        add_folded(out, text, strlen("Subject: "));
    else
        add_encoded(out, text);
    strbuf_add_str(out, "\r\n");
    out->failed |= line.failed;
    strbuf_free(&line);
}

static void add_header(const struct letter *letter, const char *id, struct strbuf *out)
{
    char date[32];
    clock_format_mail(letter->at, date);
    strbuf_add_format(out, "Date: %s\r\nFrom: octroi <%s>\r\nTo: ", date, letter->from);
    for (size_t i = 0; i < letter->n_to; i++)
        strbuf_add_format(out, "%s%s", i > 0 ? ",\r\n " : "", letter->to[i]);
    strbuf_add_str(out, "\r\n");
    add_subject(out, letter->subject);
    strbuf_add_format(out,
                      "Message-ID: <%s@%s>\r\nAuto-Submitted: auto-generated\r\n"
                      "MIME-Version: 1.0\r\n",
                      id, letter->gateway);
}

/* ---- the body ---- */

/* RFC 2045, 6.7. A dot that begins a line is encoded, too, so that nothing is to be stuffed. */
static void add_quoted(struct strbuf *out, const char *text)
{
    size_t column = 0;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\n') {
            strbuf_add_str(out, "\r\n");
            column = 0;
            continue;
        }
        bool ends = text[1] == '\n' || text[1] == '\0';
        bool plain = c > ' ' && c < 0x7f && c != '=';
        plain |= c == ' ' && !ends;
        plain &= c != '.' || column > 0;
        size_t width = plain ? 1 : 3;
        if (column + width > LINE_MOST - 1) {
            strbuf_add_str(out, "=\r\n");
            column = 0;
            if (c == '.') {
                plain = false;
                width = 3;
            }
        }
        if (plain)
            strbuf_add_char(out, (char)c);
        else
            strbuf_add_format(out, "=%02X", c);
        column += width;
    }
    if (column > 0)
        strbuf_add_str(out, "\r\n");
}

static void add_base64(struct strbuf *out, const char *data)
{
    char line[4 * ((BASE64_LINE + 2) / 3) + 1];
    size_t left = strlen(data);
    while (left > 0) {
        size_t n = left < BASE64_LINE ? left : BASE64_LINE;
        base64_encode((const uint8_t *)data, n, line);
        strbuf_add_format(out, "%s\r\n", line);
        data += n;
        left -= n;
    }
}

static void add_text(const struct letter *letter, struct strbuf *out)
{
    strbuf_add_str(out, "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    add_quoted(out, letter->text);
}

bool letter_write(const struct letter *letter, struct strbuf *out)
{
    char id[RANDOM_HEX + 1], boundary[RANDOM_HEX + 1];
    if (!random_hex(id) || !random_hex(boundary))
        return false;
    add_header(letter, id, out);
    if (letter->attachment_name == NULL) {
        add_text(letter, out);
        return !out->failed;
    }
    strbuf_add_format(out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n",
                      boundary, boundary);
    add_text(letter, out);
    strbuf_add_format(out,
                      "--%s\r\nContent-Type: %s; name=\"%s\"\r\n"
                      "Content-Disposition: attachment; filename=\"%s\"\r\n"
                      "Content-Transfer-Encoding: base64\r\n\r\n",
                      boundary, letter->attachment_type, letter->attachment_name,
                      letter->attachment_name);
    add_base64(out, letter->attachment);
    strbuf_add_format(out, "--%s--\r\n", boundary);
    return !out->failed;
}
