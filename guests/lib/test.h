// SPDX-License-Identifier: MIT
// TEST(name) { ... } is one case; its line on the console is PASS when all
// its checks held. A test goes on after a failed check, so that one run says
// as much as possible; the line shows the first.
#ifndef LIB_TEST_H
#define LIB_TEST_H

struct test {
	const char *name;
	void (*body)(void);
};

#define TEST(name)                                                          \
	static void test_##name(void);                                      \
	static const struct test entry_##name                               \
		__attribute__((section(".tests"), used)) = { #name,         \
							     test_##name }; \
	static void test_##name(void)

// test.c
void tests_run(void);
void check_failed(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool check_eq(const char *file, int line, const char *what, long long got,
	      long long want);
// How many, of the test that runs, and what the first one said (if first).
unsigned int checks_failed(const char **first);
void test_after(void); // runs behind each test, and may fail it
// Ends the test as skipped.
void test_skip(const char *why);

// Both as what is wider: u64, or long, which takes pointers and results of calls
// as well.
#ifdef __x86_64__
#define CHECK_VALUE(x, other) (long)(x)
#else
#define CHECK_VALUE(x, other)                                   \
	__builtin_choose_expr(sizeof((x) + 0) == 8 ||           \
				      sizeof((other) + 0) == 8, \
			      x, (long)(x))
#endif
#define CHECK_EQ(expr, want)                                         \
	check_eq(__FILE__, __LINE__, #expr, CHECK_VALUE(expr, want), \
		 CHECK_VALUE(want, expr))
#define CHECK(expr) check_eq(__FILE__, __LINE__, #expr, !!(expr), 1)

// The statement must trap with this vector and error code, or not at all.
#define CHECK_TRAP(statement, vector_, error_)                                \
	({                                                                    \
		CATCH(statement);                                             \
		check_eq(__FILE__, __LINE__, "vector of " #statement,         \
			 (long)trap_last.regs.vector, (long)(vector_)) &&     \
			check_eq(__FILE__, __LINE__,                          \
				 "error code of " #statement,                 \
				 (long)trap_last.regs.error, (long)(error_)); \
	})
#define CHECK_NO_TRAP(statement)                                      \
	({                                                            \
		CATCH(statement);                                     \
		check_eq(__FILE__, __LINE__, "vector of " #statement, \
			 (long)trap_last.regs.vector, NO_TRAP);       \
	})

#endif
