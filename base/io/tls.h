/* TLS settings of servers (certificate and key) and clients (whom to trust), and one
 * connection's side of them. */
#pragma once

#include "base/err.h"

struct ssl_st;
struct ssl_ctx_st;

/* @key_path NULL: in the certificate's file. Return: 0; ERROR_INVALID, @e says which file
 * and why. */
int tls_server_new(const char *cert_path, const char *key_path, struct ssl_ctx_st **out,
    struct err *e) MUST_CHECK;
/* @ca_file NULL: the system's. Return: 0; ERROR_INVALID */
int tls_client_new(const char *ca_file, bool skip_verify, struct ssl_ctx_st **out,
    struct err *e) MUST_CHECK;
struct ssl_ctx_st *tls_free(
    struct ssl_ctx_st *ctx); /* connections made from it live on */

struct ssl_st *tls_accept(struct ssl_ctx_st *ctx);
/* @host is whom the certificate must name: a name or a numeric address. */
struct ssl_st *tls_connect(struct ssl_ctx_st *ctx, const char *host);
/* Why the certificate was refused; NULL if it was not. Static text. */
const char *tls_refusal(struct ssl_st *ssl);
