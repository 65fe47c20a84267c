/* The server's TLS settings: certificate and key, HTTP/1.1 only. */
#pragma once

#include "base/err.h"

struct ssl_st;
struct ssl_ctx_st;

/* Return: 0; ERROR_INVALID, @e says which file and why. */
int http_tls_new(const char *cert_path, const char *key_path, struct ssl_ctx_st **out,
    struct err *e) MUST_CHECK;
struct ssl_ctx_st *http_tls_free(
    struct ssl_ctx_st *ctx); /* connections made from it live on */
/* The TLS side of one accepted connection; NULL if there is no memory. */
struct ssl_st *http_tls_accept(struct ssl_ctx_st *ctx);
