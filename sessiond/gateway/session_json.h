/* Sessions and interactions as callers see them (docs/api). */
#pragma once

#include "base/jsn.h"

struct session;

struct jsn *session_json(const struct session *s);
