// SPDX-License-Identifier: MIT
// The 80 by 25 text screen. Console lock held by every caller.
#include "con/private.h"
#include "lib/string.h"

#define COLUMNS 80
#define ROWS	25
#define BLANK	0x0720 // a light grey space on black

static u16 *cells; // NULL: no screen, or it is Dom0's now
static unsigned int row, column;

static void clear_row(unsigned int r)
{
	for (unsigned int i = 0; i < COLUMNS; i++)
		cells[r * COLUMNS + i] = BLANK;
}

static void new_line(void)
{
	column = 0;
	if (++row < ROWS)
		return;
	row = ROWS - 1;
	memmove(cells, cells + COLUMNS, 2 * COLUMNS * (ROWS - 1));
	clear_row(row);
}

static void put(char c)
{
	if (c == '\n') {
		new_line();
	} else if (c == '\r') {
		column = 0;
	} else if (c == '\b') {
		column -= column > 0;
	} else if ((u8)c >= ' ') {
		if (column == COLUMNS)
			new_line();
		cells[row * COLUMNS + column++] = 0x0700 | (u8)c;
	}
}

void vga_write(const char *text, size_t n)
{
	for (size_t i = 0; cells && i < n; i++)
		put(text[i]);
}

void con_vga_start(void *text_buffer)
{
	u64 flags = con_enter();

	cells = text_buffer;
	row = column = 0;
	for (unsigned int r = 0; cells && r < ROWS; r++)
		clear_row(r);
	con_leave(flags);
}

void vga_stop(void)
{
	cells = NULL;
}
