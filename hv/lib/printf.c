// SPDX-License-Identifier: MIT
// Formatted text.
#include "lib/string.h"

struct out {
	char *buf;
	size_t size, used; // used goes on counting when the buffer is full
};

enum flag { LEFT, ZERO, PLUS, SPACE, ALT };

struct spec {
	bool flag[5];
	bool upper;
	int width, precision; // -1: none given
	u8 bytes;	      // of the argument
};

static void put(struct out *o, char c)
{
	if (o->used + 1 < o->size)
		o->buf[o->used] = c;
	o->used++;
}

static void put_many(struct out *o, char c, int n)
{
	for (; n > 0; n--)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *f, const char *s)
{
	size_t max = f->precision < 0 ? ~0UL : (size_t)f->precision;
	int n;

	if (!s)
		s = "(null)";
	n = (int)strnlen(s, max);
	if (!f->flag[LEFT])
		put_many(o, ' ', f->width - n);
	for (int i = 0; i < n; i++)
		put(o, s[i]);
	if (f->flag[LEFT])
		put_many(o, ' ', f->width - n);
}

// prefix: sign or base mark, at most two characters.
static void put_number(struct out *o, const struct spec *f, u64 v,
		       unsigned int base, const char *prefix)
{
	const char *digits = f->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0, zeros, fill, n_prefix = (int)strlen(prefix);
	char text[24];

	for (; v; v /= base)
		text[n++] = digits[v % base];
	zeros = (f->precision < 0 ? 1 : f->precision) - n;
	zeros = MAX(zeros, 0);
	if (base == 8 && f->flag[ALT] && !zeros)
		zeros = 1;
	fill = f->width - n - zeros - n_prefix;
	if (f->flag[ZERO] && !f->flag[LEFT] && f->precision < 0 && fill > 0) {
		zeros += fill;
		fill = 0;
	}
	if (!f->flag[LEFT])
		put_many(o, ' ', fill);
	while (*prefix)
		put(o, *prefix++);
	put_many(o, '0', zeros);
	while (n)
		put(o, text[--n]);
	if (f->flag[LEFT])
		put_many(o, ' ', fill);
}

static const char *parse_flags(const char *fmt, struct spec *f)
{
	static const char marks[] = "-0+ #"; // in the order of enum flag
	const char *mark;

	for (; *fmt && (mark = strchr(marks, *fmt)); fmt++)
		f->flag[mark - marks] = true;
	return fmt;
}

// A width or precision as digits; no format of ours is near the limit.
static const char *parse_int(const char *fmt, int *v)
{
	for (*v = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
		if (*v < 100000)
			*v = *v * 10 + *fmt - '0';
	return fmt;
}

static const char *parse_length(const char *fmt, struct spec *f)
{
	f->bytes = 4;
	if (*fmt == 'h') {
		f->bytes = 2;
		if (*++fmt == 'h') {
			f->bytes = 1;
			fmt++;
		}
	} else if (*fmt == 'l' || *fmt == 'z') {
		f->bytes = 8;
		if (*fmt++ == 'l' && *fmt == 'l')
			fmt++;
	}
	return fmt;
}

static void put_signed(struct out *o, const struct spec *f, s64 v)
{
	const char *sign = v < 0	    ? "-"
			   : f->flag[PLUS]  ? "+"
			   : f->flag[SPACE] ? " "
					    : "";

	put_number(o, f, v < 0 ? -(u64)v : (u64)v, 10, sign);
}

static void put_hex(struct out *o, struct spec *f, u64 v, char conversion)
{
	f->upper = conversion == 'X';
	put_number(o, f, v, 16,
		   !f->flag[ALT] || !v ? ""
		   : f->upper	       ? "0X"
				       : "0x");
}

// An integer argument of the right size, extended to 64 bits.
static u64 get_unsigned(u64 v, const struct spec *f)
{
	return f->bytes == 8 ? v : v & (BIT(8 * f->bytes) - 1);
}

static s64 get_signed(u64 v, const struct spec *f)
{
	unsigned int shift = 64 - 8 * f->bytes;

	return (s64)(v << shift) >> shift;
}

static void put_integer(struct out *o, struct spec *f, char conversion, u64 v)
{
	switch (conversion) {
	case 'd':
	case 'i':
		put_signed(o, f, get_signed(v, f));
		break;
	case 'u':
		put_number(o, f, get_unsigned(v, f), 10, "");
		break;
	case 'o':
		put_number(o, f, get_unsigned(v, f), 8, "");
		break;
	case 'p':
		f->flag[ALT] = true;
		put_hex(o, f, v, 'x');
		break;
	default:
		put_hex(o, f, get_unsigned(v, f), conversion);
	}
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = { .buf = buf, .size = size };
	char one[2] = "";
	struct spec f;
	va_list ap;
	u64 v;

	va_copy(ap, args);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		f = (struct spec){ .precision = -1 };
		fmt = parse_flags(fmt + 1, &f);
		if (*fmt == '*') {
			f.width = va_arg(ap, int);
			f.flag[LEFT] |= f.width < 0;
			f.width = f.width < 0 ? -f.width : f.width;
			fmt++;
		} else {
			fmt = parse_int(fmt, &f.width);
		}
		if (*fmt == '.' && *++fmt == '*') {
			f.precision = va_arg(ap, int);
			fmt++;
		} else if (fmt[-1] == '.') {
			fmt = parse_int(fmt, &f.precision);
		}
		fmt = parse_length(fmt, &f);
		if (!*fmt)
			break;
		if (*fmt == 's') {
			put_text(&o, &f, va_arg(ap, const char *));
		} else if (*fmt == 'c' && (one[0] = (char)va_arg(ap, int))) {
			put_text(&o, &f, one);
		} else if (*fmt != 'c' && strchr("diuoxXp", *fmt)) {
			if (f.bytes == 8 || *fmt == 'p')
				v = va_arg(ap, u64);
			else
				v = va_arg(ap, u32);
			put_integer(&o, &f, *fmt, v);
		} else if (*fmt != 'c') {
			put(&o, *fmt);
		}
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
