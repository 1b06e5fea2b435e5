// SPDX-License-Identifier: MIT
// One of many domains that use the store at once. Dom0 directs it:
//
//	data/count=N  adds 1 to /tool/ringlet/counter in each of N transactions
//	data/watch=N  watches /tool/ringlet/news until N changes were told
//	data/check    what a domain may and may not do in the store
//
// and each time it writes what came of it to data/told.
#include "lib/store.h"

#define NEWS	"/tool/ringlet/news"
#define COUNTER "/tool/ringlet/counter"

static u32 told, news, news_wanted;

static void tell(const char *what, u64 a, u64 b)
{
	char text[120];

	snprintf(text, sizeof(text), "%u %s %lu %lu", ++told, what, a, b);
	CHECK_EQ(store_write(0, "data/told", text), 0);
}

// One addition; false when somebody else's was in between, and nothing is
// changed.
static bool add_one(void)
{
	char text[STORE_TEXT];
	u32 transaction;
	long rc;

	CHECK_EQ(store_begin(&transaction), 0);
	CHECK_EQ(store_read(transaction, COUNTER, text) > 0, 1);
	snprintf(text, sizeof(text), "%u", number_of(text) + 1);
	CHECK_EQ(store_write(transaction, COUNTER, text), 0);
	// It sees its own change.
	CHECK_EQ(store_read(transaction, COUNTER, text), (long)strlen(text));
	rc = store_end(transaction, true);
	if (rc != -EAGAIN)
		CHECK_EQ(rc, 0);
	return !rc;
}

static void count(u32 times)
{
	u64 tries = 0;

	for (u32 i = 0; i < times; tries++)
		i += add_one();
	tell("counted", times, tries);
}

// A watch speaks once when it is set.
static void watch(u32 changes)
{
	news = 0;
	news_wanted = changes + 1;
	CHECK_EQ(store_watch(NEWS, "news"), 0);
	tell("watching", 0, 0);
}

static void note_news(void)
{
	char text[STORE_TEXT];

	if (++news != news_wanted)
		return;
	CHECK_EQ(store_read(0, NEWS, text) > 0, 1);
	CHECK_EQ(store_unwatch(NEWS, "news"), 0);
	CHECK_EQ(store_unwatch(NEWS, "news"), -ENOENT);
	tell("news", news, number_of(text));
}

// A transaction that is given up leaves nothing; names of all lengths.
static void check_own(void)
{
	char text[STORE_TEXT], list[2];
	u32 transaction;
	long rc;

	CHECK_EQ(store_write(0, "data/a/b", "1"), 0);
	CHECK_EQ(store_read(0, "data/a/b", text), 1);
	CHECK_EQ(store_begin(&transaction), 0);
	CHECK_EQ(store_remove(transaction, "data/a"), 0);
	CHECK_EQ(store_read(transaction, "data/a/b", text), -ENOENT);
	CHECK_EQ(store_read(0, "data/a/b", text), 1);
	CHECK_EQ(store_end(transaction, false), 0);
	CHECK_EQ(store_read(0, "data/a/b", text), 1);
	// It has ended. The daemon in OCaml has its own word for that.
	rc = store_end(transaction, true);
	CHECK(rc == -ENOENT || rc == -EIO);
	CHECK_EQ(store_call(XS_DIRECTORY, 0, "data/a", 7, text), 2);
	memcpy(list, text, sizeof(list));
	CHECK_EQ(list[0], 'b');
	CHECK_EQ(store_remove(0, "data/a"), 0);
	CHECK_EQ(store_read(0, "data/a/b", text), -ENOENT);
	CHECK_EQ(store_read(0, "data/a b", text), -EINVAL);
	for (size_t n = 1; n < 300; n += 23) {
		memset(text, 'v', n);
		text[n] = 0;
		CHECK_EQ(store_write(0, "data/long", text), 0);
		memset(text, 0, n);
		CHECK_EQ(store_read(0, "data/long", text), (long)n);
		CHECK_EQ(text[n - 1], 'v');
	}
	CHECK_EQ(store_remove(0, "data/long"), 0);
}

// What is not its own.
static void check_others(void)
{
	char text[STORE_TEXT];

	CHECK_EQ(store_write(0, "/local/domain/0/ringlet", "1"), -EACCES);
	CHECK_EQ(store_read(0, "/tool/ringlet/secret", text), -EACCES);
	CHECK_EQ(store_write(0, "/tool/ringlet/secret", "1"), -EACCES);
	CHECK_EQ(store_write(0, "name", "other"), -EACCES);
	CHECK_EQ(store_read(0, "name", text) > 0, 1);
	CHECK_EQ(store_allow(0, "/tool/ringlet/secret", "b0", 3), -EACCES);
}

static void obey(const char *order)
{
	char text[STORE_TEXT];
	u32 number;

	if (store_read(0, order, text) <= 0)
		return;
	number = number_of(text);
	if (!strcmp(order, "data/count"))
		count(number);
	if (!strcmp(order, "data/watch"))
		watch(number);
	if (!strcmp(order, "data/check")) {
		const char *first;

		check_own();
		check_others();
		if (checks_failed(&first))
			store_write(0, "data/failure", first);
		tell("checked", checks_failed(NULL), 0);
	}
}

TEST(store)
{
	static const char *const orders[] = { "data/count", "data/watch",
					      "data/check" };
	char token[32];

	if (start_info->flags & SIF_INITDOMAIN)
		test_skip("is for a DomU");
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++)
		CHECK_EQ(store_watch(orders[i], orders[i]), 0);
	for (;;) {
		while (store_event(token, NULL)) {
			if (!strcmp(token, "news"))
				note_news();
			else
				obey(token);
		}
		store_wait();
	}
}
