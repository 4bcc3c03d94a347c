/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the language of tests/replay that makes things happen in the world of
 * test_proxy_fakes.h, for whoever reads a script: the runner of the replays, and the fuzz target
 * that takes its inputs for scripts. Nothing here expects anything.
 */
#ifndef OCTROI_TESTS_TEST_PROXY_SCRIPT_H
#define OCTROI_TESTS_TEST_PROXY_SCRIPT_H

#include "tests/unit/test_script.h"

/* provider, store, journal, advance, drain, abort. text: what follows the word, written into; NULL
 * for nothing. False when that is not of the language or cannot be done now. */
bool script_event(const char *word, char *text);

#endif
