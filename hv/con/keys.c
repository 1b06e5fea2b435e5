// SPDX-License-Identifier: MIT
// Debug keys: functions that print or do something when a key is pressed.
// Registered during boot; handled with interrupts on and no lock held.
#include "con/private.h"
#include "x86/smp.h"

struct debug_key {
	void (*fn)(char key);
	const char *what;
};

static struct debug_key keys[128];

static void list_keys(char key)
{
	for (u32 i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].fn)
			printk("  %c: %s\n", (char)i, keys[i].what);
}

static void reboot_key(char key)
{
	machine_reboot();
}

static struct debug_key keys[128] = {
	['h'] = { list_keys, "list the keys" },
	['R'] = { reboot_key, "restart the machine" },
};

void debug_key_register(char key, void (*fn)(char key), const char *what)
{
	keys[(u8)key % ARRAY_SIZE(keys)] = (struct debug_key){ fn, what };
}

void debug_key_handle(char key)
{
	const struct debug_key *k = &keys[(u8)key % ARRAY_SIZE(keys)];

	if ((u8)key < ARRAY_SIZE(keys) && k->fn) {
		printk("Key %c: %s\n", key, k->what);
		k->fn(key);
	}
}
