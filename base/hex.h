/* Bytes as hexadecimal digits, and back. */
#pragma once

#include <stddef.h>

/* What the digit is worth, upper or lower case; -1: no digit. */
int hex_value(char c);
/* @n bytes as 2 * @n lower-case digits and a NUL. */
void hex_print(const unsigned char *bytes, size_t n, char *out);
