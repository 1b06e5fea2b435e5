// SPDX-License-Identifier: MIT
// What guests write: Dom0's text goes out as it is, others' by the line and
// without control characters, so that none can pass for another.
#include "con/con.h"
#include "dom/domain.h"

// d->lock held.
static void line_out(struct domain *d)
{
	d->console_line[d->console_used] = '\0';
	printk(LOG_GUEST LOG_DEBUG "(d%u) %s\n", d->id, d->console_line);
	d->console_used = 0;
}

static void line_add(struct domain *d, char c)
{
	if (c != '\n' && c != '\t' && (c < ' ' || c > '~'))
		return;
	if (c != '\n')
		d->console_line[d->console_used++] = c;
	if (c == '\n' || d->console_used == sizeof(d->console_line) - 1)
		line_out(d);
}

void domain_console_write(struct domain *d, const char *text, size_t n)
{
	if (d->is_hardware) {
		con_write_guest(text, n);
		return;
	}
	SPIN_GUARD(&d->lock);
	for (size_t i = 0; i < n; i++)
		line_add(d, text[i]);
}
