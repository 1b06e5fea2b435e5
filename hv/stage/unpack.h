// SPDX-License-Identifier: MIT
#ifndef STAGE_UNPACK_H
#define STAGE_UNPACK_H

#include <stddef.h>

#include "stage/image.h"

/* What the libraries allocate from here is never given back. */
void heap_init(uint64_t start, uint64_t end);
void *malloc(size_t size);
void *calloc(size_t nr, size_t size);
void free(void *p);

/*
 * Unpack exactly p->unpacked_size bytes, which are packed, to out. Returns NULL, or a text that
 * says what is wrong. Needs heap_init().
 */
const char *unpack(const struct packed *p, uint8_t *out);

#endif
