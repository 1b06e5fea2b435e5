// SPDX-License-Identifier: MIT
// Random hypercalls that know what hypercalls are: each operation has a row that
// makes its arguments from what the guest knows to exist, then one of them in
// some is replaced by something odd.
#ifndef FUZZ_H
#define FUZZ_H

#include "lib/guest.h"

#define MS 1000000ul

struct call;
struct op {
	const char *name;
	void (*make)(struct call *c);
	void (*done)(struct call *c, long rc); // may be NULL
	u16 nr, cmd;
	u8 weight; // 0: 8
	u8 flags;
	long (*run)(struct call *c); // in place of a hypercall
};
#define OP_CONTROL 1  // for the control domain only
#define OP_EXACT   2  // make() does the odd things itself
#define OP_STATUS  4  // the result stands in the argument: grants
#define OP_COUNTS  8  // the result is how many were done: 0 is no success
#define OP_AREA	   16 // its structure is an address that is written to later

struct op_list {
	const struct op *ops;
	unsigned int n;
};
extern const struct op_list table_ops, memory_ops, grant_ops, event_ops,
	vcpu_ops, cpu_ops, control_ops, machine_ops, device_ops,
	instruction_ops, once_ops;

#define ARG_BYTES 1024
struct call {
	const struct op *op;
	unsigned int number; // of the row, for the counts
	u64 args[5];
	int at;	     // which one points to the structure; -1: none
	size_t size; // of the structure, or of all of them
	u32 first;   // of its words, that may be replaced
	bool odd;    // something in it was replaced
	bool seen;   // done() may read what came back in it
	long keep[3];
	union {
		u8 bytes[ARG_BYTES];
		u64 words[ARG_BYTES / 8];
	};
};
// The argument's structure, zeroed, which argument `at` points to.
void *arg_in(struct call *c, int at, size_t size);
// The same for calls whose first argument is c->op->cmd.
void *arg(struct call *c, size_t size);

// random.c
void random_seed(u64 seed, u64 number);
u64 random_next(void);
u32 below(u32 n);
bool chance(u32 percent);
u64 odd_value(void);
u64 odd_pointer(void);
u64 odd_harmless(void); // one or the other, and no frame of the guest's own
u64 nowhere(void);	// a pointer that no call can use
u64 odd_frame(void);	// none that anybody needs
void call_spoil(struct call *c);

// model.c: frames. A page has a place in the image; a slot is an address that
// only hypercalls use.
#define PAGES	64
#define TABLES	24 // the first pages are mostly tables, the last ones mostly
#define SWAPPED 48 // come and go
#define SLOTS	128
#ifdef __x86_64__
#define SANDBOX 0x0000030000000000ul
#else
#define SANDBOX 0x40000000ul
#endif
#define AREA(n)	  (SANDBOX + (uptr)(n)*PAGE_SIZE)
#define ARG_AREA  AREA(16) // two pages, then a hole
#define ARG_RO	  AREA(20) // the same two, read-only
#define OUT_AREA  AREA(32)
#define OUT_PAGES 8
#define IN_AREA	  AREA(48)
#define SLOT(n)	  AREA(256 + (n))

enum kind { PLAIN, TABLE, DESCRIPTORS, GONE };
struct page {
	u8 *at;
	enum kind kind;
	int level;
	bool pinned;
};
extern struct page pages[PAGES];
struct slot {
	int page; // -1: none
	bool writable, granted;
};
extern struct slot slots[SLOTS];
extern u8 arg_pages[2][PAGE_SIZE], out_pages[OUT_PAGES][PAGE_SIZE],
	in_page[PAGE_SIZE];
extern u64 sandbox_l1; // frame
extern u64 max_frame;
extern bool is_control;
extern domid_t my_id;
#define IN ((xen_pfn_t *)in_page)

void model_init(void);
void model_reset(void); // everything as at first; says what is not
void areas_map(void);	// those that an odd call has taken away
u64 page_mfn(int page);
// A page of this kind, of the role's part most of the time; -1: none is.
int page_pick(int first, int end, enum kind kind);
int page_plain(void);
int page_table(int level); // 0: any
int slot_free(void);
long slot_map(int slot, int page, bool writable);
void slot_clear(int slot);
// Nothing writable leads to the page any more but its place in the image.
void page_unshare(int page);
u32 table_entries(int level); // of them may be used
// A table of this level, not yet pinned.
bool page_make_table(int page, int level);
bool page_make_descriptors(int page);
void page_vanished(int page);
void page_came(int page, u64 mfn);
bool frame_needed(u64 mfn);
bool frame_is_extra(u64 mfn); // one without a place

// The other parts' share in model_reset().
void strays_reset(void);
void tables_reset(void);
void memory_reset(void);
void grants_reset(void);
int grant_unmap(u32 handle, u64 host_addr, u64 bus); // GNTST_*, 0: no part
void events_reset(void);
void vcpus_reset(void);
void control_reset(void);
void victim_end(void); // control_reset() makes it again
void machine_reset(void);
void machine_init(void);
void leaks_check(void);
u64 frames_count(void);
// What was destroyed comes back by and by; else the run has failed.
void frames_back(u64 want);
void device_reset(void);
void grants_init(void);
void events_init(void);
void vcpus_init(void);

// grants.c: 0, or GNTST_* of the first structure that has one.
int grant_status(const struct call *c);

// report.c
void report_init(u64 seed, u64 calls);
void report_made(const struct call *c);
void report_call(const struct call *c, long rc, u64 ns);
void report_end(void);
extern u64 call_number, call_seed;
// The run is a failure; says why and where it was.
void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
u64 number_word(const char *name, u64 otherwise); // NAME=NUMBER

// canary.c
bool canary_start(void);
void canary_check(void);
u64 canary_frame(void); // that its grant is of; 0: not known
void canary_end(void);
#define CANARY_ID 0x5a5au
#define VICTIM_ID 0x1234u
void control_init(void);

// race.c
void race_begin(struct call *c);
void race_end(void);
void race_init(void);

long fuzz_hypercall(u64 nr, const u64 *args);

#endif
