/* SPDX-License-Identifier: Apache-2.0 */
/* The functions spare.h sends the tests to. */
#include "tests/torture/alloc.h"

#include "base/file.h"
#include "base/str.h"

#include <event2/buffer.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *spare_malloc(size_t size);
void *spare_calloc(size_t count, size_t size);
void *spare_realloc(void *old, size_t size);
char *spare_strdup(const char *text);
FILE *spare_fopen(const char *path, const char *mode);
char *spare_mkdtemp(char *pattern);
int spare_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*routine)(void *), void *arg);
void spare_strbuf_add(struct strbuf *buf, const void *bytes, size_t length);
void spare_strbuf_add_str(struct strbuf *buf, const char *text);
void spare_strbuf_add_format(struct strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void spare_strbuf_add_uint(struct strbuf *buf, uint64_t value);
char *spare_file_join(const char *folder, const char *name);
struct evbuffer *spare_evbuffer_new(void);
int spare_evbuffer_add(struct evbuffer *buf, const void *data, size_t length);
int spare_evbuffer_add_printf(struct evbuffer *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define SPARED(type, call) \
    torture_pause();       \
    type result = (call);  \
    torture_resume();      \
    return result

void *spare_malloc(size_t size)
{
    SPARED(void *, malloc(size));
}

void *spare_calloc(size_t count, size_t size)
{
    SPARED(void *, calloc(count, size));
}

void *spare_realloc(void *old, size_t size)
{
    SPARED(void *, realloc(old, size));
}

char *spare_strdup(const char *text)
{
    SPARED(char *, strdup(text));
}

FILE *spare_fopen(const char *path, const char *mode)
{
    SPARED(FILE *, fopen(path, mode));
}

char *spare_mkdtemp(char *pattern)
{
    SPARED(char *, mkdtemp(pattern));
}

void spare_strbuf_add(struct strbuf *buf, const void *bytes, size_t length)
{
    torture_pause();
    strbuf_add(buf, bytes, length);
    torture_resume();
}

void spare_strbuf_add_str(struct strbuf *buf, const char *text)
{
    torture_pause();
    strbuf_add_str(buf, text);
    torture_resume();
}

void spare_strbuf_add_uint(struct strbuf *buf, uint64_t value)
{
    torture_pause();
    strbuf_add_uint(buf, value);
    torture_resume();
}

char *spare_file_join(const char *folder, const char *name)
{
    SPARED(char *, file_join(folder, name));
}

void spare_strbuf_add_format(struct strbuf *buf, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    torture_pause();
    va_start(args, format);
    if (vasprintf(&text, format, args) >= 0)
        strbuf_add_str(buf, text);
    va_end(args);
    free(text);
    torture_resume();
}

struct evbuffer *spare_evbuffer_new(void)
{
    SPARED(struct evbuffer *, evbuffer_new());
}

int spare_evbuffer_add(struct evbuffer *buf, const void *data, size_t length)
{
    SPARED(int, evbuffer_add(buf, data, length));
}

int spare_evbuffer_add_printf(struct evbuffer *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    torture_pause();
    int result = evbuffer_add_vprintf(buf, format, args);
    torture_resume();
    va_end(args);
    return result;
}

int spare_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*routine)(void *), void *arg)
{
    SPARED(int, pthread_create(thread, attributes, routine, arg));
}
