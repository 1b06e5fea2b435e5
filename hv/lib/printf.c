// SPDX-License-Identifier: MIT
// Formatted text, as much of it as lib/string.h promises.
#include "lib/string.h"

struct out {
	char *buf;
	size_t size, used; // used goes on counting when the buffer is full
};

static void put(struct out *o, char c)
{
	if (o->used + 1 < o->size)
		o->buf[o->used] = c;
	o->used++;
}

static void put_text(struct out *o, const char *s)
{
	while (s && *s)
		put(o, *s++);
}

static void put_number(struct out *o, u64 v, unsigned int base,
		       const char *prefix, int width, bool zeros)
{
	int n = 0, fill;
	char text[24];

	do
		text[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	fill = width - n - (int)strlen(prefix);
	for (; !zeros && fill > 0; fill--)
		put(o, ' ');
	put_text(o, prefix);
	for (; fill > 0; fill--)
		put(o, '0');
	while (n)
		put(o, text[--n]);
}

// What stands behind a '%'; returns its last character.
static const char *convert(struct out *o, const char *fmt, va_list *ap)
{
	bool mark = *fmt == '#', zeros, wide;
	int width = 0;
	u64 v;

	fmt += mark;
	zeros = *fmt == '0';
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		width = width * 10 + *fmt - '0';
	wide = *fmt == 'l' || *fmt == 'z';
	fmt += wide;
	if (*fmt == 's') {
		put_text(o, va_arg(*ap, const char *));
		return fmt;
	}
	if (!*fmt || !strchr("cdux", *fmt)) {
		put(o, *fmt ? *fmt : '%');
		return *fmt ? fmt : fmt - 1;
	}
	v = wide ? va_arg(*ap, u64) : va_arg(*ap, u32);
	if (*fmt == 'd' && !wide)
		v = (u64)(s64)(s32)v;
	if (*fmt == 'c')
		put(o, (char)v);
	else if (*fmt == 'd' && (s64)v < 0)
		put_number(o, -v, 10, "-", width, zeros);
	else
		put_number(o, v, *fmt == 'x' ? 16 : 10, mark && v ? "0x" : "",
			   width, zeros);
	return fmt;
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = { .buf = buf, .size = size };
	va_list ap;

	va_copy(ap, args);
	for (; *fmt; fmt++) {
		if (*fmt == '%')
			fmt = convert(&o, fmt + 1, &ap);
		else
			put(&o, *fmt);
	}
	va_end(ap);
	if (size)
		buf[MIN(o.used, size - 1)] = 0;
	return (int)o.used;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
