/* SPDX-License-Identifier: Apache-2.0 */
#include "config/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer texts are cut: they would come from absurdly long values. */
#define PROBLEM_TEXT 1024

void problem_add(struct problems *problems, const struct source *source, int line,
                 const char *format, ...)
{
    if (problems->count == problems->capacity) {
        size_t capacity = problems->capacity ? problems->capacity * 2 : 16;
        struct problem *items = reallocarray(problems->items, capacity, sizeof(*items));
        if (items == NULL) {
            problems->no_memory = true;
            return;
        }
        problems->items = items;
        problems->capacity = capacity;
    }
    char text[PROBLEM_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* A value may hold anything; a finding is one line on somebody's terminal. */
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    char *copy = strdup(text);
    if (copy == NULL) {
        problems->no_memory = true;
        return;
    }
    problems->items[problems->count] =
        (struct problem){.source = source, .line = line, .found = problems->count, .text = copy};
    problems->count++;
}

static int compare(const void *left, const void *right)
{
    const struct problem *a = left;
    const struct problem *b = right;
    if (a->source->order != b->source->order)
        return a->source->order < b->source->order ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->found < b->found ? -1 : a->found > b->found;
}

void problems_report(struct problems *problems, config_problem_fn *on_problem, void *arg)
{
    if (problems->count > 1)
        qsort(problems->items, problems->count, sizeof(problems->items[0]), compare);
    for (size_t i = 0; on_problem != NULL && i < problems->count; i++)
        on_problem(arg, problems->items[i].source->path, problems->items[i].line,
                   problems->items[i].text);
}

void problems_free(struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->items[i].text);
    free(problems->items);
    *problems = (struct problems){0};
}
