// SPDX-License-Identifier: MIT
// Debug keys: functions that print or do something when a key is pressed.
// Registered during boot; handled with interrupts on and no lock held.
#include "con/private.h"
#include "x86/smp.h"

struct debug_key {
	void (*fn)(char key);
	const char *what;
};

static void list_keys(char key);
static void reboot_key(char key);

static struct debug_key keys[128] = {
	['h'] = { list_keys, "list the keys" },
	['R'] = { reboot_key, "restart the machine" },
};

static void list_keys(char key)
{
	printk("Debug keys:\n");
	for (u32 i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].fn)
			printk("  %c: %s\n", (char)i, keys[i].what);
}

static void reboot_key(char key)
{
	printk("Restart, as asked by a debug key\n");
	machine_reboot();
}

void debug_key_register(char key, void (*fn)(char key), const char *what)
{
	if ((u8)key < ARRAY_SIZE(keys))
		keys[(u8)key] = (struct debug_key){ fn, what };
}

void debug_key_handle(char key)
{
	u64 i = (u8)key;

	if (i >= ARRAY_SIZE(keys))
		return;
	i = index_nospec(i, ARRAY_SIZE(keys));
	if (keys[i].fn)
		keys[i].fn(key);
}
