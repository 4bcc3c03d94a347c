/* SPDX-License-Identifier: Apache-2.0 */
/* The console's pages and acts; one file a page, its acts beside it (NAME_act.c). */
#ifndef OCTROI_CONSOLE_PAGES_H
#define OCTROI_CONSOLE_PAGES_H

#include "console/visit.h"

/* ---- overview.c ---- */
console_page overview_page;

/* ---- observe.c ---- */
console_page observe_page;

/* ---- blocked.c, blocked_csv.c, blocked_one.c ---- */
console_page blocked_page, blocked_person_act;
console_page blocked_csv;
console_page blocked_one_page;

/* ---- nothing.c ---- */
console_page nothing_page; /* a path that is nobody's */

/* ---- partners.c ---- */
console_page partners_page;
console_page partner_page; /* …/ID */

/* ---- forms.c ---- */
console_page forms_page;
console_page form_page;         /* …/ID: its versions */
console_page form_version_page; /* …/ID/VERSION */
console_page form_invalidate_act;

/* ---- suppliers.c ---- */
console_page suppliers_page;
console_page supplier_page; /* …/ID */
console_page supplier_invalidate_act;

/* ---- stop.c ---- */
console_page suspend_act, resume_act;

/* ---- users.c ---- */
console_page users_page, users_act;

/* ---- person.c, person_act.c ---- */
console_page persons_page;   /* look up */
console_page persons_act;    /* … by an address, to her page */
console_page person_page;    /* one: tails[0] is her key, or what person_link.c sealed */
console_page objection_act;  /* of hers */
console_page withdrawal_act; /* of hers */
console_page pack_act;       /* all that is held on her, as a file: person_pack.c */

/* ---- dossier.c, dossier_act.c, dossier_proof.c ---- */
console_page dossier_page;
console_page dossier_draw_act;     /* from, to, partner, journal */
console_page dossier_archive_page; /* the zip that is ready for this user */
console_page dossier_check_act;    /* of the journal */
console_page dossier_checkpoints_page;
console_page dossier_checkpoint_page; /* tail: its row */
console_page dossier_key_page;
console_page dossier_script_page;

#endif
