/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before everything else (-include) when unit tests are compiled for torture: what a test
 * allocates for itself does not fail. The declarations in the system's headers change their names
 * with the calls.
 */
#ifndef OCTROI_TESTS_TORTURE_SPARE_H
#define OCTROI_TESTS_TORTURE_SPARE_H

#define malloc         spare_malloc
#define calloc         spare_calloc
#define realloc        spare_realloc
#define strdup         spare_strdup
#define fopen          spare_fopen
#define mkdtemp        spare_mkdtemp
#define pthread_create spare_pthread_create
#define abort          spare_abort /* how some of them assert */

/* What tests compose, to compare or to be read. */
#define strbuf_add          spare_strbuf_add
#define strbuf_add_str      spare_strbuf_add_str
#define strbuf_add_format   spare_strbuf_add_format
#define strbuf_add_uint     spare_strbuf_add_uint
#define file_join           spare_file_join
#define evbuffer_new        spare_evbuffer_new
#define evbuffer_add        spare_evbuffer_add
#define evbuffer_add_printf spare_evbuffer_add_printf

#endif
