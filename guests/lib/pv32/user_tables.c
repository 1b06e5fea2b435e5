// SPDX-License-Identifier: MIT
// Both modes of a 32-bit kernel's guest have one base table.
#include "lib/guest.h"

void user_tables_make(void)
{
}
