/* Telling half of a write from somebody's save. Pure. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

/* @is may have come of writing @to over @from, interrupted anywhere: each block of it is
 * one's or the other's; or each byte is, and no user's document either. */
bool torn_is(struct slice is, struct slice from, struct slice to);
/* It reads as a settings document. */
bool torn_is_document(struct slice text);
