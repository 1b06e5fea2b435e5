// SPDX-License-Identifier: MIT
// printf to the hypervisor's console: %d %u %x %s %c %p with l, 0 and width.
#include "lib/guest.h"

struct output {
	char *to;
	size_t size, used;
};

static void put(struct output *out, char c)
{
	if (out->used + 1 < out->size)
		out->to[out->used] = c;
	out->used++;
}

static void put_text(struct output *out, const char *s, int width)
{
	width -= (int)strlen(s);
	while (*s)
		put(out, *s++);
	while (width-- > 0)
		put(out, ' ');
}

static void put_number(struct output *out, u64 n, unsigned int base, int width,
		       char fill)
{
	char digits[24];
	int used = 0;

	do {
		digits[used++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	for (int i = used; i < width; i++)
		put(out, fill);
	while (used)
		put(out, digits[--used]);
}

static void put_signed(struct output *out, int64_t n, int width, char fill)
{
	if (n < 0) {
		put(out, '-');
		n = -n;
	}
	put_number(out, (u64)n, 10, width, fill);
}

static u64 number(va_list *args, int longs, bool is_signed)
{
	if (longs > 1)
		return va_arg(*args, u64);
	if (longs)
		return is_signed ? (u64)va_arg(*args, long)
				 : va_arg(*args, uptr);
	return is_signed ? (u64)va_arg(*args, int) : va_arg(*args, u32);
}

static void put_argument(struct output *out, const char **at, va_list *args)
{
	const char *s = *at;
	char fill = *s == '0' ? '0' : ' ';
	int width = 0, longs = 0;

	while (*s >= '0' && *s <= '9')
		width = width * 10 + *s++ - '0';
	for (; *s == 'l'; s++)
		longs++;
	*at = s + 1;
	switch (*s) {
	case 's':
		put_text(out, va_arg(*args, const char *), width);
		break;
	case 'c':
		put(out, (char)va_arg(*args, int));
		break;
	case 'd':
		put_signed(out, (int64_t)number(args, longs, true), width,
			   fill);
		break;
	case 'p':
		put_text(out, "0x", 0);
		put_number(out, va_arg(*args, uptr), 16, 0, ' ');
		break;
	case 'u':
	case 'x':
		put_number(out, number(args, longs, false), *s == 'x' ? 16 : 10,
			   width, fill);
		break;
	default:
		put(out, *s);
		break;
	}
}

int vsnprintf(char *to, size_t size, const char *format, va_list args)
{
	struct output out = { to, size, 0 };
	va_list copy;

	va_copy(copy, args);
	while (*format) {
		char c = *format++;

		if (c == '%')
			put_argument(&out, &format, &copy);
		else
			put(&out, c);
	}
	va_end(copy);
	if (size)
		to[out.used < size ? out.used : size - 1] = 0;
	return (int)out.used;
}

int snprintf(char *to, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(to, size, format, args);
	va_end(args);
	return n;
}

void printf(const char *format, ...)
{
	char line[400];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (has_ring())
		ring_write(line, strlen(line));
	else
		HC3(__HYPERVISOR_console_io, CONSOLEIO_write, strlen(line),
		    line);
}
