// SPDX-License-Identifier: MIT
// Which hypercalls a test made, and their answers.
#ifndef LIB_CALLS_H
#define LIB_CALLS_H

extern bool calls_wanted, calls_told; // not told while user mode runs
void call_note(uptr number, uptr a1, uptr a2, long answer);
void calls_clear(void);
void calls_tell(void);

#endif
