// SPDX-License-Identifier: MIT
// Names of functions, from the table that tools/symbols.py makes: sorted
// distances from each table entry to its function, and the names packed by
// pairs: code c stands for the codes pair[c][0] and pair[c][1], or for itself.
#include "con/private.h"
#include "x86/layout.h"

#define NAME_MAX  64
#define DEPTH_MAX 32

extern const u32 symbol_count;
extern const s32 symbol_offsets[];
extern const u8 symbol_names[]; // 256 pairs, then length and codes of each
extern const char __image_start[], __text_end[];
extern const char __rodata_end[], __init_text_end[];

bool image_is_text(u64 addr)
{
	return (addr >= (u64)__image_start && addr < (u64)__text_end) ||
	       (addr >= (u64)__rodata_end && addr < (u64)__init_text_end);
}

static u64 address(u32 i)
{
	return (u64)&symbol_offsets[i] + (u64)(s64)symbol_offsets[i];
}

static void unpack(char *to, const u8 *codes, u32 n)
{
	u8 todo[DEPTH_MAX];
	u32 used = 0, depth;

	for (u32 i = 0; i < n; i++) {
		todo[0] = codes[i];
		for (depth = 1; depth && used < NAME_MAX - 1;) {
			const u8 *pair = &symbol_names[2 * todo[--depth]];

			if (pair[0] && depth + 2 <= DEPTH_MAX) {
				todo[depth] = pair[1];
				todo[depth + 1] = pair[0];
				depth += 2;
			} else {
				to[used++] = (char)todo[depth];
			}
		}
	}
	to[used] = 0;
}

const char *symbol_lookup(u64 addr, u64 *offset)
{
	// Two CPUs at once may spoil each other's text, never its end.
	static char name[NAME_MAX];
	u32 low = 0, high = symbol_count, mid;
	const u8 *p = symbol_names + 512;

	*offset = 0;
	if (!image_is_text(addr))
		return "?";
	while (low < high) {
		mid = (low + high) / 2;
		if (address(mid) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return "?";
	*offset = addr - address(low - 1);
	for (u32 i = 0; i < low - 1; i++)
		p += 1 + *p;
	unpack(name, p + 1, *p);
	return name;
}
