/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One view of the registry for several questions: from the first answer on, what others write
 * meanwhile is not seen. For commands that only read, and not for long: SQLite's log grows while a
 * view is open. Nothing may be written through a registry with a view open.
 */
#ifndef OCTROI_STORE_REGISTRY_VIEW_H
#define OCTROI_STORE_REGISTRY_VIEW_H

#include "store/registry.h"

enum result registry_view_begin(struct registry *registry, struct error *err);
void registry_view_end(struct registry *registry);

/* Form versions as registry_forms gives them, but for counts: those of events and partners are 0,
 * because counting a form's events takes as long as there are many. id NULL: of all forms; version
 * 0: all of them. RESULT_NOT_FOUND when a version was asked for and is not there. */
enum result registry_form_versions(struct registry *registry, const char *id, int version,
                                   form_row_fn *on_row, void *arg, struct error *err);

#endif
