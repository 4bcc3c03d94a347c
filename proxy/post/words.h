/* SPDX-License-Identifier: Apache-2.0 */
/* What compliance reads when something begins, lasts or is over: who is no engineer, in French or
 * English. Never a recipient's address. */
#ifndef OCTROI_PROXY_POST_WORDS_H
#define OCTROI_PROXY_POST_WORDS_H

#include "config/config.h"
#include "proxy/post/lookout.h"

/* A line for the subject, and a paragraph or two. */
void words_trouble(const struct trouble *trouble, enum saying_kind kind, enum language language,
                   const struct config *config, struct strbuf *subject, struct strbuf *text);
/* The subject and the head of a mail about several of them. */
void words_several(size_t count, enum language language, struct strbuf *subject,
                   struct strbuf *text);
void words_foot(enum language language, const struct config *config, struct strbuf *text);
/* For the digest: what lasts, as its points. */
void words_note(const struct trouble *trouble, enum language language, const struct config *config,
                struct strbuf *text);
void words_test(enum language language, const struct config *config, struct strbuf *subject,
                struct strbuf *text);

#endif
