/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one idiom for errors: a function that can fail returns an enum result and, where there is
 * something to say to a human, fills a struct error that the caller supplies. errno never crosses
 * a module: who calls the system turns it into text on the spot.
 */
#ifndef OCTROI_BASE_ERROR_H
#define OCTROI_BASE_ERROR_H

enum result {
    RESULT_OK = 0,
    RESULT_BAD_INPUT,   /* what was given is wrong; the text says where and why */
    RESULT_NOT_FOUND,   /* what was asked for does not exist */
    RESULT_CONFLICT,    /* it exists already, and differs */
    RESULT_DENIED,      /* credentials or permissions do not allow it */
    RESULT_UNAVAILABLE, /* could work later: busy, full, down */
    RESULT_DAMAGED,     /* stored data does not hold */
    RESULT_NO_MEMORY,
    RESULT_SYSTEM, /* the operating system or a library refused */
};

struct error {
    enum result code;
    char text[480]; /* one line, no newline, no secret, no clear address */
};

/* Fills err (may be NULL) and has code as its value, so that a caller can write
 * `return error_set(err, RESULT_BAD_INPUT, "…", …)`. A macro, so that compilers and analysers see
 * that the value is the code. */
#define error_set(err, code, ...)                     \
    __extension__({                                   \
        enum result error_code_ = (code);             \
        error_write((err), error_code_, __VA_ARGS__); \
        error_code_;                                  \
    })

/* As error_set, with ": " and the text of errno_value appended. */
#define error_errno(err, code, errno_value, ...)                           \
    __extension__({                                                        \
        enum result error_code_ = (code);                                  \
        error_write_errno((err), error_code_, (errno_value), __VA_ARGS__); \
        error_code_;                                                       \
    })

#define error_no_memory(err) error_set((err), RESULT_NO_MEMORY, "out of memory")

/* Puts text behind the text already in err. */
void error_suffix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the macros call. */
void error_write(struct error *err, enum result code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void error_write_errno(struct error *err, enum result code, int errno_value, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

/* Puts "prefix: " before the text already in err. */
void error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
