/* Its own file so that nothing else of the server needs OpenSSL's configuration calls. */
#include "base/io/http_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

static int refuse(SSL_CTX *ctx, const char *what, const char *path, struct err *e)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	SSL_CTX_free(ctx);
	return err_set(
	    e, ERROR_INVALID, "%s '%s': %s", what, path, reason ? reason : "unreadable");
}

/* Of what a client offers only http/1.1 is taken; a client that does not offer it gets no
 * answer about protocols and will see soon enough. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n_out,
    const unsigned char *in, unsigned int n_in, void *data)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *selected;

	(void)ssl, (void)data;
	if (SSL_select_next_proto(&selected, n_out, ours, sizeof(ours) - 1, in, n_in) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = selected;
	return SSL_TLSEXT_ERR_OK;
}

int http_tls_new(
    const char *cert_path, const char *key_path, struct ssl_ctx_st **out, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	must(ctx);
	if (!key_path)
		key_path = cert_path;
	ERR_clear_error();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
		return refuse(ctx, "TLS certificate", cert_path, e);
	if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1)
		return refuse(ctx, "TLS key", key_path, e);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return refuse(ctx, "TLS key", key_path, e);
	*out = ctx;
	return 0;
}

struct ssl_ctx_st *http_tls_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
	return NULL;
}

struct ssl_st *http_tls_accept(struct ssl_ctx_st *ctx)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}
