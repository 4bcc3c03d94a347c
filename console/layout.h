/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all pages of the console are made of: the frame with its navigation, and the parts between.
 * Text goes in translated (N_ constants) or as others' words, never as markup; markup is in here.
 * Each part is readable without styles and without scripts, and reachable by keyboard.
 */
#ifndef OCTROI_CONSOLE_LAYOUT_H
#define OCTROI_CONSOLE_LAYOUT_H

#include "console/visit.h"

enum place {
    PLACE_OVERVIEW,
    PLACE_BLOCKED,
    PLACE_PERSONS,
    PLACE_PARTNERS,
    PLACE_FORMS,
    PLACE_SUPPLIERS,
    PLACE_OBSERVE,
    PLACE_DOSSIER,
    PLACE_USERS,
    PLACE_NONE, /* a page that is in no navigation */
};

struct layout {
    enum place place;
    const char *title; /* a constant, translated; NULL: name alone */
    const char *name;  /* others' words after it, such as a partner's name; NULL */
    /* What the browser is to call the page by instead of `name`, as its history and its tabs keep
     * that; NULL: name. */
    const char *kept_name;
    const char *lead;    /* a sentence under the heading, a constant; NULL: none */
    const char *up;      /* path of the page above, for the way back; NULL: none */
    const char *up_name; /* … its name, a constant */
    unsigned refresh;    /* seconds, while something is under way; 0: never */
};

/* The document up to the heading, with the line of what was done; and its end. */
void layout_begin(struct visit *visit, const struct layout *layout);
void layout_end(struct visit *visit);

/* A section with its heading (h2); ended by part_end. */
void part_begin(struct visit *visit, const char *title);
/* … that links may lead to: "#id". */
void part_begin_at(struct visit *visit, const char *id, const char *title);
void part_end(struct visit *visit);
/* A paragraph, translated. */
void part_text(struct visit *visit, const char *sentence);
/* A translated sentence whose "%s" are others' words (at most three, NULL ends them), as a
 * paragraph or, with element "dd", "span class=\"note\"", as that. */
void part_sentence(struct visit *visit, const char *element, const char *sentence, const char *one,
                   const char *two, const char *three);
/* Nothing is here: why, and what to do next. path NULL: no link. */
void part_empty(struct visit *visit, const char *sentence, const char *path, const char *link);
/* A link with translated text. */
void part_link(struct visit *visit, const char *path, const char *text);
/* A link with others' words. */
void part_link_named(struct visit *visit, const char *path, const char *name);
/* Something to be heeded: kind "good", "bad", "warn" or "info"; text translated. */
void part_notice(struct visit *visit, const char *kind, const char *sentence, const char *name);

/* ---- lists of names and values ---- */

void facts_begin(struct visit *visit);
void facts_end(struct visit *visit);
/* value as it is; "" writes nothing. */
void fact(struct visit *visit, const char *name, const char *value);
void fact_tr(struct visit *visit, const char *name, const char *value);
void fact_code(struct visit *visit, const char *name, const char *words, const char *code);
void fact_time(struct visit *visit, const char *name, int64_t instant);
void fact_number(struct visit *visit, const char *name, int64_t number);
/* For what is more than a text: <dt>name</dt><dd> … fact_close. */
void fact_open(struct visit *visit, const char *name);
void fact_close(struct visit *visit);

/* ---- tables: page_table and what goes with it (base/html.h), scrollable at 360 px ---- */

/* caption is a constant, read out first. heads as page_table. */
void grid_begin(struct visit *visit, const char *caption, const char *const *heads);
void grid_end(struct visit *visit);
/* Cells beside those of base/html.h. */
void cell_time(struct visit *visit, int64_t instant);
void cell_code(struct visit *visit, const char *words, const char *code);
void cell_link(struct visit *visit, const char *path, const char *text);
void cell_verdict(struct visit *visit, const char *verdict);

/* A moment inside a sentence or a cell: <time datetime="…">3 March 2026, 14:05</time>, in the
 * gateway's time zone. */
void time_add(struct visit *visit, int64_t instant);
/* When it is that time there, of a moment told as if it were UTC (visit_day_field). */
int64_t time_off_wall(const struct visit *visit, int64_t wall);
/* The date alone. */
void date_add(struct visit *visit, int64_t instant);
/* Words of the trade with the code beside: "withdrawn WITHDRAWN". */
void code_add(struct visit *visit, const char *words, const char *code);
/* "Passed", "Blocked", "Deferred", coloured and in words. */
void verdict_add(struct visit *visit, const char *verdict);
/* "suspended", "in force" …: kind as part_notice's; text translated. */
void badge_add(struct visit *visit, const char *kind, const char *text);

/* ---- numbers that matter, side by side ---- */

void tiles_begin(struct visit *visit);
void tiles_end(struct visit *visit);
/* label translated; share: of whole, shown under the number; whole 0: none. path NULL: no link. */
void tile_number(struct visit *visit, const char *label, int64_t number, uint64_t whole,
                 const char *path);
/* The same with what it was in the period before; before -1: that is not known. */
void tile_compared(struct visit *visit, const char *label, int64_t number, uint64_t whole,
                   const char *path, int64_t before);

/* ---- how things are: a line each, with a badge that says it in a word ---- */

void states_begin(struct visit *visit);
void states_end(struct visit *visit);
/* kind and badge as badge_add's, sentence and its %s as part_sentence's. More may follow, such as a
 * link, up to state_close. */
void state_open(struct visit *visit, const char *kind, const char *badge, const char *sentence,
                const char *one, const char *two, const char *three);
void state_close(struct visit *visit);

/* ---- forms ---- */

/* A form that asks (method get, to this page), filters side by side. */
void filter_begin(struct visit *visit);
void filter_end(struct visit *visit, const char *button);
/* A form that acts: method post, with the token in it. path is where it goes. */
void act_begin(struct visit *visit, const char *path);
/* kind "", "danger". */
void act_end(struct visit *visit, const char *button, const char *kind);
/* An act behind a summary, so that nobody presses it by mistake: opened first, then filled in. */
void act_fold_begin(struct visit *visit, const char *summary);
void act_fold_begin_as(struct visit *visit, const char *summary, bool open);
void act_fold_end(struct visit *visit);
void hidden_field(struct visit *visit, const char *name, const char *value);

struct option {
    const char *value;
    const char *text; /* as it is; translated where `translate` */
    bool translate;
};
/* The fields: label translated, help ("": none) translated. */
void text_field(struct visit *visit, const char *name, const char *label, const char *help,
                const char *value, unsigned most, bool required);
/* Who logs in: name and password. */
void login_fields(struct visit *visit, const char *name);
void area_field(struct visit *visit, const char *name, const char *label, const char *help,
                bool required);
void date_field(struct visit *visit, const char *name, const char *label, const char *value);
void select_field(struct visit *visit, const char *name, const char *label,
                  const struct option *options, size_t n, const char *chosen);

/* Boxes to tick, as many as one likes, under a legend; legend, help ("": none) and text translated.
 */
void checks_begin(struct visit *visit, const char *legend, const char *help);
void check_field(struct visit *visit, const char *name, const char *value, const char *text,
                 bool ticked);
void checks_end(struct visit *visit);

/* The way to further rows: cursor "" when there are none. first: whether this is the first page. */
void pager(struct visit *visit, const char *cursor, bool first);

/* A chart drawn by console.js from Chart.js where scripts run; the table of the same numbers, which
 * the caller writes next, says it all without. json: what console.js reads (see there), whole.
 * label is translated. */
void chart_add(struct visit *visit, const char *label, const char *json);
/* One with so many bars that lie (type "row"): as high as they need. */
void chart_add_rows(struct visit *visit, const char *label, const char *json, size_t rows);

#endif
